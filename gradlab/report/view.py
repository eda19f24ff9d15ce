"""The tables as a reader thinks of them: one row per configuration without depth, one point per depth."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gradlab.cell import SETTINGS
from gradlab.record import Floats
from gradlab.survival import Tables

__all__ = ["Row", "View", "profile_of", "shown_depths", "text_of", "view_of"]

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
    """Return a setting as a label: numbers without needless digits."""
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def view_of(tables: Tables) -> View:
    """Return the view of any tables with at least one cell, failed ones included."""
    cells, summary = tables.cells, tables.summary
    settings = [key for key in SETTINGS if key != "seed"]
    varying = [key for key in settings if len({text_of(value) for value in cells[key].unique()}) > 1]
    keys = [key for key in varying if key != "depth"]
    failed = cells["status"] == "failed"
    points: dict[Hashable, dict[int, pd.Series[Any]]] = {}
    for _, point in summary.iterrows():
        points.setdefault(_labels(point, keys), {})[int(point["depth"])] = point
    lost: dict[Hashable, set[int]] = {}
    for _, cell in cells[failed].iterrows():
        lost.setdefault(_labels(cell, keys), set()).add(int(cell["depth"]))
    order = dict.fromkeys(_labels(cell, keys) for _, cell in cells[["depth", *keys]].drop_duplicates().iterrows())
    return View(
        keys=tuple(keys),
        fixed={key: cells[key].iloc[0] for key in settings if key not in varying},
        seeds=tuple(sorted(set(cells["seed"].tolist()))),
        depths=tuple(sorted({int(depth) for depth in cells["depth"]})),
        rows=tuple(Row(row, points.get(row, {}), frozenset(lost.get(row, ()))) for row in order),
    )


def _labels(row: pd.Series[Any], keys: list[str]) -> tuple[str, ...]:
    return tuple(text_of(row[key]) for key in keys)


def profile_of(tables: Tables, row: Row, keys: tuple[str, ...]) -> Floats:
    """Return the mean over seeds of log10 g_l at step 0 in the row's deepest network, [L]; empty without one."""
    if not row.points:
        return np.empty(0)
    cells, depth = tables.cells, max(row.points)
    chosen = (cells["depth"] == depth) & (cells["status"] != "failed")
    for key, label in zip(keys, row.labels, strict=True):
        chosen &= cells[key].map(text_of) == label
    layers = tables.layers
    wanted = layers["cell"].isin(cells["cell"][chosen]).to_numpy() & (layers["step"] == 0).to_numpy()
    found = layers["log10_grad_norm"].to_numpy()[wanted].reshape(-1, depth)
    with np.errstate(invalid="ignore"):
        mean: Floats = found.mean(axis=0)
    return mean
