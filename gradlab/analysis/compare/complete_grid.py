"""The complete part of an incomplete grid: levels of which every combination was measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gradlab.store.records import Integers

__all__ = ["complete_grid", "is_complete"]

_MOST_LEVELS = 12
"""A factor with more levels is not tried at each of them alone."""

Rows = NDArray[np.bool_]


def is_complete(codes: Integers) -> bool:
    """Return whether the distinct rows of `codes` [C, F] are all combinations of their levels."""
    return bool(np.prod([len(np.unique(column)) for column in codes.T], dtype=np.float64) == len(codes))


def complete_grid(codes: Integers) -> Rows:
    """Return which of the distinct rows of `codes` [C, F] form the largest complete grid that was found, [C].

    Levels with the smallest share of their combinations are left out one after the other until the rest is complete:
    from all rows, and from the rows at each level of each factor, as grids of several runs meet in one level only.
    The largest result counts; of two alike, that of more varying factors. Finding the largest for certain takes
    exponential time (it contains the largest biclique of a bipartite graph, Peeters 2003, doi
    10.1016/S0166-218X(03)00333-0).
    """
    all_rows = np.ones(len(codes), dtype=bool)
    if not len(codes) or is_complete(codes):
        return all_rows
    starts = [all_rows]
    for column in codes.T:
        levels = np.unique(column)
        if 1 < len(levels) <= _MOST_LEVELS:
            starts += [column == level for level in levels]
    return max((_pruned(codes, start) for start in starts), key=lambda rows: (int(rows.sum()), _varying(codes[rows])))


def _varying(codes: Integers) -> int:
    return sum(len(np.unique(column)) > 1 for column in codes.T)


def _pruned(codes: Integers, rows: Rows) -> Rows:
    rows = rows.copy()
    while not is_complete(codes[rows]):
        sizes = [len(np.unique(column)) for column in codes[rows].T]
        every = float(np.prod(sizes, dtype=np.float64))
        worst = (np.inf, 0, 0)
        for factor, size in enumerate(sizes):
            if size < 2:
                continue
            counts = np.bincount(codes[rows, factor])
            counts = np.where(counts > 0, counts, len(codes) + 1)
            level = int(counts.argmin())
            worst = min(worst, (float(counts[level]) * size / every, factor, level))
        rows &= codes[:, worst[1]] != worst[2]
    return rows
