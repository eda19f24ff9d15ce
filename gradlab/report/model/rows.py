"""The rows of a report: configurations that differ in their length only, depth or of recurrent networks `seq_len`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from gradlab.analysis.compare.design import setting_text
from gradlab.cell import SETTINGS, setting_behind
from gradlab.families import Axis
from gradlab.families.axes import axis_of, idle_attributes, models_by_axis
from gradlab.report.model.labels import name_of, short_labels
from gradlab.report.model.marks import Point, learned
from gradlab.report.model.outcomes import TrainingOutcome, outcomes_by
from gradlab.results.tables import Tables

__all__ = ["Row", "RowGroup", "by_axis", "metric_name", "points_of", "rows_of", "shown_labels", "shown_lengths", "some"]

_Any = TypeVar("_Any")
_LENGTHS_FOLDED = 16
_ROUNDING = 1e-6
"""Of survivals of one network: its initial weights are rounded to the precision of training."""


@dataclass(frozen=True, slots=True)
class Row:
    """The configurations that share all settings but the length, with their numbers at each length."""

    labels: tuple[str, ...]
    """The values of the settings in which the rows differ."""
    points: dict[int, Point]
    failed: frozenset[int] = frozenset()
    """Lengths at which at least one cell failed."""
    outcomes: Mapping[int, TrainingOutcome] = field(default_factory=dict)
    """What training made of it at each length that was measured."""
    shown: tuple[str, ...] = ()
    """The labels as they are shown, short; empty: as they are."""
    title: str = ""
    """The settings with their labels; empty without any."""
    members: tuple[Row, ...] = ()
    """The rows that this one stands for, see `RowGroup.before_training`."""

    @property
    def longest(self) -> Point | None:
        """The numbers of the longest network that was measured."""
        return self.points[max(self.points)] if self.points else None

    @property
    def longest_member(self) -> Row:
        """Of the rows that this one stands for, the first with its longest network; the row itself where it is one."""
        return max(self.members, key=lambda row: max(row.points, default=0), default=self)

    @property
    def name(self) -> str:
        """The settings as one text, the labels where there is no title."""
        nothing = "every configuration" if len(self.members) > 1 else "this network"
        return self.title or " ".join(self.short) or nothing

    @property
    def short(self) -> tuple[str, ...]:
        """The labels as they are shown."""
        return self.shown or self.labels

    @property
    def max_trainable(self) -> int | None:
        """The largest length at which more than half of the seeds learned."""
        return max((length for length, point in self.points.items() if learned(point)), default=None)


@dataclass(frozen=True, slots=True)
class RowGroup:
    """The rows along one axis, in the order of the cells."""

    axis: Axis
    keys: tuple[str, ...]
    """The settings of the labels."""
    rows: tuple[Row, ...]
    lengths: tuple[int, ...]
    metric: str
    """Name of the tasks' metric; ``metric`` where they have different ones."""
    fixed: dict[str, Any] = field(default_factory=dict)
    """Settings with one value in all cells, `seed` left out."""
    seeds: tuple[int, ...] = ()
    shared: str = ""
    """What these rows have in common and those along another axis have not; mostly empty."""

    @property
    def lengths_name(self) -> str:
        """``depths`` or ``lengths``."""
        return "depths" if self.axis.setting == "depth" else "lengths"

    @property
    def varies(self) -> bool:
        """Whether there are several lengths."""
        return len(self.lengths) > 1

    @property
    def before_training(self) -> RowGroup:
        """The rows as they are before training: those that differ only in settings of the training as one.

        Only where their survivals are the same indeed. A length failed where it failed in every one of them.
        """
        positions = [at for at, key in enumerate(self.keys) if not setting_behind(key).training]
        if len(positions) == len(self.keys):
            return self
        merged: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows:
            merged.setdefault(tuple(row.labels[at] for at in positions), []).append(row)
        keys = [self.keys[at] for at in positions]
        rows = tuple(_merged(positions, keys, members) for members in merged.values())
        if any(row is None for row in rows) or len(rows) == len(self.rows):
            return self
        return replace(self, keys=tuple(keys), rows=tuple(row for row in rows if row))


def _merged(positions: Sequence[int], keys: Sequence[str], rows: Sequence[Row]) -> Row | None:
    """Return some rows as one with the labels at `positions`, None where their survivals are not the same."""
    points: dict[int, Point] = {}
    for row in rows:
        for length, point in row.points.items():
            if not _same_survival(points.setdefault(length, point), point):
                return None
    labels, short = tuple(rows[0].labels[at] for at in positions), tuple(rows[0].short[at] for at in positions)
    title = name_of(zip(keys, short, strict=True))
    failed = frozenset().union(*(row.failed for row in rows)) - points.keys()
    return Row(labels, dict(sorted(points.items())), failed, shown=short, title=title, members=tuple(rows))


def _same_survival(left: Point, right: Point) -> bool:
    a, b = float(left["log10_survival"]), float(right["log10_survival"])
    near = a == b or abs(a - b) <= _ROUNDING * max(abs(a), 1.0) or (a != a and b != b)
    return near and all(left[name] == right[name] for name in ("verdict", "n", "n_survival"))


def some(rows: tuple[_Any, ...], most: int | None) -> tuple[_Any, ...]:
    """Return at most `most` rows, evenly from the first to the last; None: all."""
    if most is None or most >= len(rows):
        return rows
    return tuple(rows[round(at * (len(rows) - 1) / (most - 1))] for at in range(most))


def shown_lengths(lengths: Sequence[int], width: int | None) -> tuple[int, ...]:
    """Return the lengths with a column in `width` columns of a terminal: of many, some evenly spaced on a log axis.

    All of them without a width, and all up to 16, below each other where the line is short.
    """
    if width is None or len(lengths) <= _LENGTHS_FOLDED:
        return tuple(lengths)
    available = np.array(lengths)
    targets = np.geomspace(lengths[0], lengths[-1], max(6, width // 12))
    nearest = available[np.abs(np.log(available) - np.log(targets)[:, None]).argmin(axis=1)]
    return tuple(sorted({int(length) for length in nearest}))


def by_axis(tables: Tables) -> tuple[Tables, ...]:
    """Return the tables of the networks along each axis, in the order of the families; without cells, none."""
    parts = []
    for models in models_by_axis(tables.cells["model"].unique().tolist()).values():
        cells, summary = (frame[frame["model"].isin(models)] for frame in (tables.cells, tables.summary))
        cell_ids = set(cells["cell"])
        layers, steps, stacked = (
            frame[frame["cell"].isin(cell_ids)] if len(frame) else frame
            for frame in (tables.layers, tables.steps, tables.stacked)
        )
        parts.append(Tables(*(frame.reset_index(drop=True) for frame in (cells, layers, steps, summary, stacked))))
    return tuple(parts) if len(parts) > 1 else (tables,) * len(parts)


def rows_of(tables: Tables) -> RowGroup:
    """Return the rows of tables with at least one cell, failed ones included, along one axis (`by_axis`)."""
    cells = tables.cells
    settings = [key for key in SETTINGS if key != "seed" and key in cells]  # tables of an older version have fewer
    varying = [key for key in settings if len({setting_text(value) for value in cells[key].unique()}) > 1]
    axis = axis_of(cells["model"].unique().tolist(), varying)
    keys = [key for key in varying if key != axis.setting]
    idle = idle_attributes(cells["model"].unique())
    points: dict[Hashable, dict[int, Point]] = {}
    for point in points_of(tables.summary):
        points.setdefault(_labels(point, keys), {})[int(point[axis.setting])] = point
    failed: dict[Hashable, set[int]] = {}
    measured = _outcomes(cells, keys, axis)
    order: dict[tuple[str, ...], None] = {}
    for cell in points_of(cells[[axis.setting, *keys, "status"]].drop_duplicates()):
        order.setdefault(_labels(cell, keys))
        if cell["status"] == "failed":
            failed.setdefault(_labels(cell, keys), set()).add(int(cell[axis.setting]))
    return RowGroup(
        axis=axis,
        keys=tuple(keys),
        rows=tuple(
            Row(
                label,
                points.get(label, {}),
                frozenset(failed.get(label, ())),
                measured.get(label, {}),
                short,
                name_of(zip(keys, short, strict=True)),
            )
            for label, short in zip(order, shown_labels(list(order)), strict=True)
        ),
        lengths=tuple(sorted({int(length) for length in cells[axis.setting]})),
        metric=metric_name(cells["metric_name"]),
        fixed={key: cells[key].iloc[0] for key in settings if key not in varying and key not in idle},
        seeds=tuple(sorted(set(cells["seed"].tolist()))),
    )


def _outcomes(
    cells: pd.DataFrame, keys: Sequence[str], axis: Axis
) -> dict[tuple[str, ...], dict[int, TrainingOutcome]]:
    texts = [cells[key].map(setting_text) for key in keys]
    places = list(zip(zip(*texts, strict=True) if texts else [()] * len(cells), cells[axis.setting], strict=True))
    by_row: dict[tuple[str, ...], dict[int, TrainingOutcome]] = {}
    for place, outcome in outcomes_by(cells, places).items():
        by_row.setdefault(place[0], {})[int(place[1])] = outcome
    return by_row


def shown_labels(labels: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the labels of rows in their short form."""
    short = [short_labels(column) for column in zip(*labels, strict=True)] if labels else []
    return [tuple(names[text] for names, text in zip(short, label, strict=True)) for label in labels]


def metric_name(names: Any) -> str:
    """Return the one name among `names`, empty ones left out; ``metric`` where there are several or none."""
    distinct = {name for name in names if isinstance(name, str) and name}
    return distinct.pop() if len(distinct) == 1 else "metric"


def points_of(frame: Any) -> list[Point]:
    """Return the rows of a table as mappings."""
    return [{str(key): value for key, value in point.items()} for point in frame.to_dict("records")]


def _labels(point: Point, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(setting_text(point[key]) for key in keys)
