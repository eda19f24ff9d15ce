"""The pictures of runs as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.api.options import PlotOptions
from gradlab.errors import StoreError, UsageError
from gradlab.report import plots
from gradlab.results.directories import each_readable, open_runs
from gradlab.results.run import Run
from gradlab.store.atomic import make_folder

if TYPE_CHECKING:
    from gradlab.api.run import RunResult

__all__ = ["Drawn", "draw_result", "plot"]

_LAYERS = {"cell", "step", "layer", "log10_grad_norm", "theory_log10_grad_norm", "saturated"}
_STEPS = {"cell", "step", "spectral_radius"}
"""Columns of layers.csv and steps.csv that are drawn; reading the others would take most of the time."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The pictures of one run, and what is wrong with its tables and parts: (what it is, what to do about it)."""

    files: tuple[Path, ...]
    warnings: tuple[tuple[str, str], ...]


def plot(paths: Sequence[Path], options: PlotOptions) -> tuple[tuple[Drawn, ...], tuple[StoreError, ...]]:
    """Draw the pictures of run directories, or of all that lie directly in a directory, anew from their tables.

    They go to ``plots/`` of each run directory or to `options.out`: with several runs, to a directory below it for
    each. Returns also why others of several runs could not be drawn. Raises UsageError as `open_runs` and `plots.draw`
    do, StoreError where no run can be read.
    """
    runs, out = open_runs(paths), options.out
    names = [run.name for run in runs]
    if out is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two of the runs have the name {twice!r}", "draw them one by one, with different --out")

    def draw(run: Run) -> Drawn:
        target = run.path / "plots" if out is None else out / run.name if len(runs) > 1 else out
        tables = run.tables_with({"layers": _LAYERS, "steps": _STEPS})
        if out is None:
            make_folder(target)
        return Drawn(plots.draw(tables, target, formats=options.format, only=options.only), run.warnings)

    drawn, errors = each_readable(runs, draw)
    return tuple(drawn.values()), errors


def draw_result(result: RunResult) -> Path | None:
    """Draw all pictures of a run into its ``plots/``; return that directory, None when nothing was measured."""
    directory = result.path / "plots"
    make_folder(directory)
    return directory if plots.draw(result.tables, directory) else None
