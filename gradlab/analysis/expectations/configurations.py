"""The configurations of a run with their numbers, as statements ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradlab.cell import SETTINGS, Cell
from gradlab.columns import columns_of
from gradlab.query import BLOCK_COLUMNS, LAST_BLOCK, Quantity

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
_LOG10_OF_BLOCKS = {"grad_norm": "log10_grad_norm", "weight_grad_norm": "weight_grad_norm"}
"""Numbers of a block with a geometric mean, and the column of the layers that it is taken from."""
_OF_PROBES = {*_OF_LAYERS, *BLOCK_COLUMNS, "underflow"} - {*_LOG10_OF_BLOCKS}
"""Columns that only probes which measure everything have."""


@dataclass(frozen=True)
class Configuration:
    """One configuration: how many cells the spec has of it, how many of them are not there, and its numbers."""

    cell: Cell
    """What its seeds share, with seed 0."""
    cells: int
    missing: int
    numbers: Mapping[Any, Any]
    """Its row of the summary, the means `_OF_CELLS`, and numbers of blocks under column and block; empty when nothing
    was measured."""

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The values of the settings by the key of the spec, without the seed."""
        return {key: getattr(self.cell, setting.attribute) for key, setting in SETTINGS.items() if key != "seed"}

    def value(self, column: str, block: int | None = None) -> tuple[Decimal | None, str]:
        """Return a number of it or of a block of it, or None and why there is none."""
        if self.missing:
            return None, f"{self.missing} of {self.cells} cells of a configuration it speaks of failed or were not run"
        if column in _LOGARITHMS or column in _LOG10_OF_BLOCKS:
            logarithm = float(self.numbers.get(_LOGARITHMS.get(column) or (column, block), nan))
            if logarithm > float("-inf") and not isnan(logarithm):
                return (Decimal(10) ** Decimal(logarithm) if logarithm < float("inf") else Decimal("inf")), ""
            return (None, self._empty(column, block)) if isnan(logarithm) else (Decimal(0), "")
        number = float(self.numbers.get(column if block is None else (column, block), nan))
        return (None, self._empty(column, block)) if isnan(number) else (Decimal(repr(number)), "")

    def _empty(self, column: str, block: int | None) -> str:
        if block is not None and block > self.cell.blocks:
            return f"there is no block {block}: a configuration it speaks of has {self.cell.blocks}"
        note = str(self.numbers.get("theory_note") or "") if column.startswith("theory") else ""
        if column in _OF_PROBES and self.cell.probe_record == "profile":
            note = "probe.record: profile does not measure it"
        return f"{column} is empty{f': {note}' if note else ''}"


def layer_columns(quantities: Iterable[Quantity]) -> set[str]:
    """Return the columns of the table ``layers`` that these numbers are made of."""
    of_means = {_OF_LAYERS[quantity.column][0] for quantity in quantities if quantity.column in _OF_LAYERS}
    of_blocks = {quantity.column for quantity in quantities if quantity.block is not None}
    return of_means | {_LOG10_OF_BLOCKS.get(name, name) for name in of_blocks}


def configurations(
    cells: Sequence[Cell], ids: Sequence[str], tables: Tables, quantities: Sequence[Quantity]
) -> list[Configuration]:
    """Return the configurations of `cells`, in their order, with the numbers that `quantities` speak of.

    `ids` are those of the cells. The rows of the summary are in the order in which the measured rows of ``cells``
    first name a configuration.
    """
    of_id = dict(zip(ids, cells, strict=True))
    frame = tables.cells
    measured = frame[(frame["status"] != "failed").to_numpy()]
    configuration_of = {cell: of_id[cell].configuration() for cell in measured["cell"] if cell in of_id}
    if len(configuration_of) != len(measured):
        raise ValueError("the tables hold cells that are not part of the spec")
    rows_of: dict[Cell, list[int]] = {}
    for row, cell in enumerate(measured["cell"]):
        rows_of.setdefault(configuration_of[cell], []).append(row)
    seeds: dict[Any, Any] = {name: measured[name].to_numpy(dtype=float, na_value=float("nan")) for name in _OF_CELLS}
    for quantity in quantities:
        name, block = quantity.column, quantity.block
        if name in _OF_LAYERS:
            by_cell = _of_layers(tables, *_OF_LAYERS[name])
            seeds[name] = measured["cell"].map(by_cell).to_numpy(dtype=float)
        elif block is not None:
            by_cell = _of_block(tables, name, block)
            seeds[name, block] = measured["cell"].map(by_cell).to_numpy(dtype=float)
    summary = tables.summary.to_dict("records")
    numbers = {
        configuration: {str(key): value for key, value in summary[index].items()}
        | {key: _mean(column[rows]) for key, column in seeds.items()}
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


def _of_block(tables: Tables, name: str, block: int) -> dict[str, float]:
    """Return the number of a block of each cell at its first step, its log10 where the mean is a geometric one."""
    column = _LOG10_OF_BLOCKS.get(name, name)
    layers = tables.layers[["cell", "step", "layer", column]].assign(cell=tables.layers["cell"].astype(str))
    layers = layers[(layers["step"] == layers.groupby("cell")["step"].transform("min")).to_numpy()]
    at = layers.groupby("cell")["layer"].transform("max") if block == LAST_BLOCK else block
    chosen = layers[(layers["layer"] == at).to_numpy()]
    values = chosen[column].to_numpy(dtype=float, na_value=nan)
    if name in _LOG10_OF_BLOCKS and column == name:
        with np.errstate(divide="ignore"):
            values = np.log10(values)
    return dict(zip(chosen["cell"], values.tolist(), strict=True))


def _mean(values: Any) -> float:
    """Return the mean over the seeds that have a number: one that diverged has none."""
    finite = values[values == values]
    return float(finite.mean()) if len(finite) else float("nan")
