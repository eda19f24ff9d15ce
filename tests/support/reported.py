"""Results of runs of the fake work, without a run, and their reports."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fake_work import record

from gradlab.api.run import RunResult
from gradlab.cell import Cell, Named, cell_id
from gradlab.record import Record
from gradlab.report.glyphs import UNICODE, Glyphs
from gradlab.report.terminal.run import run_report
from gradlab.results.tables import tables
from gradlab.store import parts
from gradlab.store.records import Failure

PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0", "torch": "2"}


def cells_of(depths: tuple[int, ...] = (2, 8, 32), seeds: int = 3, **fixed: Any) -> list[Cell]:
    names = ("sigmoid", "relu", "selu")
    return [
        Cell(depth=depth, activation=Named(name), lr=0.1, seed=seed, **fixed)
        for name in names
        for depth in depths
        for seed in range(seeds)
    ]


def result_of(
    cells: list[Cell], make: Callable[[Cell], Record] = record, *, failed: str = "", predict: Any = None, **changes: Any
) -> RunResult:
    """Return the result of a run of `cells` whose records `make` gives; the cells of the activation `failed` failed."""
    lost = [cell for cell in cells if cell.activation.name == failed]
    kept = [cell for cell in cells if cell not in lost]
    failures = tuple(Failure(cell, "RuntimeError: no such luck", "b9") for cell in lost)
    table = parts.to_table(kept, [make(cell) for cell in kept], PROVENANCE)
    measured = parts.measured(table.append_column("bank", [["b"] * len(kept)]))
    found = tables(measured, failures, order=[cell_id(cell) for cell in cells], predict=predict)
    made = RunResult("demo", Path("results/demo"), found, {}, len(cells), len(kept), 0, failures, 14.2, False)
    return dataclasses.replace(made, **changes)


def text_of(result: RunResult, width: int | None = None, glyphs: Glyphs = UNICODE, *, verbose: bool = False) -> str:
    return "\n".join(line.plain for line in run_report(result, glyphs, width, verbose=verbose))
