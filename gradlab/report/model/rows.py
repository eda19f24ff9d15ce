"""The rows of a report: configurations that differ in their length only, depth or of recurrent networks `seq_len`."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from gradlab.analysis.compare.axes import labels_of, lengths_of, over_of
from gradlab.analysis.compare.comparison import Comparison
from gradlab.analysis.compare.design import setting_text
from gradlab.cell import SETTINGS, setting_behind
from gradlab.families import Axis
from gradlab.families.axes import axis_of, models_by_axis
from gradlab.report.model.labels import name_of, short_labels
from gradlab.report.model.marks import Point, learned
from gradlab.report.model.outcomes import TrainingOutcome, outcomes_by
from gradlab.results.tables import Tables

__all__ = ["Row", "RowGroup", "by_axis", "comparison_rows", "metric_name", "rows_of", "shown_lengths"]

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

        Only where their survivals are the same indeed, and nothing failed.
        """
        kept = [at for at, key in enumerate(self.keys) if not setting_behind(key).training]
        if len(kept) == len(self.keys) or any(row.failed or not row.points for row in self.rows):
            return self
        merged: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows:
            merged.setdefault(tuple(row.labels[at] for at in kept), []).append(row)
        keys = [self.keys[at] for at in kept]
        rows = tuple(_merged(kept, keys, own) for own in merged.values())
        if any(row is None for row in rows) or len(rows) == len(self.rows):
            return self
        return replace(self, keys=tuple(keys), rows=tuple(row for row in rows if row))


def _merged(kept: Sequence[int], keys: Sequence[str], rows: Sequence[Row]) -> Row | None:
    """Return some rows as one with the `kept` labels, None where their survivals are not the same."""
    points: dict[int, Point] = {}
    for row in rows:
        for length, point in row.points.items():
            if not _same_survival(points.setdefault(length, point), point):
                return None
    labels, shown = tuple(rows[0].labels[at] for at in kept), tuple(rows[0].short[at] for at in kept)
    title = name_of(zip(keys, shown, strict=True))
    return Row(labels, dict(sorted(points.items())), shown=shown, title=title, members=tuple(rows))


def _same_survival(left: Point, right: Point) -> bool:
    one, other = float(left["log10_survival"]), float(right["log10_survival"])
    near = one == other or abs(one - other) <= _ROUNDING * max(abs(one), 1.0) or (one != one and other != other)
    return near and all(left[name] == right[name] for name in ("verdict", "n", "n_survival"))


def shown_lengths(lengths: Sequence[int], width: int | None) -> tuple[int, ...]:
    """Return the lengths with a column in `width` columns of a terminal: of many, some evenly spaced on a log axis.

    All of them without a width, and all up to 16, below each other where the line is short.
    """
    if width is None or len(lengths) <= _LENGTHS_FOLDED:
        return tuple(lengths)
    available = np.array(lengths)
    wanted = np.geomspace(lengths[0], lengths[-1], max(6, width // 12))
    nearest = available[np.abs(np.log(available) - np.log(wanted)[:, None]).argmin(axis=1)]
    return tuple(sorted({int(length) for length in nearest}))


def by_axis(tables: Tables) -> tuple[Tables, ...]:
    """Return the tables of the networks along each axis, in the order of the families; without cells, none."""
    parts = []
    for models in models_by_axis(tables.cells["model"].unique().tolist()).values():
        cells, summary = (frame[frame["model"].isin(models)] for frame in (tables.cells, tables.summary))
        own = set(cells["cell"])
        layers, steps, stacked = (
            frame[frame["cell"].isin(own)] if len(frame) else frame
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
    points: dict[Hashable, dict[int, Point]] = {}
    for point in _points(tables.summary):
        points.setdefault(_labels(point, keys), {})[int(point[axis.setting])] = point
    failed: dict[Hashable, set[int]] = {}
    measured = _outcomes(cells, keys, axis)
    order: dict[tuple[str, ...], None] = {}
    for cell in _points(cells[[axis.setting, *keys, "status"]].drop_duplicates()):
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
                shown,
                name_of(zip(keys, shown, strict=True)),
            )
            for label, shown in zip(order, _shown(list(order)), strict=True)
        ),
        lengths=tuple(sorted({int(length) for length in cells[axis.setting]})),
        metric=metric_name(cells["metric_name"]),
        fixed={key: cells[key].iloc[0] for key in settings if key not in varying},
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


def _shown(labels: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the labels of rows in their short form."""
    short = [short_labels(column) for column in zip(*labels, strict=True)] if labels else []
    return [tuple(names[text] for names, text in zip(short, label, strict=True)) for label in labels]


def metric_name(names: Any) -> str:
    """Return the one name among `names`, empty ones left out; ``metric`` where there are several or none."""
    distinct = {name for name in names if isinstance(name, str) and name}
    return distinct.pop() if len(distinct) == 1 else "metric"


def _points(frame: Any) -> list[Point]:
    return [{str(key): value for key, value in point.items()} for point in frame.to_dict("records")]


def _labels(point: Point, keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(setting_text(point[key]) for key in keys)


def comparison_rows(comparison: Comparison) -> list[RowGroup]:
    """Return the rows of a comparison's table, those that run over depth first."""
    axes, table, cells = comparison.design.axes, comparison.table, comparison.cells
    over, lengths = over_of(table, axes), lengths_of(table, axes)
    labels = labels_of(table, comparison.by, axes)
    thresholds = {key: float(cells[key].iloc[0]) for key in ("thresholds.vanish", "thresholds.explode")}
    layers, outcomes = _by_layer(comparison), _compared_outcomes(comparison)
    points = [{**thresholds, **point, **own} for point, own in zip(_points(table), layers, strict=True)]
    groups = []
    for axis in axes:
        keys = tuple(key for key in comparison.by if key != axis or len(axes) == 1)
        texts = labels.loc[:, list(keys)].map(setting_text).itertuples(index=False, name=None)
        rows: dict[tuple[str, ...], dict[int, Point]] = {}
        for index, label in enumerate(texts):
            if over[index] == axis:
                rows.setdefault(tuple(label), {})[int(lengths[index])] = points[index]
        if not rows:
            continue
        kept, shared = list(range(len(keys))), []
        if len(axes) > 1 and len(rows) > 1:
            kept = [at for at in kept if len({label[at] for label in rows}) > 1]
            first = next(iter(rows))
            shared = [f"{key} {first[at]}" for at, key in enumerate(keys) if at not in kept and key not in axes]
        kept_keys = [keys[at] for at in kept]
        texts_of_rows = [tuple(label[at] for at in kept) for label in rows]
        groups.append(
            RowGroup(
                axis=comparison.design.along[axis],
                keys=tuple(kept_keys),
                rows=tuple(
                    Row(
                        tuple(label[at] for at in kept),
                        own,
                        outcomes=outcomes.get((axis, label), {}),
                        shown=shown,
                        title=name_of(zip(kept_keys, shown, strict=True)),
                    )
                    for (label, own), shown in zip(rows.items(), _shown(texts_of_rows), strict=True)
                ),
                lengths=tuple(sorted({length for own in rows.values() for length in own})),
                metric=metric_name(cells.loc[over_of(cells, axes) == axis, "metric_name"]),
                shared=", ".join(shared),
            )
        )
    return groups


def _compared_outcomes(comparison: Comparison) -> dict[tuple[str, tuple[str, ...]], dict[int, TrainingOutcome]]:
    """Return the outcomes by the axis and all labels of a row, then by length."""
    cells, axes = comparison.cells, comparison.design.axes
    over, lengths = over_of(cells, axes), lengths_of(cells, axes)
    labels = labels_of(cells, comparison.by, axes)
    places: list[tuple[str, tuple[str, ...], int]] = [("", (), 0)] * len(cells)
    for axis in axes:
        keys = [key for key in comparison.by if key != axis or len(axes) == 1]
        texts = list(labels.loc[:, keys].map(setting_text).itertuples(index=False, name=None))
        for at in np.flatnonzero(over == axis):
            places[at] = (axis, tuple(texts[at]), int(lengths[at]))
    outcomes: dict[tuple[str, tuple[str, ...]], dict[int, TrainingOutcome]] = {}
    for (axis, label, length), outcome in outcomes_by(cells, places).items():
        outcomes.setdefault((axis, label), {})[length] = outcome
    return outcomes


def _by_layer(comparison: Comparison) -> list[dict[str, float]]:
    """Return for each row of the table the mean survival of the worst stacked layer, where it is one configuration."""
    table, cells = comparison.table, comparison.cells
    keys = [key for key in (*comparison.by, *comparison.design.axes) if key in table and not table[key].isna().any()]
    keys = list(dict.fromkeys(keys))
    names = ("log10_survival_by_layer", "log10_survival_by_layer_final")
    if not len(keys) or cells[names[0]].isna().all():
        return [{} for _ in range(len(table))]
    means = cells.groupby(keys, dropna=False)[list(names)].mean()
    rows = []
    for key, single in zip(table[keys].itertuples(index=False, name=None), table["configurations"] == 1, strict=True):
        place = key if len(keys) > 1 else key[0]
        own = means.loc[place] if single and place in means.index else None
        rows.append({} if own is None else {name: float(own[name]) for name in names})
    return rows
