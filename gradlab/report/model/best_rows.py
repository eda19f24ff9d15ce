"""The configurations of a comparison at their best values, as rows by length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.analysis.compare.axes import labels_of, lengths_of, over_of
from gradlab.analysis.compare.best import Best
from gradlab.analysis.compare.design import setting_text
from gradlab.families import Axis
from gradlab.report.model.labels import name_of
from gradlab.report.model.marks import Point
from gradlab.report.model.rows import points_of, shown_labels

__all__ = ["BestGroup", "BestRow", "best_groups"]


@dataclass(frozen=True, slots=True)
class BestRow:
    """The configurations that share all settings but the length."""

    labels: tuple[str, ...]
    """The values of the settings in which the rows differ, short."""
    name: str
    points: dict[int, Point]
    """Rows of `Best.table` by length."""
    values: dict[int, list[Point]]
    """Rows of `Best.values` by length, in the order of the axis."""


@dataclass(frozen=True, slots=True)
class BestGroup:
    """The rows along one axis of lengths."""

    axis: Axis
    keys: tuple[str, ...]
    rows: tuple[BestRow, ...]
    lengths: tuple[int, ...]

    def name(self, row: BestRow, length: int) -> str:
        """Return a configuration as one text."""
        if len(self.lengths) == 1:
            return row.name or "this network"
        return f"{row.name} {self.axis.at(length)}" if row.name else self.axis.at(length)

    @property
    def configurations(self) -> list[tuple[str, Point]]:
        """Each configuration with its name, in the order of the rows."""
        return [(self.name(row, length), point) for row in self.rows for length, point in row.points.items()]


def best_groups(
    best: Best, along: Mapping[str, Axis], follows: Sequence[str] = (), order: Sequence[int] | None = None
) -> list[BestGroup]:
    """Return the rows along each axis `along` (by its setting); settings that follow others are no labels.

    `order`: the rows of `Best.table` to show; None: all of them.
    """
    axes = tuple(along)
    order = range(len(best.table)) if order is None else order
    table = best.table.iloc[list(order)].reset_index(drop=True)
    keys = [key for key in best.settings if key not in axes or len(axes) > 1]
    keys = [key for key in keys if key not in follows]
    frame = table.assign(**{axis: table.get(axis, 0) for axis in axes})
    over, lengths = over_of(frame, axes), lengths_of(frame, axes)
    labels = labels_of(frame, keys, axes)
    every = best.table.assign(**{axis: best.table.get(axis, 0) for axis in axes})
    of_axis, texts = over_of(every, axes), labels_of(every, keys, axes).map(setting_text)
    points = points_of(table)
    values: dict[int, list[Point]] = {}
    for point in points_of(best.values):
        values.setdefault(int(point["configuration"]), []).append(point)
    groups = []
    for axis in axes:
        indices = np.flatnonzero(over == axis)
        shown_keys = [key for key in keys if texts[key][of_axis == axis].nunique() > 1]
        rows: dict[tuple[str, ...], dict[int, int]] = {}
        for at in indices:
            rows.setdefault(_label(labels.iloc[at], shown_keys), {})[int(lengths[at])] = int(at)
        short = shown_labels(list(rows))
        groups.append(
            BestGroup(
                along[axis],
                tuple(shown_keys),
                tuple(
                    BestRow(
                        label,
                        name_of(zip(shown_keys, label, strict=True)),
                        {length: points[at] for length, at in places.items()},
                        {length: values[order[at]] for length, at in places.items()},
                    )
                    for label, places in zip(short, rows.values(), strict=True)
                ),
                tuple(sorted({length for places in rows.values() for length in places})),
            )
        )
    return [group for group in groups if group.rows]


def _label(row: Any, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(setting_text(row[key]) for key in keys)
