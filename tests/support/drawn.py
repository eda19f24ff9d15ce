"""Tables of fake records to draw, and what one reads in a figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from math import log10
from typing import Any

import numpy as np
from fake_work import FACTORS, record
from matplotlib.figure import Figure

from gradlab.cell import Cell, Named, cell_id
from gradlab.record import Record
from gradlab.report.plots.data import PlotData, plot_data
from gradlab.results.tables import Tables, tables
from gradlab.store import parts
from gradlab.store.records import Failure

PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0", "torch": "2"}
NAMES = ("sigmoid", "relu", "selu")


def cells_of(
    depths: Sequence[int] = (2, 8, 32), names: Sequence[str] = NAMES, seeds: int = 3, **fixed: Any
) -> list[Cell]:
    return [
        Cell(depth=depth, activation=Named(name), seed=seed, **{"lr": 0.1, **fixed})
        for name in names
        for depth in depths
        for seed in range(seeds)
    ]


def many_cells() -> list[Cell]:
    """200 configurations of two depths."""
    cells = cells_of(depths=(4, 8), names=tuple(FACTORS), seeds=1)
    return [dataclasses.replace(cell, width=width) for cell in cells for width in range(1, 41)]


def tables_of(cells: Sequence[Cell], make: Callable[[Cell], Record] = record, lost: Sequence[Cell] = ()) -> Tables:
    kept = [cell for cell in cells if cell not in lost]
    failures = tuple(Failure(cell, "RuntimeError: no such luck", "b9") for cell in lost)
    table = parts.to_table(kept, [make(cell) for cell in kept], PROVENANCE)
    measured = parts.measured(table.append_column("bank", [["b"] * len(kept)]))
    return tables(measured, failures, order=[cell_id(cell) for cell in cells])


def data_of(cells: Sequence[Cell], make: Callable[[Cell], Record] = record, lost: Sequence[Cell] = ()) -> PlotData:
    found = plot_data(tables_of(cells, make, lost))
    assert found is not None
    return found


def with_profile(value: float, *names: str) -> Callable[[Cell], Record]:
    """Records whose gradient is `value` in the lower half of the network for some activations."""

    def make(cell: Cell) -> Record:
        one = record(cell)
        if cell.activation.name not in names:
            return one
        log_g = one.log_grad_norm.copy()
        log_g[:, : (cell.depth + 1) // 2] = value
        return one.with_values(log_grad_norm=log_g)

    return make


def texts(figure: Figure) -> list[str]:
    return [
        text for artist in figure.findobj(match=lambda one: hasattr(one, "get_text")) if (text := artist.get_text())
    ]


def mean_log10(name: str, blocks: int, seeds: int = 3) -> float:
    """log10 of the geometric mean over seeds of the fake's g_l/g_(l + blocks)."""
    return float(np.mean([blocks * log10(FACTORS[name] * (1 + seed / 100)) for seed in range(seeds)]))
