"""The tables of a run directory as they are now: from the CSV files, or made anew from its parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.cell import SETTINGS
from gradlab.errors import StoreError
from gradlab.results.tables import Tables, tables
from gradlab.store import RunDirectory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLES", "read_tables"]

TABLES = ("cells", "layers", "steps", "summary")


def read_tables(path: Path) -> Tables:
    """Return the tables of one run directory: the CSV files or, where one is missing, damaged, older than the last part
    that was published or written by an earlier version, what the parts say.

    Raises StoreError when there is nothing to read.
    """
    directory = RunDirectory(path)
    frames: dict[str, pd.DataFrame] = {}
    if _up_to_date(path):
        for name in TABLES:
            frame = directory.read_table(name)
            if frame is None:
                break
            frames[name] = frame
    if len(frames) == len(TABLES) and frames["cells"].columns.isin(SETTINGS).sum() == len(SETTINGS):
        return Tables(**frames)
    from gradlab.mean_field import predict

    measured = directory.load(_order(directory), damaged=[])
    if not len(measured.cells):
        raise StoreError(f"{path} has no finished cell", "gradlab run puts them there")
    return tables(measured, predict=predict)


def _order(directory: RunDirectory) -> list[str]:
    """Return the ids of the stored cells in the order of the last run's table, those published since at the end."""
    stored, _ = directory.done()
    table = directory.read_table("cells", ["cell"])
    if table is None:
        return sorted(stored)
    written = (directory.path / "cells.csv").stat().st_mtime_ns
    fresh = {path.stem for path in directory.parts.glob("*.parquet") if path.stat().st_mtime_ns > written}
    listed = [cell for cell in table["cell"] if cell in stored]
    return list(dict.fromkeys([*listed, *(cell for cell, bank in stored.items() if bank in fresh)]))


def _up_to_date(path: Path) -> bool:
    files = [path / f"{name}.csv" for name in TABLES]
    if not all(file.is_file() for file in files):
        return False
    written = min(file.stat().st_mtime_ns for file in files)
    return all(part.stat().st_mtime_ns <= written for part in (path / "parts").glob("*.parquet"))
