"""`gradlab plot`: the pictures of finished runs, drawn anew from their tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.errors import StoreError, UsageError
from gradlab.store import RunDirectory

if TYPE_CHECKING:
    import pandas as pd

    from gradlab.api.run import RunResult
    from gradlab.results.tables import Tables

__all__ = ["draw_result", "plot"]

_LAYERS = {"cell", "step", "layer", "log10_grad_norm", "theory_log10_grad_norm", "saturated"}
_STEPS = {"cell", "step", "spectral_radius"}
"""Columns of layers.csv and steps.csv that are drawn; reading the others would take most of the time."""


def plot(results: Sequence[Path], *, only: Sequence[str], formats: Sequence[str], out: Path | None) -> int:
    """Draw the pictures of run directories, or of all that lie directly in a directory; return the exit code.

    They go to ``plots/`` of each run directory or, with `out`, to that directory: with several runs, to one below it
    for each. Raises UsageError as `collect.run_directories` and `plots.draw` do, StoreError without readable tables.
    """
    from gradlab.analysis.compare.collect import run_directories
    from gradlab.report import plots

    runs = run_directories(results)
    names = [run.resolve().name for run in runs]
    if out is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two of the runs have the name {twice!r}", "draw them one by one, with different --out")
    for run, name in zip(runs, names, strict=True):
        target = run / "plots" if out is None else out / name if len(runs) > 1 else out
        for path in plots.draw(_tables(run), target, formats=formats, only=only):
            print(path)
    return 0


def draw_result(result: RunResult) -> Path | None:
    """Draw all pictures of a run into its ``plots/``; return that directory, None when nothing was measured."""
    from gradlab.report import plots

    directory = result.path / "plots"
    return directory if plots.draw(result.tables, directory) else None


def _tables(path: Path) -> Tables:
    from gradlab.results.tables import Tables
    from gradlab.store.csvfile import REBUILD

    directory = RunDirectory(path)
    found: dict[str, pd.DataFrame] = {}
    for name, columns in (("cells", None), ("layers", _LAYERS), ("steps", _STEPS), ("summary", None)):
        file = path / f"{name}.csv"
        frame = directory.read_table(name, columns)
        if frame is None:
            if not file.is_file():
                raise StoreError(f"{file} is missing", REBUILD)
            _warn(f"{file} does not fit its checksum: drawn from parts/ instead\n  {REBUILD}")
            return _anew(directory)
        found[name] = frame
    return Tables(**found)


def _anew(directory: RunDirectory) -> Tables:
    """Make the tables from the parts that are not damaged, as `gradlab.api.run` does."""
    from gradlab.mean_field import predict
    from gradlab.results.tables import tables

    damaged: list[tuple[str, str]] = []
    found = tables(directory.load(damaged=damaged), predict=predict)
    for name, reason in damaged:
        _warn(f"{directory.path}/parts/{name} is damaged ({reason}): drawn without it")
    return found


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)
