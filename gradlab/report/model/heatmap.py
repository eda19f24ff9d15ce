"""The arrangement of a heat map: configurations down, lengths across, or a setting where all have one length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["MOST_ACROSS", "HeatMap", "evenly", "heat_map"]

MOST_ACROSS = 12
"""Levels of a setting that may stand across."""
_MOST_DOWN = 40

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Indices of configurations in rows and columns. The columns are values of the setting `name`."""

    name: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    """The settings of the labels of the rows."""
    rows: tuple[Labels, ...]
    fields: tuple[tuple[int | None, ...], ...]
    """[rows, columns]; None where there is no such configuration."""


def heat_map(labels: Sequence[Labels], lengths: Sequence[int], keys: Labels, name: str) -> HeatMap:
    """Return the arrangement of configurations with these labels (values of `keys`) and lengths (values of `name`).

    Where all have one length, the last setting that leaves no more than a third of the fields empty stands across.
    """
    across = _across(set(labels), len(keys)) if len(set(lengths)) == 1 else None
    if across is None:
        order = sorted(set(lengths))
        at, columns, rows = [order.index(length) for length in lengths], [str(length) for length in order], list(labels)
    else:
        name, keys = keys[across], _without(keys, across)
        columns = list(dict.fromkeys(label[across] for label in labels))
        at, rows = [columns.index(label[across]) for label in labels], [_without(label, across) for label in labels]
    fields: dict[Labels, list[int | None]] = {row: [None] * len(columns) for row in rows}
    for index, (row, column) in enumerate(zip(rows, at, strict=True)):
        fields[row][column] = index
    return HeatMap(name, tuple(columns), keys, tuple(fields), tuple(map(tuple, fields.values())))


def _without(labels: Labels, index: int) -> Labels:
    return labels[:index] + labels[index + 1 :]


def _across(labels: set[Labels], keys: int) -> int | None:
    for index in reversed(range(keys)):
        rows = len({_without(label, index) for label in labels})
        columns = len({label[index] for label in labels})
        if 1 < columns <= MOST_ACROSS and 1 < rows <= _MOST_DOWN and 3 * len(labels) >= 2 * rows * columns:
            return index
    return None


def evenly(values: Sequence[float], most: int) -> list[int]:
    """Return the indices of at most `most` values: of all, or by rank evenly from the least to the largest.

    What is not finite counts as the least. All come in their own order, a selection in that of the ranks.
    """
    if len(values) <= most:
        return list(range(len(values)))
    ranked = np.argsort([value if np.isfinite(value) else -np.inf for value in values], kind="stable")
    return [int(ranked[round(at)]) for at in np.linspace(0, len(values) - 1, most)]
