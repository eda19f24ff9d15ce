"""What is made of finished runs: pictures, one HTML page, event files of TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.api.options import PlotOptions, ReportOptions, TensorboardOptions
from gradlab.errors import StoreError, UsageError
from gradlab.report import plots
from gradlab.report.events import require as require_tensorboard
from gradlab.results.directories import each_readable, open_runs
from gradlab.results.run import Run
from gradlab.store.atomic import make_folder, write_bytes

if TYPE_CHECKING:
    from gradlab.report.page import Page
    from gradlab.results.tables import Tables

__all__ = ["Export", "draw", "plot", "report", "require_tensorboard", "tensorboard", "write_events"]

_DRAWN = {
    "layers": {"cell", "step", "layer", "log10_grad_norm", "theory_log10_grad_norm", "saturated"},
    "steps": {"cell", "step", "spectral_radius"},
}
"""Columns of large tables that are drawn; reading the others would take most of the time."""


@dataclass(frozen=True, slots=True)
class Export:
    """The files made of one run, and what is wrong with its tables and parts: (what it is, what to do about it)."""

    directory: Path
    files: tuple[Path, ...]
    warnings: tuple[tuple[str, str], ...]
    seconds: float
    lost: bool = False
    """Whether parts of the run cannot be read."""


Exports = tuple[tuple[Export, ...], tuple[StoreError, ...]]
"""What was made of each run, and why others of several runs could not be read."""


def plot(paths: Sequence[Path], options: PlotOptions) -> Exports:
    """Draw the pictures of run directories, or of all that lie directly in a directory, anew from their tables.

    They go to ``plots/`` of each run directory or to `options.out`: with several runs, to a directory below it for
    each. Raises UsageError as `open_runs` and `plots.draw` do, StoreError where no run can be read.
    """
    runs, out = open_runs(paths), options.out
    names = [run.name for run in runs]
    if out is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two of the runs have the name {twice!r}", "draw them one by one, with different --out")

    def drawn(run: Run) -> tuple[Path, ...]:
        tables = run.tables_with(_DRAWN)
        if out is None:
            return draw(tables, run.path, options)
        return plots.draw(tables, out / run.name if len(runs) > 1 else out, formats=options.format, only=options.only)

    return _each(runs, "plots", drawn)


def draw(tables: Tables, path: Path, options: PlotOptions) -> tuple[Path, ...]:
    """Draw the pictures of a run directory into its ``plots/``; return them."""
    make_folder(path / "plots")
    return plots.draw(tables, path / "plots", formats=options.format, only=options.only)


def tensorboard(paths: Sequence[Path], options: TensorboardOptions) -> Exports:
    """Write the event files of run directories, or of all directly below a directory, into ``tensorboard/`` in each.

    Raises UsageError where TensorBoard is not installed or there is no run, StoreError where none can be read.
    """
    require_tensorboard()
    runs = open_runs(paths)
    return _each(runs, "tensorboard", lambda run: write_events(run.tables, run.path, per_cell=options.per_cell))


def write_events(tables: Tables, path: Path, *, per_cell: bool = False) -> tuple[Path, ...]:
    """Write the event files of one run directory into its ``tensorboard/``; return them."""
    from gradlab.report import tensorboard

    return tensorboard.write(tables, path / "tensorboard", Run(path).begun, per_cell=per_cell)


def _each(runs: Sequence[Run], folder: str, write: Callable[[Run], tuple[Path, ...]]) -> Exports:
    def export(run: Run) -> Export:
        begun = time.perf_counter()
        files = write(run)
        seconds, warnings = time.perf_counter() - begun, run.warnings
        return Export(run.path / folder, files, warnings, seconds, bool(warnings and run.unreadable))

    exports, errors = each_readable(runs, export)
    return tuple(exports.values()), tuple(errors.values())


def report(paths: Sequence[Path], options: ReportOptions) -> tuple[Path, Page]:
    """Write one HTML page about run directories, or all that lie directly in a directory; return it behind its path.

    It goes to `options.out`; without one into the directory named, or into the one around those named. Raises
    UsageError where there is no such place, and as `build_page` does.
    """
    from gradlab.report.page import build_page

    target = _target(paths) if options.out is None else options.out
    if target.is_dir():
        raise UsageError(f"--out {target} is a directory", f"name the file: --out {target / 'report.html'}")
    page = build_page(paths)
    write_bytes(target, page.html.encode())
    return target, page


def _target(paths: Sequence[Path]) -> Path:
    if len(paths) == 1:
        return paths[0] / "report.html"
    around = {path.resolve().parent for path in paths}
    if len(around) > 1:
        raise UsageError("the runs lie in different directories", "say where the page goes: --out report.html")
    parent = paths[0].parent  # as it was typed, but for paths such as ..
    return (parent if parent.resolve() in around else around.pop()) / "report.html"
