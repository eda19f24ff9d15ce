"""The data of the pictures: rows, cells and profiles of a run's networks along one axis, and how they are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from gradlab.analysis.compare.design import setting_text
from gradlab.cell import SETTINGS
from gradlab.report.formatting import count
from gradlab.report.model.heatmap import evenly
from gradlab.report.model.profiles import Profile, ProfileIndex, profile
from gradlab.report.model.rows import Row, RowGroup, rows_of
from gradlab.results.tables import Tables

__all__ = ["PlotData", "at_longest", "plot_data", "spread"]


_BARE = {"model", "task", "activation", "init", "optimizer", "precision", "train.lr_schedule"}
"""Settings whose values are named without the setting."""

_IN_TRAINING = {key for key, setting in SETTINGS.items() if setting.training and not key.startswith("thresholds.")}
"""Settings that cannot change what is measured before the first update."""


@dataclass(frozen=True)
class PlotData:
    """Tables with at least one measured cell, and what the pictures look up in them."""

    tables: Tables
    group: RowGroup
    rows: tuple[Row, ...]
    """Rows of the group with something measured."""
    cells: dict[tuple[tuple[str, ...], int], pd.DataFrame]
    """Rows of ``cells`` by the labels of a row and a length."""
    profiles: ProfileIndex
    named: tuple[int, ...]
    """Indices of the group's keys in which the rows differ."""

    @property
    def initial(self) -> PlotData:
        """The data as they are before training: of rows that differ only in settings of the training, the first.

        Only where their survival is the same indeed, and not for rows that failed in part.
        """
        keep = [index for index, key in enumerate(self.group.keys) if key not in _IN_TRAINING]
        first: dict[tuple[tuple[str, ...], tuple[tuple[int, str], ...]], Row] = {}
        for row in self.rows:
            values = tuple((length, f"{row.points[length]['log10_survival']:.6f}") for length in sorted(row.points))
            first.setdefault((tuple(row.labels[index] for index in keep), values), row)
        rows = tuple(first.values())
        distinct = len({labels for labels, _ in first}) == len(rows) < len(self.rows)
        return replace(self, rows=rows, named=tuple(keep)) if distinct else self

    @property
    def several_seeds(self) -> bool:
        """Whether some configuration has more than one."""
        return int(self.tables.summary["n"].max()) > 1

    def labels(self, row: Row) -> tuple[str, ...]:
        """Return those labels of a row in which the rows differ."""
        return tuple(row.labels[index] for index in self.named)

    def name(self, row: Row, leave_out: str = "") -> str:
        """Return the labels of a row as a name, one setting left out, as in ``no norm lr 0.1``."""
        keys = [(self.group.keys[index], row.short[index]) for index in self.named]
        parts = [_words(key, label) for key, label in keys if key != leave_out]
        fixed = [str(self.group.fixed[key]) for key in ("activation", "init") if key in self.group.fixed]
        return " ".join(parts or fixed)

    def of(self, row: Row) -> pd.DataFrame:
        """Return the measured cells of the row's longest network, one for each seed."""
        return self.cells[row.labels, max(row.points)]

    def ids(self, row: Row) -> list[str]:
        """Return the ids of the cells of `of`."""
        ids: list[str] = self.of(row)["cell"].tolist()
        return ids

    def profile(self, row: Row, length: int) -> Profile:
        """Return the profile before training of the row's network of this length."""
        sd = float(row.points[length].get("theory_log10_sd", float("nan")))
        return profile(self.profiles, self.cells[row.labels, length]["cell"].tolist(), sd)

    def longest(self, rows: Sequence[Row]) -> str:
        """Return the length of the longest networks of these rows, as in ``depth 32``; empty where none varies."""
        return f"{self.group.axis.setting} {max(max(row.points) for row in rows)}" if self.group.varies else ""

    def trained(self) -> list[Row]:
        """Return the rows with a network that was measured after step 0."""
        return [row for row in self.rows if len(self.profiles.steps(self.ids(row))) > 1]

    def caption(self, *more: str) -> str:
        """Return what holds for the whole picture: model, task, width, lengths, seeds, then `more`."""
        axis, fixed = self.group.axis, {key: setting_text(value) for key, value in self.group.fixed.items()}
        parts = [" on ".join(fixed[key] for key in ("model", "task") if key in fixed)]
        lengths = dict.fromkeys(("width", "depth", axis.along))
        one_layer = axis.along != "depth" and fixed.get("depth") == "1"
        parts += [f"{key} {fixed[key]}" for key in lengths if key in fixed and not (one_layer and key == "depth")]
        least, most = int(self.tables.summary["n"].min()), int(self.tables.summary["n"].max())
        parts.append(count(most, "seed") if least == most else f"{least} to {most} seeds")
        return " · ".join(part for part in (*parts, *more) if part)

    def missing(self) -> str:
        """Return a sentence about configurations all of whose cells failed; mostly empty."""
        lost = sum(not row.points for row in self.group.rows)
        return f"{count(lost, 'configuration')} failed and cannot be shown." if lost else ""


def _words(key: str, label: str) -> str:
    name = key.rpartition(".")[2].replace("_", " ")
    if key in _BARE:
        return label
    return f"no {name}" if label == "none" else f"{label} {name}" if label[:1].isalpha() else f"{name} {label}"


def plot_data(tables: Tables) -> PlotData | None:
    """Return the data of tables of networks along one axis (`by_axis`); None when no cell was measured."""
    if not len(tables.summary):
        return None
    group = rows_of(tables)
    measured = tables.cells[tables.cells["status"] != "failed"]
    texts = [measured[key].map(setting_text) for key in group.keys]
    places: dict[tuple[tuple[str, ...], int], list[int]] = {}
    for at, (length, *labels) in enumerate(zip(measured[group.axis.setting], *texts, strict=True)):
        places.setdefault((tuple(labels), int(length)), []).append(at)
    return PlotData(
        tables=tables,
        group=group,
        rows=tuple(row for row in group.rows if row.points),
        cells={key: measured.iloc[at] for key, at in places.items()},
        profiles=ProfileIndex(tables.layers, tables.stacked),
        named=tuple(range(len(group.keys))),
    )


def at_longest(row: Row, column: str = "log10_survival") -> float:
    """Return a number of the row's longest network."""
    return float(row.points[max(row.points)][column])


def spread(rows: Sequence[Row], most: int) -> list[Row]:
    """Return all rows, or if they are more than `most` that many, evenly from the smallest to the largest survival."""
    return [rows[index] for index in evenly([at_longest(row) for row in rows], most)]
