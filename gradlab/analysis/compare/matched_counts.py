"""Counts of configurations by the levels of a factor, over matched configurations alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.analysis.compare.design import Design
from gradlab.analysis.compare.main_effects import matched
from gradlab.analysis.compare.seed_means import joint

__all__ = ["MatchedCounts", "matched_counts"]


@dataclass(frozen=True, slots=True)
class MatchedCounts:
    """How many configurations of each level have a property, at the same settings of all other factors."""

    factor: str
    levels: tuple[str, ...]
    numbers: tuple[int, ...]
    settings: int
    """Configurations of each level that are counted."""
    whole: bool
    """Whether every configuration is counted."""


def matched_counts(flags: NDArray[np.bool_], design: Design) -> MatchedCounts | None:
    """Return the counts of `flags` [configurations] by the factor on which they depend most; None without a difference.

    Only configurations at settings at which all levels were measured count, see `main_effects`: with all of them, a
    factor that was varied among lost networks would seem to be what loses them.
    """
    first = np.unique(design.configuration, return_index=True)[1]
    codes = {factor.name: factor.codes[first] for factor in design.factors}
    best: tuple[float, MatchedCounts | None] = (0.0, None)
    for factor in design.factors:
        others = joint([code for name, code in codes.items() if name != factor.name], len(first))
        table = np.full((int(others.max()) + 1, len(factor.levels)), -1)
        table[others, codes[factor.name]] = flags
        levels, settings = matched(table >= 0)
        if len(levels) < 2:
            continue
        numbers = table[np.ix_(settings, levels)].sum(axis=0)
        difference = float(np.ptp(numbers) / len(settings))
        if difference > best[0]:
            labels = tuple(factor.level_labels[int(level)] for level in levels)
            whole = len(levels) * len(settings) == len(first)
            best = (difference, MatchedCounts(factor.title, labels, tuple(numbers.tolist()), len(settings), whole))
    return best[1]
