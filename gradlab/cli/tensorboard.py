"""`gradlab tensorboard`: the tables of runs as event files beside them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.analysis.compare.collect import run_directories
from gradlab.api.results import read_tables
from gradlab.report import events, tensorboard
from gradlab.report.words import count, duration

if TYPE_CHECKING:
    from gradlab.results.tables import Tables

__all__ = ["board", "write_events"]


def board(results: Sequence[Path], *, per_cell: bool) -> int:
    """Write the event files of run directories, or of all directly below a directory; return the exit code."""
    events.require()
    for path in run_directories(results):
        begun = time.perf_counter()
        written = write_events(read_tables(path), path, per_cell=per_cell)
        what = count(len(written), "run")
        print(f"{path / 'tensorboard'}: {what} of TensorBoard in {duration(time.perf_counter() - begun)}")
    print(f"look at them with: tensorboard --logdir {results[0]}")
    return 0


def write_events(tables: Tables, path: Path, *, per_cell: bool = False) -> tuple[Path, ...]:
    """Write the event files of one run directory into its ``tensorboard/``; return them."""
    published = {part.stem: part.stat().st_mtime for part in (path / "parts").glob("*.parquet")}
    return tensorboard.write(tables, path / "tensorboard", published, per_cell=per_cell)
