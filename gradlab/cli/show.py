"""`gradlab show`: one cell, wherever it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.analysis.compare.collect import run_directories
from gradlab.cell import settings_of
from gradlab.cli.common import console, print_json, report_width
from gradlab.errors import StoreError, UsageError
from gradlab.mean_field import predict
from gradlab.report.glyphs import glyphs_for
from gradlab.report.single import lines
from gradlab.results.tables import tables
from gradlab.store import RunDirectory, parts

__all__ = ["show"]

_LISTED = 8


@dataclass(frozen=True, slots=True)
class _Found:
    cell: str
    directory: RunDirectory
    bank: str


def show(cell: str, results: Sequence[Path], *, json: bool) -> int:
    """Print the cell whose id begins with `cell`; return the exit code.

    Raises UsageError when there is none or more than one, StoreError when it cannot be read.
    """
    found = _find(cell.strip().lower(), results)
    part = found.directory.parts / f"{found.bank}.parquet"
    try:
        table = parts.read(part)
    except parts.Damaged as damage:
        raise StoreError(f"{part} is damaged: {damage}", "run the spec again: it repairs it") from damage
    own = table.filter([cell == found.cell for cell in table.column("cell").to_pylist()])
    measured = parts.measured(own.append_column("bank", [[found.bank]]))
    made = tables(measured, predict=predict)
    run = found.directory.path.resolve().name
    if json:
        print_json(
            {
                "run": run,
                "directory": str(found.directory.path),
                "setting": settings_of(measured.cells[0]),
                "cell": _records(made.cells)[0],
                "steps": _records(made.steps),
                "layers": _records(made.layers),
            }
        )
        return 0
    target = console()
    for line in lines(made, measured.cells[0], run, glyphs_for(target.encoding), report_width(target)):
        target.print(line, soft_wrap=True)
    return 0


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): None if value is pd.NA else value for key, value in row.items() if key != "cell" or len(frame) == 1}
        for row in frame.to_dict("records")
    ]


def _find(begin: str, results: Sequence[Path]) -> _Found:
    found: dict[str, _Found] = {}
    cells = 0
    for path in run_directories(results):
        directory = RunDirectory(path)
        stored, _ = directory.done()
        cells += len(stored)
        for cell, bank in stored.items():
            if cell.startswith(begin):
                found.setdefault(cell, _Found(cell, directory, bank))
    if not begin or not found:
        places = ", ".join(map(str, results))
        raise UsageError(
            f"no finished cell of {places} has an id that begins with {begin!r}" if begin else "an id is missing",
            f"the {cells:,} ids are in the first column of cells.csv; cells that failed are only there",
        )
    if len(found) > 1:
        listed = [f"{one.cell} in {one.directory.path.name}" for one in list(found.values())[:_LISTED]]
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        raise UsageError(f"{len(found)} cells have an id that begins with {begin!r}", ", ".join(listed) + more)
    return next(iter(found.values()))
