"""The tables of runs as event files of TensorBoard beside them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.api.options import TensorboardOptions
from gradlab.errors import StoreError
from gradlab.report.events import require

if TYPE_CHECKING:
    from gradlab.results.run import Run
    from gradlab.results.tables import Tables

__all__ = ["Board", "require", "tensorboard", "write_events"]


@dataclass(frozen=True, slots=True)
class Board:
    """The event files of one run directory, one for each run of TensorBoard."""

    directory: Path
    files: tuple[Path, ...]
    seconds: float
    warnings: tuple[tuple[str, str], ...]
    """What is wrong with the tables and parts of the run, and what to do about it."""


def tensorboard(paths: Sequence[Path], options: TensorboardOptions) -> tuple[tuple[Board, ...], tuple[StoreError, ...]]:
    """Write the event files of run directories, or of all directly below a directory, and return those of each.

    Returns also why others of several runs could not be read. Raises UsageError where TensorBoard is not installed or
    there is no run, StoreError where none can be read.
    """
    from gradlab.results.directories import each_readable, open_runs

    require()

    def write(run: Run) -> Board:
        begun = time.perf_counter()
        files = write_events(run.tables, run.path, per_cell=options.per_cell)
        return Board(run.path / "tensorboard", files, time.perf_counter() - begun, run.warnings)

    boards, errors = each_readable(open_runs(paths), write)
    return tuple(boards.values()), errors


def write_events(tables: Tables, path: Path, *, per_cell: bool = False) -> tuple[Path, ...]:
    """Write the event files of one run directory into its ``tensorboard/``; return them."""
    from gradlab.report import tensorboard
    from gradlab.results.run import Run

    return tensorboard.write(tables, path / "tensorboard", Run(path).begun, per_cell=per_cell)
