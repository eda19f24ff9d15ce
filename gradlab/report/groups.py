"""The rows of a comparison as its tables have them: feed-forward networks over depth, recurrent ones over seq_len."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gradlab.analysis.compare.axes import labels_of, lengths_of, over_of
from gradlab.analysis.compare.comparison import Comparison
from gradlab.report.view import text_of
from gradlab.report.words import Axis, words_for

__all__ = ["Group", "Point", "Row", "axis_words", "groups_of"]

Point = dict[str, Any]
Row = tuple[tuple[str, ...], dict[int, Point]]


@dataclass(frozen=True, slots=True)
class Group:
    """The rows that run over one axis, each with its labels and its points by length; `keys` head the labels."""

    axis: Axis
    keys: tuple[str, ...]
    rows: tuple[Row, ...]
    shared: str
    """What all of them have in common and those of the other axis have not; mostly empty."""
    metric: str
    """What their tasks call the metric; ``metric`` when there are several names."""


def axis_words(found: Comparison, axis: str) -> Axis:
    """Return the words for what runs over `axis`, one of the axes of the comparison."""
    return words_for(axis, found.plan.axes, found.cells["model"].unique().tolist())


def groups_of(found: Comparison) -> list[Group]:
    """Return the rows of the tables, those that run over depth first."""
    axes = found.plan.axes
    over, lengths = over_of(found.table, axes), lengths_of(found.table, axes)
    labels = labels_of(found.table, found.by, axes)
    points = [{str(key): value for key, value in point.items()} for point in found.table.to_dict("records")]
    groups = []
    for axis in axes:
        rows: dict[tuple[str, ...], dict[int, Point]] = {}
        keys = tuple(key for key in found.by if key != axis or len(axes) == 1)
        texts = labels.loc[:, list(keys)].map(text_of).itertuples(index=False, name=None)
        for row, label in enumerate(texts):
            if over[row] == axis:
                rows.setdefault(tuple(label), {})[int(lengths[row])] = points[row]
        if rows:
            told, shared = list(range(len(keys))), []
            if len(axes) > 1 and len(rows) > 1:
                told = [at for at in told if len({label[at] for label in rows}) > 1]
                first = next(iter(rows))
                shared = [f"{key} {first[at]}" for at, key in enumerate(keys) if at not in told and key not in axes]
            kept = tuple((tuple(label[at] for at in told), found_points) for label, found_points in rows.items())
            groups.append(
                Group(
                    axis_words(found, axis),
                    tuple(keys[at] for at in told),
                    kept,
                    ", ".join(shared),
                    _metric(found, axis),
                )
            )
    return groups


def _metric(found: Comparison, axis: str) -> str:
    names = set(found.cells.loc[over_of(found.cells, found.plan.axes) == axis, "metric_name"])
    return names.pop() if len(names) == 1 else "metric"
