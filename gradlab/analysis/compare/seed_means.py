"""Means and differences whose repetitions are the seeds.

The seed is the only thing that was drawn at random; every other setting was chosen. All cells with one seed share
their data and their underlying normal draws (common random numbers), so they are not independent of each other, and
however many settings are averaged, the number of independent repetitions is the number of seeds. Hence every interval
and every test takes the seed as its unit: what one seed gives at several depths is one observation, not several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import stdtrit

from gradlab.record import Floats
from gradlab.results.statistics import Interval
from gradlab.store.records import Integers

__all__ = [
    "LEVEL",
    "SeedContributions",
    "freedom_of",
    "half_width",
    "joint",
    "level_deviations",
    "owner_of",
    "seed_contributions",
    "seed_means",
    "seed_sets",
    "sums",
    "unbiased",
]

LEVEL = 0.05
"""Of every test; the intervals are those of 95 %."""


def joint(codes: Sequence[Integers], rows: int) -> Integers:
    """Return one code for each combination of `codes` that occurs, numbered from 0, [rows]."""
    combined = np.zeros(rows, dtype=np.int64)
    for code in codes:
        size = int(code.max(initial=0)) + 1
        combined = np.unique(combined * size + code, return_inverse=True)[1].astype(np.int64)
    return combined


def seed_sets(configuration: Integers, seed: Integers, group: Integers) -> tuple[Integers, Integers, Integers]:
    """Return how the seeds of each group hang together: seeds are of one set where configurations connect them.

    All arguments [N]; a configuration lies in one group. Returns the pair of group and seed of each value [N], the
    group of each pair and the set of each pair [pairs]. Seeds of different sets share no configuration, so what they
    tell is independent, and their scatters need not be alike.
    """
    pair, pair_of = np.unique(group * (int(seed.max(initial=0)) + 1) + seed, return_inverse=True)
    pair_of = pair_of.astype(np.int64)
    offset = int(configuration.max(initial=-1)) + 1
    size = offset + len(pair)
    edges = coo_array((np.ones(len(pair_of)), (configuration, offset + pair_of)), shape=(size, size))
    label = connected_components(edges, directed=False)[1][offset:] if size else np.zeros(0)
    owner = owner_of(pair_of, group)
    return pair_of, owner, joint([owner, label.astype(np.int64)], len(pair))


def freedom_of(squares: Floats, seed_set: Integers, owner: Integers, groups: int) -> tuple[Integers, Floats]:
    """Return for each group its seeds, and the degrees of freedom of the variance that `squares` estimate, [groups].

    `squares`, `seed_set` and `owner` [pairs] are of each pair of group and seed, see `seed_sets`. A set of n seeds
    has n - 1 degrees of freedom; several sets have those of Welch and Satterthwaite (1946), because seeds of different
    runs need not scatter alike. Zero where no set has two seeds.
    """
    sets = int(seed_set.max(initial=-1)) + 1
    of_set = owner_of(seed_set, owner)
    free = np.bincount(seed_set, minlength=sets) - 1
    seeds = np.bincount(owner, minlength=groups)
    largest = np.zeros(groups)
    np.maximum.at(largest, owner, squares)
    with np.errstate(invalid="ignore"):  # squares of a diverging loss may be infinite: the plain freedom
        scaled = np.divide(squares, largest[owner], out=np.zeros(len(squares)), where=largest[owner] > 0)
    variance = sums(seed_set, scaled, sets)
    several = free > 0
    lower = sums(of_set[several], np.square(variance[several]) / free[several], groups)
    upper = np.square(sums(of_set[several], variance[several], groups))
    plain = sums(of_set, free.astype(np.float64), groups)
    return seeds, np.where(lower > 0, np.divide(upper, lower, out=plain.copy(), where=lower > 0), plain)


def unbiased(repeats: Integers) -> Floats:
    """Return by what to multiply deviations from a mean of `repeats` values so that their squares are unbiased.

    sqrt(n/(n - 1)), the HC2 correction (MacKinnon & White 1985); 1 for one value, which deviates from nothing.
    """
    return np.sqrt(repeats / np.maximum(repeats - 1, 1))


def half_width(squares: Floats, freedom: Floats) -> Floats:
    """Return the half width of a 95 % Student-t interval, NaN without freedom; `squares` estimate the variance."""
    free = np.maximum(freedom, 1)
    return np.where(freedom > 0, stdtrit(free, 1 - LEVEL / 2) * np.sqrt(squares), np.nan)


@dataclass(frozen=True, slots=True)
class SeedContributions:
    """Means of groups and what each seed adds to them; `owner` and `parts` have one entry per group and seed."""

    mean: Floats
    squares: Floats
    """Variance of the mean."""
    seeds: Integers
    freedom: Floats
    owner: Integers
    parts: Floats
    """Part of the mean that comes from this seed: they sum to the mean."""
    members: Integers
    """Configurations of each group."""


def seed_contributions(
    values: Floats, configuration: Integers, seed: Integers, group: Integers, groups: int
) -> SeedContributions:
    """Return the means of `seed_means` with the part of every seed in them."""
    usable = np.isfinite(values)
    y, s, g = values[usable], seed[usable], group[usable]
    c = joint([g, configuration[usable]], len(y))
    repeats = np.bincount(c)
    members = np.bincount(owner_of(c, g), minlength=groups)
    share: Floats = y / (repeats[c] * members[g])
    cluster, owner, seed_set = seed_sets(c, s, g)
    parts = sums(cluster, share, len(owner))
    off = share - sums(c, share, len(repeats))[c] / repeats[c]
    around = sums(cluster, off * unbiased(repeats)[c], len(owner))
    mean = np.where(members > 0, sums(owner, parts, groups), np.nan)
    with np.errstate(over="ignore"):  # the loss of a diverging network: its interval is infinite
        squared = np.square(around)
        squares = sums(owner, squared, groups)
    seeds, freedom = freedom_of(squared, seed_set, owner, groups)
    single = np.bincount(owner_of(c, g), repeats < 2, groups) > 0
    freedom[single] = 0.0
    return SeedContributions(mean, squares, seeds, freedom, owner, parts, members)


def owner_of(part: Integers, group: Integers) -> Integers:
    """Return the group that each part lies in, [parts]."""
    owner = np.zeros(int(part.max(initial=-1)) + 1, dtype=np.int64)
    owner[part] = group
    return owner


def sums(index: Integers, values: Floats, size: int) -> Floats:
    """Return the sums of the `values` with one index each, [size]."""
    return np.bincount(index, values, size).astype(np.float64)  # of no values, bincount makes integers


def seed_means(values: Floats, configuration: Integers, seed: Integers, group: Integers, groups: int) -> Interval:
    """Return for each group the mean over its configurations of their means, with a 95 % interval over seeds.

    All arguments [N]; each configuration of a group counts the same. Values that are not finite are left
    out. What a seed adds to the mean is the weighted sum of its deviations from the means of its configurations, each
    `unbiased`; the squares of these sums estimate the variance of the mean (cluster-robust, Liang & Zeger 1986, with
    the seed as cluster). For one configuration this is the ordinary Student-t interval, and for configurations
    that all have the same seeds the ordinary one of the means of the seeds. Where a configuration has one value its
    scatter is unknown, and so is the interval of the mean: NaN. docs/statistics.md has the coverage in simulations.
    `count` is the number of seeds.
    """
    means = seed_contributions(values, configuration, seed, group, groups)
    half = half_width(means.squares, means.freedom)
    return Interval(means.mean, means.mean - half, means.mean + half, means.seeds)


def level_deviations(values: Floats, level: Integers, configuration: Integers, seed: Integers, levels: int) -> Interval:
    """Return for each level its mean minus the mean over the levels, with a 95 % interval over seeds; [levels].

    All arguments [N], the values finite; a configuration has one level, and each level as many configurations. This is
    `seed_means` of the values times levels - 1 at the level itself and times -1 at the others, for all levels at once:
    what a seed adds is linear in the values, so its sums by level are enough.
    """
    repeats = np.bincount(configuration)
    pair, owner, seed_set = seed_sets(configuration, seed, np.zeros(len(values), dtype=np.int64))
    pairs, sets = len(owner), int(seed_set.max(initial=-1)) + 1
    share = values / (repeats[configuration] * np.count_nonzero(repeats))
    off = share - sums(configuration, share, len(repeats))[configuration] / repeats[configuration]

    def contrast(values: Floats) -> Floats:
        of_level = sums(level * pairs + pair, values, levels * pairs).reshape(levels, pairs)
        deviations: Floats = levels * of_level - of_level.sum(axis=0)
        return deviations

    mean = contrast(share).sum(axis=1)
    with np.errstate(over="ignore"):  # the loss of a diverging network: its interval is infinite
        squared = np.square(contrast(off * unbiased(repeats)[configuration]))
    group = np.arange(levels)[:, None]
    of_set, of_level = (group * sets + seed_set).ravel(), (group + np.zeros(pairs, dtype=np.int64)).ravel()
    seeds, freedom = freedom_of(squared.ravel(), of_set, of_level, levels)
    if (repeats == 1).any():
        freedom[:] = 0.0
    half = half_width(squared.sum(axis=1), freedom)
    return Interval(mean, mean - half, mean + half, seeds)
