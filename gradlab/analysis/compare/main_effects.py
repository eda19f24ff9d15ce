"""Main effects of the levels of each factor, from matched configurations alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.analysis.compare.factor import Factor
from gradlab.analysis.compare.seed_means import joint, level_deviations
from gradlab.record import Floats
from gradlab.store.records import Integers

__all__ = ["LevelEffect", "MainEffects", "main_effects", "matched"]

_MOST_SETS = 200
"""Most sets of levels that are tried, largest first."""


@dataclass(frozen=True, slots=True)
class LevelEffect:
    """The mean of one level of a factor against the mean over its levels, 95 % interval over seeds."""

    factor: str
    level: str
    effect: float
    low: float
    high: float
    cells: int
    """Cells with this level that the effect stands on."""
    matched: int
    """Settings of everything else at which all levels shown were measured; each counts the same."""


@dataclass(frozen=True, slots=True)
class MainEffects:
    """The effects of all levels that can be compared, and what could not be."""

    levels: tuple[LevelEffect, ...]
    notes: tuple[str, ...]


def main_effects(values: Floats, factors: Sequence[Factor], seed: Integers) -> MainEffects:
    """Return the effects of the levels of all `factors` on `values` [N], with 95 % intervals over seeds.

    A level is compared with others only at settings of all other factors at which every one of them was measured, and
    each such setting counts the same. So the effect is the mean of the differences that are there, whatever
    interactions there are, and what happened to be varied elsewhere does not enter it: in a complete grid the ordinary
    main effect, in any other the one of its matched part. A least-squares model of main effects would instead lend
    levels that never meet the effects of others, which is right only without interactions (Nelder 1977, JRSS A 140:48,
    on marginality). Where not all levels meet, the set of levels with the most matched configurations is compared; of
    a factor of which no two levels meet there are no effects, and a note says so.

    The effects of a factor sum to zero. The interval is that of `seed_means` on the deviations from the mean over the
    levels: seeds that two levels share cancel, others count as independent.
    """
    usable = np.isfinite(values)
    y, s = values[usable], seed[usable]
    codes = [factor.codes[usable] for factor in factors]
    effects: list[LevelEffect] = []
    notes: list[str] = []
    constant: list[str] = []
    rounding = 1e-12 * float(np.abs(y).max(initial=0.0))
    for index, factor in enumerate(factors):
        every = joint([other.codes for place, other in enumerate(factors) if place != index], len(values))
        others = every[usable]
        present = _counts(factor.codes, every, int(every.max(initial=-1)) + 1, len(factor.levels)) > 0
        table = _with_scatter(_counts(codes[index], others, *present.shape))
        levels, settings = matched(table > 0)
        title = factor.title
        if len(levels) < 2:
            reason = "no two of its levels were measured with all other settings alike"
            if (present.sum(1) > 1).any():
                reason = "with all other settings alike, no two of its levels have enough finite values"
            notes.append(f"no effect of {title}: {reason}")
            continue
        notes += _left_out(factor, levels, present[settings], table[settings] > 0)
        if len(settings) < len(table):
            notes.append(
                f"{title}: from {len(settings):,} of {len(table):,} settings of the rest, where all its levels meet"
            )
        level_effects = _effects(factor, levels, settings, y, codes[index], others, s)
        if any(abs(effect.effect) > rounding or effect.high > rounding for effect in level_effects):
            effects += level_effects
        else:
            constant.append(title)
    if constant:
        notes.insert(0, f"the same at every level: {', '.join(constant)}")
    return MainEffects(tuple(effects), tuple(notes))


def _left_out(factor: Factor, levels: Integers, present: NDArray[np.bool_], usable: NDArray[np.bool_]) -> list[str]:
    """Return which levels are not compared and why; both tables [settings that are compared, all levels]."""
    reasons: dict[str, list[str]] = {}
    for place in sorted(set(range(len(factor.levels))) - set(levels.tolist())):
        measured, total = int(present[:, place].sum()), len(present)
        reason = f"measured at {measured:,} of the {total:,} settings of the others only"
        if not measured:
            reason = "never measured at the settings of the others"
        elif usable[:, place].sum() < measured:
            reason = "with too few finite values at the settings of the others"
        reasons.setdefault(reason, []).append(factor.level_labels[place])
    return [f"{factor.title}: without {', '.join(labels)}, {reason}" for reason, labels in reasons.items()]


def _counts(level: Integers, others: Integers, settings: int, levels: int) -> Integers:
    """Return the number of values at each setting of the other factors and each level, [settings, levels]."""
    return np.bincount(others * levels + level, minlength=settings * levels).reshape(settings, levels)


def _with_scatter(counts: Integers) -> Integers:
    """Return the counts without single values, which have no scatter: beside repeated ones they would make every
    interval unknown."""
    return np.where(counts > 1, counts, 0) if counts.max(initial=0) > 1 else counts


def matched(present: NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Return the levels, and the settings at which all of them were measured, that make the most configurations.

    `present` [settings, levels] says what was measured. Fewer than two levels where no two of them meet.
    """
    kinds, counts = np.unique(present[present.sum(1) > 1], axis=0, return_counts=True)
    kinds = kinds[np.argsort(-counts, kind="stable")][:_MOST_SETS]
    sets = {tuple(kind) for kind in kinds}
    sets |= {tuple(a & b) for place, a in enumerate(kinds[:20]) for b in kinds[:place]}
    best: tuple[int, int, NDArray[np.bool_]] = (0, 0, np.zeros(present.shape[1], dtype=bool))
    for chosen in sorted(sets, reverse=True):
        size = sum(chosen)
        if size > 1:
            meeting = int(present[:, list(chosen)].all(axis=1).sum())
            if (size * meeting, size) > best[:2]:
                best = (size * meeting, size, np.array(chosen))
    levels = np.flatnonzero(best[2])
    settings = np.flatnonzero(present[:, levels].all(axis=1)) if len(levels) else levels
    return levels.astype(np.int64), settings.astype(np.int64)


def _effects(
    factor: Factor, levels: Integers, settings: Integers, y: Floats, level: Integers, others: Integers, seed: Integers
) -> list[LevelEffect]:
    inside = np.isin(level, levels) & np.isin(others, settings)
    y, seed = y[inside], seed[inside]
    level, others = np.searchsorted(levels, level[inside]), np.searchsorted(settings, others[inside])
    size, rows = len(levels), len(settings)
    counts = np.bincount(others * size + level, minlength=size * rows)
    cells = counts.reshape(rows, size).sum(axis=0)
    interval = level_deviations(y, level, others * size + level, seed, size)
    return [
        LevelEffect(
            factor.title,
            factor.level_labels[int(index)],
            float(interval.mean[place]),
            float(interval.low[place]),
            float(interval.high[place]),
            int(cells[place]),
            rows,
        )
        for place, index in enumerate(levels)
    ]
