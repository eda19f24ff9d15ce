"""One cell, wherever it lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.analysis.compare.collect import run_directories
from gradlab.cell import Cell, settings_of
from gradlab.errors import StoreError, UsageError
from gradlab.mean_field import predict
from gradlab.results.tables import Tables, tables
from gradlab.store import RunDirectory, parts

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
            "run": self.run,
            "directory": str(self.directory),
            "setting": settings_of(self.cell),
            "cell": _rows(self.tables.cells)[0],
            "steps": _rows(self.tables.steps),
            "layers": _rows(self.tables.layers),
        }


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a cell lies."""

    cell: str
    directory: RunDirectory
    bank: str


def show(cell: str, paths: Sequence[Path]) -> CellTables:
    """Return the cell whose id begins with `cell` out of the runs at `paths`.

    Raises UsageError when there is none or more than one, StoreError when it cannot be read.
    """
    place = _find(cell.strip().lower(), paths)
    part = place.directory.parts / f"{place.bank}.parquet"
    try:
        table = parts.read(part)
    except parts.Damaged as damage:
        raise StoreError(f"{part} is damaged: {damage}", "run the spec again: it repairs it") from damage
    own = table.filter([name == place.cell for name in table.column("cell").to_pylist()])
    measured = parts.measured(own.append_column("bank", [[place.bank]]))
    return CellTables(place.directory.path, measured.cells[0], tables(measured, predict=predict))


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(key): None if value is pd.NA else value for key, value in row.items() if key != "cell" or len(frame) == 1}
        for row in frame.to_dict("records")
    ]


def _find(begin: str, paths: Sequence[Path]) -> _Place:
    places: dict[str, _Place] = {}
    cells = 0
    for path in run_directories(paths):
        directory = RunDirectory(path)
        stored, _ = directory.done()
        cells += len(stored)
        for cell, bank in stored.items():
            if cell.startswith(begin):
                places.setdefault(cell, _Place(cell, directory, bank))
    if not begin or not places:
        searched = ", ".join(map(str, paths))
        raise UsageError(
            f"no finished cell of {searched} has an id that begins with {begin!r}" if begin else "an id is missing",
            f"the {cells:,} ids are in the first column of cells.csv; cells that failed are only there",
        )
    if len(places) > 1:
        listed = [f"{place.cell} in {place.directory.path.name}" for place in list(places.values())[:_LISTED]]
        more = f" and {len(places) - _LISTED} more" if len(places) > _LISTED else ""
        raise UsageError(f"{len(places)} cells have an id that begins with {begin!r}", ", ".join(listed) + more)
    return next(iter(places.values()))
