"""Many records side by side: what the store hands to the analysis. Flat numpy columns, no files, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradlab.cell import Cell
from gradlab.record import Floats

__all__ = ["Failure", "Integers", "Records", "Unreadable"]

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell whose bank could not be finished: the last line of the exception, and the bank it was in."""

    cell: Cell
    error: str
    bank: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file of a run directory that its cells, or its numbers, cannot be taken from."""

    file: str
    """Name in the directory."""
    reason: str
    what: str = "is damaged"
    hint: str = "run its spec again: that repairs it"
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.file} {self.what} ({self.reason})"


@dataclass(frozen=True)
class Records:
    """C cells with K_c probed steps and L_c blocks each, laid end to end.

    `scalars` holds one array [C] for each field of the schema that is a value of the cell or of its bank (NaN where it
    is None) and for `bank`; `by_step` one [sum K_c] and `by_layer` one [sum K_c*L_c] for each field per step and per
    block; `by_stacked` one [sum K_c*L_c*D_c] for each field per stacked layer. A *row* below is one probed step of one
    cell, in this order.
    """

    cells: tuple[Cell, ...]
    scalars: dict[str, NDArray[Any]]
    probes: Integers
    """K_c, [C]; at least 1."""
    blocks: Integers
    """L_c, [C]; at least 1."""
    probe_steps: Integers
    """[sum K_c]"""
    by_step: dict[str, Floats]
    by_layer: dict[str, Floats]
    by_stacked: dict[str, Floats]
    stacked_layers: Integers
    """D_c, [C]: stacked layers of a recurrent network with values of its own for each; 0 without."""

    @cached_property
    def first_row(self) -> Integers:
        """Row of the first probed step of each cell, which is step 0, [C]."""
        first: Integers = np.cumsum(self.probes) - self.probes
        return first

    @cached_property
    def cell_of_row(self) -> Integers:
        """Index of the cell of each row, [sum K_c]."""
        return np.repeat(np.arange(len(self.cells), dtype=np.int64), self.probes)

    @cached_property
    def blocks_of_row(self) -> Integers:
        """L of each row, [sum K_c]."""
        return self.blocks[self.cell_of_row]

    @cached_property
    def start_of_row(self) -> Integers:
        """Where the blocks of each row begin in a `by_layer` column, [sum K_c]."""
        start: Integers = np.cumsum(self.blocks_of_row) - self.blocks_of_row
        return start

    def profiles(self, name: str, rows: Integers) -> Floats:
        """Return the column `name` of `by_layer` for rows of one common depth L, as [rows, L]; block 1 first."""
        depth = int(self.blocks_of_row[rows[0]]) if len(rows) else 0
        values: Floats = self.by_layer[name][self.start_of_row[rows][:, None] + np.arange(depth)]
        return values
