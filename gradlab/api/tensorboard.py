"""The tables of runs as event files of TensorBoard beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.api.options import TensorboardOptions
from gradlab.report.events import require

if TYPE_CHECKING:
    from gradlab.results.tables import Tables

__all__ = ["Board", "require", "tensorboard", "write_events"]


@dataclass(frozen=True, slots=True)
class Board:
    """The event files of one run directory, one for each run of TensorBoard."""

    directory: Path
    files: tuple[Path, ...]
    seconds: float


def tensorboard(paths: Sequence[Path], options: TensorboardOptions) -> Iterator[Board]:
    """Write the event files of run directories, or of all directly below a directory, and yield those of each.

    Raises UsageError where TensorBoard is not installed or there is no run, StoreError for tables that cannot be read.
    """
    from gradlab.analysis.compare.collect import run_directories
    from gradlab.api.tables import read_tables

    require()
    for path in run_directories(paths):
        begun = time.perf_counter()
        files = write_events(read_tables(path), path, per_cell=options.per_cell)
        yield Board(path / "tensorboard", files, time.perf_counter() - begun)


def write_events(tables: Tables, path: Path, *, per_cell: bool = False) -> tuple[Path, ...]:
    """Write the event files of one run directory into its ``tensorboard/``; return them."""
    from gradlab.report import tensorboard

    published = {part.stem: part.stat().st_mtime for part in (path / "parts").glob("*.parquet")}
    return tensorboard.write(tables, path / "tensorboard", published, per_cell=per_cell)
