"""The pictures of runs as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.api.options import PlotOptions
from gradlab.errors import StoreError, UsageError
from gradlab.report import plots
from gradlab.store import RunDirectory

if TYPE_CHECKING:
    import pandas as pd

    from gradlab.api.run import RunResult
    from gradlab.results.tables import Tables

__all__ = ["Drawn", "draw_result", "plot"]

_LAYERS = {"cell", "step", "layer", "log10_grad_norm", "theory_log10_grad_norm", "saturated"}
_STEPS = {"cell", "step", "spectral_radius"}
"""Columns of layers.csv and steps.csv that are drawn; reading the others would take most of the time."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The pictures of one run, and what had to be done without: (what is wrong, what to do about it)."""

    files: tuple[Path, ...]
    warnings: tuple[tuple[str, ...], ...]


def plot(paths: Sequence[Path], options: PlotOptions) -> tuple[Drawn, ...]:
    """Draw the pictures of run directories, or of all that lie directly in a directory, anew from their tables.

    They go to ``plots/`` of each run directory or to `options.out`: with several runs, to a directory below it for
    each. Raises UsageError as `collect.run_directories` and `plots.draw` do, StoreError without readable tables.
    """
    from gradlab.analysis.compare.collect import run_directories

    runs, out = run_directories(paths), options.out
    names = [run.resolve().name for run in runs]
    if out is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two of the runs have the name {twice!r}", "draw them one by one, with different --out")
    drawn = []
    for run, name in zip(runs, names, strict=True):
        target = run / "plots" if out is None else out / name if len(runs) > 1 else out
        tables, warnings = _tables(run)
        drawn.append(Drawn(plots.draw(tables, target, formats=options.format, only=options.only), warnings))
    return tuple(drawn)


def draw_result(result: RunResult) -> Path | None:
    """Draw all pictures of a run into its ``plots/``; return that directory, None when nothing was measured."""
    directory = result.path / "plots"
    return directory if plots.draw(result.tables, directory) else None


def _tables(path: Path) -> tuple[Tables, tuple[tuple[str, ...], ...]]:
    from gradlab.results.tables import Tables
    from gradlab.store.csvfile import REBUILD

    directory = RunDirectory(path)
    frames: dict[str, pd.DataFrame] = {}
    for name, columns in (("cells", None), ("layers", _LAYERS), ("steps", _STEPS), ("summary", None)):
        file = path / f"{name}.csv"
        frame = directory.read_table(name, columns)
        if frame is None:
            if not file.is_file():
                raise StoreError(f"{file} is missing", REBUILD)
            tables, damaged = _anew(directory)
            return tables, ((f"{file} does not fit its checksum: drawn from parts/ instead", REBUILD), *damaged)
        frames[name] = frame
    return Tables(**frames), ()


def _anew(directory: RunDirectory) -> tuple[Tables, tuple[tuple[str, ...], ...]]:
    """Make the tables from the parts that are not damaged, as `gradlab.api.run` does."""
    from gradlab.mean_field import predict
    from gradlab.results.tables import tables

    damaged: list[tuple[str, str]] = []
    made = tables(directory.load(damaged=damaged), predict=predict)
    warnings = [(f"{directory.path}/parts/{name} is damaged ({reason}): drawn without it",) for name, reason in damaged]
    return made, tuple(warnings)
