"""What the pictures are drawn from: the view of the tables, and the gradient profile of any cell at any step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gradlab.record import Floats
from gradlab.report.view import Row, View, text_of, view_of
from gradlab.report.words import count
from gradlab.results.tables import Tables

__all__ = ["Scene", "at_deepest", "scene_of", "spread"]


_BARE = {"model", "task", "activation", "init", "optimizer", "precision", "train.lr_schedule"}
"""Settings whose values say by themselves what they are."""

_IN_TRAINING = {
    "optimizer", "lr", "clip", "l1", "l2", "weight_decay", "precision", "train.steps", "train.batch_size",
    "train.lr_schedule", "train.warmup", "probe.at",
}  # fmt: skip
"""Settings that cannot change what is measured before the first update."""


@dataclass(frozen=True)
class Scene:
    """The tables with at least one measured cell, ready to be looked up."""

    tables: Tables
    view: View
    rows: tuple[Row, ...]
    """Rows of the view with something measured."""
    cells: dict[tuple[tuple[str, ...], int], pd.DataFrame]
    """Records rows of ``cells`` by row labels and depth."""
    places: dict[tuple[str, int], tuple[int, int]]
    """Where in ``layers`` the blocks of a cell at a step begin and end."""
    named: tuple[int, ...]
    """Which of the view's keys tell the rows apart."""

    @property
    def initial(self) -> Scene:
        """The scene as it is before training: of rows that differ only in settings of the training, the first.

        Only where their survival is the same indeed, and not for rows that failed in part.
        """
        keep = [index for index, key in enumerate(self.view.keys) if key not in _IN_TRAINING]
        first: dict[tuple[tuple[str, ...], tuple[tuple[int, str], ...]], Row] = {}
        for row in self.rows:
            values = tuple((depth, f"{row.points[depth]['log10_survival']:.6f}") for depth in sorted(row.points))
            first.setdefault((tuple(row.labels[index] for index in keep), values), row)
        rows = tuple(first.values())
        told = len({labels for labels, _ in first}) == len(rows) < len(self.rows)
        return replace(self, rows=rows, named=tuple(keep)) if told else self

    def labels(self, row: Row) -> tuple[str, ...]:
        """Return those labels of a row that tell it from the others here."""
        return tuple(row.labels[index] for index in self.named)

    def name(self, row: Row, leave_out: int | None = None) -> str:
        """Return what tells the row from the others, but one setting, in words that stand alone: ``no norm lr 0.1``."""
        words = [_words(self.view.keys[index], row.labels[index]) for index in self.named if index != leave_out]
        fixed = [str(self.view.fixed[key]) for key in ("activation", "init") if key in self.view.fixed]
        return " ".join(words or fixed)

    def of(self, row: Row) -> pd.DataFrame:
        """Return the measured cells of the row's deepest network, one per seed."""
        return self.cells[row.labels, max(row.points)]

    def profiles(self, cells: Sequence[str], step: int, column: str = "log10_grad_norm") -> Floats:
        """Return a column of ``layers`` for cells of one depth L that were probed at `step`, [n, L]; block 1 first."""
        values = self.tables.layers[column].to_numpy(np.float64, na_value=np.nan)
        places = [self.places[cell, step] for cell in cells if (cell, step) in self.places]
        return np.stack([values[start:stop] for start, stop in places]) if places else np.empty((0, 0))

    def steps(self, cells: Sequence[str]) -> list[int]:
        """Return the probed steps of these cells, ascending."""
        wanted = set(cells)
        return sorted({step for cell, step in self.places if cell in wanted})

    def caption(self, *more: str) -> str:
        """Return what holds for the whole picture: model, task, width, depth, seeds, then `more`."""
        fixed = {key: text_of(value) for key, value in self.view.fixed.items()}
        parts = [" on ".join(fixed[key] for key in ("model", "task") if key in fixed)]
        lengths = ("width", "depth") if self.view.axis.unit == "block" else ("width", "depth", "seq_len")
        one_layer = self.view.axis.unit != "block" and fixed.get("depth") == "1"
        parts += [f"{key} {fixed[key]}" for key in lengths if key in fixed and not (one_layer and key == "depth")]
        least, most = int(self.tables.summary["n"].min()), int(self.tables.summary["n"].max())
        parts.append(count(most, "seed") if least == most else f"{least} to {most} seeds")
        return " · ".join(part for part in (*parts, *more) if part)

    def missing(self) -> str:
        """Return a sentence about configurations all of whose cells failed; mostly empty."""
        lost = sum(not row.points for row in self.view.rows)
        return f"{count(lost, 'configuration')} failed and cannot be shown." if lost else ""


def _words(key: str, label: str) -> str:
    name = key.rpartition(".")[2].replace("_", " ")
    if key in _BARE:
        return label
    return f"no {name}" if label == "none" else f"{label} {name}" if label[:1].isalpha() else f"{name} {label}"


def scene_of(tables: Tables) -> Scene | None:
    """Return the scene of tables of one kind of networks (`by_kind`); None when no cell was measured."""
    if not len(tables.summary):
        return None
    view = view_of(tables)
    measured = tables.cells[tables.cells["status"] != "failed"]
    texts = [measured[key].map(text_of) for key in view.keys]
    index: dict[tuple[tuple[str, ...], int], list[int]] = {}
    for at, (depth, *labels) in enumerate(zip(measured[view.axis.setting], *texts, strict=True)):
        index.setdefault((tuple(labels), int(depth)), []).append(at)
    layers = tables.layers
    starts = np.flatnonzero(layers["layer"].to_numpy() == 1)
    stops = np.append(starts[1:], len(layers))
    ids = layers["cell"].astype(object).to_numpy()[starts].tolist()
    steps = layers["step"].to_numpy()[starts].tolist()
    places = dict(zip(zip(ids, steps, strict=True), zip(starts.tolist(), stops.tolist(), strict=True), strict=True))
    return Scene(
        tables=tables,
        view=view,
        rows=tuple(row for row in view.rows if row.points),
        cells={key: measured.iloc[at] for key, at in index.items()},
        places=places,
        named=tuple(range(len(view.keys))),
    )


def at_deepest(row: Row, column: str = "log10_survival") -> float:
    """Return a number of the row's deepest network."""
    return float(row.points[max(row.points)][column])


def spread(rows: Sequence[Row], most: int) -> list[Row]:
    """Return all rows, or if they are more than `most` that many, from the least to the most gradient left.

    The extremes are among them, the others evenly between by rank. Rows without a finite survival have the least.
    """
    if len(rows) <= most:
        return list(rows)
    size = [at_deepest(row) for row in rows]
    ranked = np.argsort([value if np.isfinite(value) else -np.inf for value in size], kind="stable")
    return [rows[ranked[round(at)]] for at in np.linspace(0, len(rows) - 1, most)]
