"""The rows of a comparison's table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gradlab.analysis.compare.axes import labels_of, lengths_of, over_of
from gradlab.analysis.compare.comparison import Comparison
from gradlab.analysis.compare.design import setting_text
from gradlab.report.model.labels import name_of
from gradlab.report.model.marks import Point
from gradlab.report.model.outcomes import TrainingOutcome, outcomes_by
from gradlab.report.model.rows import Row, RowGroup, metric_name, points_of, shown_labels

__all__ = ["comparison_rows"]


def comparison_rows(comparison: Comparison) -> list[RowGroup]:
    """Return the rows of a comparison's table, those that run over depth first."""
    axes, table, cells = comparison.design.axes, comparison.table, comparison.cells
    over, lengths = over_of(table, axes), lengths_of(table, axes)
    labels = labels_of(table, comparison.by, axes)
    outcomes = _compared_outcomes(comparison)
    points = points_of(table)
    groups = []
    for axis in axes:
        keys = tuple(key for key in comparison.by if key != axis or len(axes) == 1)
        texts = _texts(labels, list(keys))
        rows: dict[tuple[str, ...], dict[int, Point]] = {}
        for index, label in enumerate(texts):
            if over[index] == axis:
                rows.setdefault(tuple(label), {})[int(lengths[index])] = points[index]
        if not rows:
            continue
        positions, shared = list(range(len(keys))), []
        if len(axes) > 1 and len(rows) > 1:
            positions = [at for at in positions if len({label[at] for label in rows}) > 1]
            first = next(iter(rows))
            shared = [f"{key} {first[at]}" for at, key in enumerate(keys) if at not in positions and key not in axes]
        if not comparison.question.by:  # a setting that follows another tells no two rows apart
            follows = comparison.design.follows
            positions = [at for at in positions if follows.get(keys[at]) not in keys]
        kept_keys = [keys[at] for at in positions]
        texts_of_rows = [tuple(label[at] for at in positions) for label in rows]
        groups.append(
            RowGroup(
                axis=comparison.design.along[axis],
                keys=tuple(kept_keys),
                rows=tuple(
                    Row(
                        tuple(label[at] for at in positions),
                        by_length,
                        outcomes=outcomes.get((axis, label), {}),
                        shown=short,
                        title=name_of(zip(kept_keys, short, strict=True)),
                    )
                    for (label, by_length), short in zip(rows.items(), shown_labels(texts_of_rows), strict=True)
                ),
                lengths=tuple(sorted({length for by_length in rows.values() for length in by_length})),
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
        texts = _texts(labels, keys)
        for at in np.flatnonzero(over == axis):
            places[at] = (axis, tuple(texts[at]), int(lengths[at]))
    outcomes: dict[tuple[str, tuple[str, ...]], dict[int, TrainingOutcome]] = {}
    for (axis, label, length), outcome in outcomes_by(cells, places).items():
        outcomes.setdefault((axis, label), {})[length] = outcome
    return outcomes


def _texts(labels: pd.DataFrame, keys: list[str]) -> list[tuple[str, ...]]:
    """Return the labels of each row under `keys` as texts; before pandas 3.1 a frame without columns had no rows."""
    if not keys:
        return [()] * len(labels)
    return list(labels.loc[:, keys].map(setting_text).itertuples(index=False, name=None))
