"""The configurations of a run with their numbers, as statements ask for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Literal

from gradlab.cell import Cell

if TYPE_CHECKING:
    from gradlab.results.tables import Tables

__all__ = ["Point", "points"]

_LOGARITHMS = {
    "survival": "log10_survival",
    "survival_final": "log10_survival_final",
    "theory_survival": "theory_log10_survival",
    "cell_survival": "log10_cell_survival",
}
"""Columns that may be too small for a double, and where their log10 stands in the summary."""
_OF_CELLS = ("loss_first", "clip_rate")
"""Columns of the cells that the summary does not have: their mean over the seeds."""
_OF_LAYERS: dict[str, tuple[str, Literal["min", "max"]]] = {
    "dead_units": ("dead", "min"),
    "dead_units_final": ("dead", "max"),
    "saturated": ("saturated", "min"),
    "saturated_final": ("saturated", "max"),
}
"""Columns of the layers: their mean over the blocks at the first or at the last step, and over the seeds."""


@dataclass(frozen=True, slots=True)
class Point:
    """One configuration: how many cells the spec has of it, how many of them are not there, and its numbers."""

    configuration: Cell
    cells: int
    missing: int
    numbers: Mapping[str, Any]
    """Its row of the summary and the means `_OF_CELLS`; empty when nothing was measured."""

    def value(self, column: str) -> tuple[Decimal | None, str]:
        """Return a number of it, or None and why there is none."""
        if self.missing:
            return None, f"{self.missing} of {self.cells} cells of a configuration it speaks of failed or were not run"
        if column in _LOGARITHMS:
            logarithm = float(self.numbers.get(_LOGARITHMS[column], nan))
            if logarithm > float("-inf") and not isnan(logarithm):
                return (Decimal(10) ** Decimal(logarithm) if logarithm < float("inf") else Decimal("inf")), ""
            return (None, self._empty(column)) if isnan(logarithm) else (Decimal(0), "")
        number = float(self.numbers.get(column, nan))
        return (None, self._empty(column)) if isnan(number) else (Decimal(repr(number)), "")

    def _empty(self, column: str) -> str:
        note = str(self.numbers.get("theory_note") or "") if column.startswith("theory") else ""
        return f"{column} is empty{f': {note}' if note else ''}"


def points(cells: Sequence[Cell], ids: Sequence[str], tables: Tables, columns: Collection[str]) -> list[Point]:
    """Return one point with the numbers of `columns` for each configuration of `cells`, in their order.

    `ids` are those of the cells. The rows of the summary are in the order in which the measured rows of ``cells``
    first name a configuration.
    """
    of_id = dict(zip(ids, cells, strict=True))
    frame = tables.cells
    there = frame[(frame["status"] != "failed").to_numpy()]
    measured: dict[Cell, list[int]] = {}
    known = {cell: of_id[cell].configuration() for cell in there["cell"] if cell in of_id}
    if len(known) != len(there):
        raise ValueError("the tables hold cells that are not part of the spec")
    for row, cell in enumerate(there["cell"]):
        measured.setdefault(known[cell], []).append(row)
    means = {name: there[name].to_numpy(dtype=float, na_value=float("nan")) for name in _OF_CELLS}
    for name in set(_OF_LAYERS) & set(columns):
        by_cell = _of_layers(tables, *_OF_LAYERS[name])
        means[name] = there["cell"].map(by_cell).to_numpy(dtype=float)
    rows = tables.summary.to_dict("records")
    numbers = {
        configuration: {str(key): value for key, value in rows[index].items()}
        | {name: _mean(column[where]) for name, column in means.items()}
        for index, (configuration, where) in enumerate(measured.items())
    }
    wanted: dict[Cell, int] = {}
    for cell in cells:
        configuration = cell.configuration()
        wanted[configuration] = wanted.get(configuration, 0) + 1
    return [
        Point(
            configuration,
            count,
            count - len(measured.get(configuration, ())),
            numbers.get(configuration, {}),
        )
        for configuration, count in wanted.items()
    ]


def _of_layers(tables: Tables, name: str, step: Literal["min", "max"]) -> dict[str, float]:
    """Return the mean of a column over the blocks of each cell at its first (``min``) or last (``max``) step."""
    layers = tables.layers[["cell", "step", name]].assign(cell=tables.layers["cell"].astype(str))
    chosen = layers[(layers["step"] == layers.groupby("cell")["step"].transform(step)).to_numpy()]
    return {str(cell): float(mean) for cell, mean in chosen.groupby("cell")[name].mean().items()}


def _mean(values: Any) -> float:
    """Return the mean over the seeds that have a number: one that diverged has none."""
    known = values[values == values]
    return float(known.mean()) if len(known) else float("nan")
