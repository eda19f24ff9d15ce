"""Paired differences over common seeds: their intervals, their tests, and which of them are significant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from gradlab.analysis.compare.seed_means import LEVEL, half_width, joint, owner_of, seed_contributions, sums
from gradlab.record import Floats
from gradlab.store.records import Integers

__all__ = ["FEWEST_SEEDS", "PairedDifference", "holm", "paired_differences", "sign_flip"]

FEWEST_SEEDS = 3
"""With two seeds a t test has one degree of freedom: its level rests on exact normality, so nothing is decided."""
_ENUMERATED = 16
"""Most seeds for which every pattern of signs is tried."""
_FLIPS = 20_000


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A paired comparison. p-values are two-sided and corrected for the number of comparisons (Holm)."""

    mean: float
    low: float
    """95 %, of this comparison alone."""
    high: float
    seeds: int
    blocks: int
    """Settings, otherwise equal, at which both were measured; each counts the same in the mean."""
    agree: int
    """Blocks whose own mean has the sign of the mean of all."""
    pairs: int
    p: float
    """Paired t test over seeds; NaN where it has nothing to go by."""
    p_flip: float
    """Sign-flip permutation test over seeds."""
    least_flip: float
    """Smallest uncorrected p that the permutation test can give with so many seeds."""
    sign: Literal["+", "-", "~", "="]
    """The sign of a significant difference; ``~``: not significant; ``=``: no pair differs."""


def paired_differences(
    values: Floats, block: Integers, seed: Integers, group: Integers, groups: int, *, discrete: bool = False
) -> tuple[PairedDifference, ...]:
    """Return one comparison for each group from the differences `values` of its pairs, all [N].

    The t test over seeds is the first judge: logarithms of gradient norms are sums over many blocks and so nearly
    normal (Hanin & Nica 2018, arXiv 1812.05994), and where a level makes no difference, swapping it changes nothing,
    so that differences are symmetric, under which the t test nearly keeps its level (simulated in the tests: 5 % for
    normal ones, 4 % with heavy tails; the worst case is three seeds of uniform ones, 7 %). The sign-flip test (Fisher
    1935), which needs the symmetry alone, flips all pairs of a seed together; with n seeds its p is at least 2^(1-n),
    0.0625 for five, so with few seeds it could never pass. A difference therefore has to pass the t test,
    and the sign-flip test as well wherever that could pass (its least p times the number of comparisons is within the
    level). Fewer than `FEWEST_SEEDS` seeds decide nothing. For `discrete` values (0 or 1), whose scatter a t test
    cannot judge from few seeds, only the sign-flip test counts.

    A setting with one pair, where others have several, shows no scatter and is left out.
    """
    usable = _with_scatter(values, block, group, groups)
    values, block, seed, group = values[usable], block[usable], seed[usable], group[usable]
    means = seed_contributions(values, block, seed, group, groups)
    half = half_width(means.squares, means.freedom)
    largest = np.zeros(groups)
    np.maximum.at(largest, group, np.abs(values))
    pairs = np.bincount(group, minlength=groups)
    place = joint([group, block], len(values))
    same_sign = (
        np.sign(sums(place, values, int(place.max(initial=-1)) + 1)) == np.sign(means.mean)[owner_of(place, group)]
    )
    agree = np.bincount(owner_of(place, group), same_sign, groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(means.mean) / (half / stdtrit(np.maximum(means.freedom, 1), 1 - LEVEL / 2))
    p = np.where(largest == 0, np.nan, 2 * stdtr(np.maximum(means.freedom, 1), -t))
    p[discrete | (means.freedom < 1)] = np.nan
    flips = np.array(
        [sign_flip(means.parts[means.owner == index]) if pairs[index] else np.nan for index in range(groups)]
    )
    corrected, corrected_flips = holm(p), holm(flips)
    tests = int(np.isfinite(flips).sum())

    def difference(index: int) -> PairedDifference:
        least = _least(int(means.seeds[index]))
        askable = discrete or least * tests <= LEVEL
        enough = means.seeds[index] >= FEWEST_SEEDS
        passed = enough and (discrete or corrected[index] < LEVEL) and (not askable or corrected_flips[index] < LEVEL)
        sign: Literal["+", "-", "~", "="] = "=" if pairs[index] and largest[index] == 0 else "~"
        if sign == "~" and passed:
            sign = "+" if means.mean[index] > 0 else "-"
        # from few seeds the scatter of 0 and 1 says nothing: it may well be zero
        mean, side = float(means.mean[index]), np.nan if discrete else float(half[index])
        return PairedDifference(
            mean=mean,
            low=mean - side,
            high=mean + side,
            seeds=int(means.seeds[index]),
            blocks=int(means.members[index]),
            agree=int(agree[index]),
            pairs=int(pairs[index]),
            p=float(corrected[index]),
            p_flip=float(corrected_flips[index]),
            least_flip=least,
            sign=sign,
        )

    return tuple(difference(index) for index in range(groups))


def _with_scatter(values: Floats, block: Integers, group: Integers, groups: int) -> NDArray[np.bool_]:
    finite = np.isfinite(values)
    place = joint([group, block], len(values))
    several = (np.bincount(place, finite) > 1)[place] if len(values) else finite
    has_several = np.bincount(group, several & finite, groups) > 0
    usable: NDArray[np.bool_] = finite & (several | ~has_several[group])
    return usable


def holm(p: Floats) -> Floats:
    """Return p-values corrected for their number by Holm's step-down method (1979), [n]; NaN stays and does not count.

    With them, the probability of any false positive among all comparisons is at most the level.
    """
    corrected = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: int(np.isfinite(p).sum())]
    steps = p[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def sign_flip(parts: Floats) -> float:
    """Return the two-sided p of the sum of `parts` [n] under random flips of their signs.

    Exact, over all 2^n patterns, up to 16 parts; beyond that from 20,000 random patterns of a fixed generator, with
    the observed one counted in (Phipson & Smyth 2010), so that the same table always gives the same p.
    """
    observed = abs(float(parts.sum())) * (1 - 1e-12)  # the observed pattern counts, whatever the rounding of its sum
    exact = len(parts) <= _ENUMERATED
    hits = int((np.abs(_patterns(len(parts)) @ parts) >= observed).sum())
    return hits / len(_patterns(len(parts))) if exact else (hits + 1) / (_FLIPS + 1)


@lru_cache(maxsize=8)
def _patterns(n: int) -> Floats:
    if n > _ENUMERATED:
        return np.random.default_rng(0).choice([-1.0, 1.0], size=(_FLIPS, n))
    bits = np.arange(2 ** max(n - 1, 0))[:, None] >> np.arange(n) & 1  # the last sign stays: the rest mirrors it
    return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)


def _least(seeds: int) -> float:
    return 2.0 ** (1 - seeds) if seeds <= _ENUMERATED else 1 / (_FLIPS + 1)
