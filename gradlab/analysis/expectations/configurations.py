"""The configurations of a run with their numbers, as statements ask for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Literal

from gradlab.cell import SETTINGS, Cell
from gradlab.columns import columns_of

if TYPE_CHECKING:
    from gradlab.results.tables import Tables

__all__ = ["Configuration", "configurations", "layer_columns"]

_LOGARITHMS = {column.log10_of: column.name for column in columns_of("summary") if column.log10_of}
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
_OF_PROBES = {*_OF_LAYERS, "underflow"}
"""Columns that only probes which measure everything have."""


@dataclass(frozen=True)
class Configuration:
    """One configuration: how many cells the spec has of it, how many of them are not there, and its numbers."""

    cell: Cell
    """What its seeds share, with seed 0."""
    cells: int
    missing: int
    numbers: Mapping[str, Any]
    """Its row of the summary and the means `_OF_CELLS`; empty when nothing was measured."""

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The values of the settings by the key of the spec, without the seed."""
        return {key: getattr(self.cell, setting.attribute) for key, setting in SETTINGS.items() if key != "seed"}

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
        if column in _OF_PROBES and self.cell.probe_record == "profile":
            note = "probe.record: profile does not measure it"
        return f"{column} is empty{f': {note}' if note else ''}"


def layer_columns(columns: Collection[str]) -> set[str]:
    """Return the columns of the table ``layers`` that the numbers of `columns` are made of."""
    return {_OF_LAYERS[name][0] for name in columns if name in _OF_LAYERS}


def configurations(
    cells: Sequence[Cell], ids: Sequence[str], tables: Tables, columns: Collection[str]
) -> list[Configuration]:
    """Return the configurations of `cells`, in their order, with the numbers of `columns`.

    `ids` are those of the cells. The rows of the summary are in the order in which the measured rows of ``cells``
    first name a configuration.
    """
    of_id = dict(zip(ids, cells, strict=True))
    frame = tables.cells
    measured = frame[(frame["status"] != "failed").to_numpy()]
    known = {cell: of_id[cell].configuration() for cell in measured["cell"] if cell in of_id}
    if len(known) != len(measured):
        raise ValueError("the tables hold cells that are not part of the spec")
    rows_of: dict[Cell, list[int]] = {}
    for row, cell in enumerate(measured["cell"]):
        rows_of.setdefault(known[cell], []).append(row)
    seeds = {name: measured[name].to_numpy(dtype=float, na_value=float("nan")) for name in _OF_CELLS}
    for name in set(_OF_LAYERS) & set(columns):
        by_cell = _of_layers(tables, *_OF_LAYERS[name])
        seeds[name] = measured["cell"].map(by_cell).to_numpy(dtype=float)
    summary = tables.summary.to_dict("records")
    numbers = {
        configuration: {str(key): value for key, value in summary[index].items()}
        | {name: _mean(column[rows]) for name, column in seeds.items()}
        for index, (configuration, rows) in enumerate(rows_of.items())
    }
    expected: dict[Cell, int] = {}
    for cell in cells:
        configuration = cell.configuration()
        expected[configuration] = expected.get(configuration, 0) + 1
    return [
        Configuration(cell, count, count - len(rows_of.get(cell, ())), numbers.get(cell, {}))
        for cell, count in expected.items()
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
