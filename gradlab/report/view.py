"""The tables as a reader thinks of them: one row per configuration without depth, one point per depth.

Of recurrent networks one point per `seq_len` instead: what stands below as depth is the setting of the view's `axis`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gradlab.cell import SETTINGS
from gradlab.families import axis_setting
from gradlab.record import Floats
from gradlab.report.words import Axis, axis_of
from gradlab.results.tables import Tables

__all__ = ["Row", "View", "by_kind", "profiles_of", "shown_depths", "text_of", "view_of"]

_DEPTHS_FOLDED = 16


@dataclass(frozen=True, slots=True)
class Row:
    """Everything about one configuration without its depth: `points` has a row of ``summary`` for each depth."""

    labels: tuple[str, ...]
    points: dict[int, pd.Series[Any]]
    failed: frozenset[int]
    """Depths of which at least one cell failed."""

    @property
    def deepest(self) -> pd.Series[Any] | None:
        """The row of ``summary`` of the deepest network that was measured."""
        return self.points[max(self.points)] if self.points else None

    @property
    def name(self) -> str:
        """What tells this row from the others."""
        return " ".join(self.labels) or "this network"

    @property
    def learns_to(self) -> int | None:
        """The deepest depth at which more than half of the seeds learned."""
        return max((depth for depth, point in self.points.items() if point["learned"] > 0.5), default=None)


@dataclass(frozen=True, slots=True)
class View:
    """The rows of a report, in the order of the cells, and what they have in common."""

    keys: tuple[str, ...]
    """Settings other than depth that vary: the labels of the rows."""
    fixed: dict[str, Any]
    """Settings with one value for all cells, `seed` left out."""
    seeds: tuple[int, ...]
    depths: tuple[int, ...]
    rows: tuple[Row, ...]
    axis: Axis

    @property
    def over_depth(self) -> bool:
        """Whether depth varies."""
        return len(self.depths) > 1


def shown_depths(depths: Sequence[int], width: int | None) -> tuple[int, ...]:
    """Return the depths that get a column in `width` columns of a terminal: of many, some evenly spaced on a log axis.

    All of them without a width, and all up to 16, under each other where the line is short.
    """
    if width is None or len(depths) <= _DEPTHS_FOLDED:
        return tuple(depths)
    there = np.array(depths)
    wanted = np.geomspace(depths[0], depths[-1], max(6, width // 12))
    nearest = there[np.abs(np.log(there) - np.log(wanted)[:, None]).argmin(axis=1)]
    return tuple(sorted({int(depth) for depth in nearest}))


def text_of(value: Any) -> str:
    """Return a setting as a label: numbers without needless digits, ``none`` for one that does not apply."""
    if value is None or value is pd.NA or value != value:
        return "none"
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def by_kind(tables: Tables) -> tuple[Tables, ...]:
    """Return the tables of the feed-forward networks, then those of the recurrent ones; what is empty is not there."""
    kinds = {model: axis_setting(model) == "seq_len" for model in tables.cells["model"].unique()}
    if len(set(kinds.values())) < 2:
        return (tables,)
    parts = []
    for kind in (False, True):
        models = {model for model, found in kinds.items() if found is kind}
        cells = tables.cells[tables.cells["model"].isin(models)]
        summary = tables.summary[tables.summary["model"].isin(models)]
        own = set(cells["cell"])
        layers, steps = (frame[frame["cell"].isin(own)] for frame in (tables.layers, tables.steps))
        parts.append(Tables(*(frame.reset_index(drop=True) for frame in (cells, layers, steps, summary))))
    return tuple(parts)


def view_of(tables: Tables) -> View:
    """Return the view of tables with at least one cell, failed ones included, of one kind of networks (`by_kind`)."""
    cells, summary = tables.cells, tables.summary
    settings = [key for key in SETTINGS if key != "seed" and key in cells]  # tables of an older version have fewer
    varying = [key for key in settings if len({text_of(value) for value in cells[key].unique()}) > 1]
    axis = axis_of(cells["model"].unique().tolist(), varying)
    keys = [key for key in varying if key != axis.setting]
    failed = cells["status"] == "failed"
    points: dict[Hashable, dict[int, pd.Series[Any]]] = {}
    for _, point in summary.iterrows():
        points.setdefault(_labels(point, keys), {})[int(point[axis.setting])] = point
    lost: dict[Hashable, set[int]] = {}
    for _, cell in cells[failed].iterrows():
        lost.setdefault(_labels(cell, keys), set()).add(int(cell[axis.setting]))
    order = dict.fromkeys(_labels(cell, keys) for _, cell in cells[[axis.setting, *keys]].drop_duplicates().iterrows())
    return View(
        keys=tuple(keys),
        fixed={key: cells[key].iloc[0] for key in settings if key not in varying},
        seeds=tuple(sorted(set(cells["seed"].tolist()))),
        depths=tuple(sorted({int(depth) for depth in cells[axis.setting]})),
        rows=tuple(Row(row, points.get(row, {}), frozenset(lost.get(row, ()))) for row in order),
        axis=axis,
    )


def _labels(row: pd.Series[Any], keys: list[str]) -> tuple[str, ...]:
    return tuple(text_of(row[key]) for key in keys)


def profiles_of(tables: Tables, view: View) -> list[Floats]:
    """Return for each row the mean over seeds of log10 g_l at step 0 in its deepest network, [L]; empty without one."""
    cells, layers = tables.cells, tables.layers
    first = (layers["step"] == 0).to_numpy()
    ids, log_g = layers["cell"].to_numpy()[first], layers["log10_grad_norm"].to_numpy()[first]
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])) if len(ids) else np.empty(0, int)
    own = dict(zip(ids[starts], np.split(log_g, starts[1:]), strict=True))
    members: dict[tuple[Any, ...], list[Floats]] = {}
    labels = [cells[key].map(text_of) for key in view.keys]
    for cell, status, *where in zip(cells["cell"], cells["status"], cells[view.axis.setting], *labels, strict=True):
        if status != "failed":
            members.setdefault(tuple(where), []).append(own[cell])
    found = []
    with np.errstate(invalid="ignore"):
        for row in view.rows:
            profiles = members[max(row.points), *row.labels] if row.points else []
            found.append(np.mean(profiles, axis=0) if profiles else np.empty(0))
    return found
