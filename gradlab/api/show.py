"""One cell, wherever it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.cell import Cell, settings_of
from gradlab.errors import UsageError
from gradlab.results.directories import each_readable, open_runs
from gradlab.results.run import Run
from gradlab.results.tables import Tables, tables
from gradlab.results.theory_cache import Predictions

__all__ = ["CellTables", "show"]

_LISTED = 8


@dataclass(frozen=True)
class CellTables:
    """One cell of a run, and the rows of the tables about it."""

    directory: Path
    cell: Cell
    tables: Tables

    @property
    def run(self) -> str:
        """Name of the run directory."""
        return self.directory.resolve().name

    def document(self) -> dict[str, Any]:
        """Return it as plain values for JSON."""
        return {
            "run": self.run, "directory": str(self.directory), "setting": settings_of(self.cell),
            "cell": _rows(self.tables.cells)[0], "steps": _rows(self.tables.steps), "layers": _rows(self.tables.layers),
        }  # fmt: skip


def show(cell: str, paths: Sequence[Path]) -> CellTables:
    """Return the cell whose id begins with `cell` out of the runs at `paths`.

    Raises UsageError when there is none or more than one, StoreError when it cannot be read.
    """
    identity, runs = _find(cell.strip().lower(), paths)
    readable, _ = each_readable(runs, lambda run: run.records(ids=[identity]))
    run, measured = next(iter(readable.items()))
    return CellTables(run.path, measured.cells[0], tables(measured, predict=Predictions(run.directory)))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): None if value is pd.NA else value for key, value in row.items() if key != "cell" or len(frame) == 1}
        for row in frame.to_dict("records")
    ]


def _find(begin: str, paths: Sequence[Path]) -> tuple[str, tuple[Run, ...]]:
    """Return the id that begins so, and the runs that have it."""
    matches: dict[str, tuple[Run, ...]] = {}
    cells = 0
    readable, errors = each_readable(open_runs(paths), lambda run: run.stored)
    for run in readable:
        cells += len(run.stored)
        for cell in run.stored:
            if cell.startswith(begin):
                matches[cell] = (*matches.get(cell, ()), run)
    if not begin or not matches:
        searched = ", ".join(map(str, paths))
        raise UsageError(
            f"no finished cell of {searched} has an id that begins with {begin!r}" if begin else "an id is missing",
            f"the {cells:,} ids are in the first column of cells.csv; cells that failed are only there"
            + "".join(f"; {error.message}" for error in errors.values()),
        )
    if len(matches) > 1:
        listed = [f"{cell} in {runs[0].path.name}" for cell, runs in list(matches.items())[:_LISTED]]
        unlisted = f" and {len(matches) - _LISTED} more" if len(matches) > _LISTED else ""
        raise UsageError(f"{len(matches)} cells have an id that begins with {begin!r}", ", ".join(listed) + unlisted)
    return next(iter(matches.items()))
