"""What is made of finished runs: pictures, one HTML page, event files of TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.api.exports_measured import MeasuredPage, draw_measured, write_measured_events, write_page
from gradlab.api.options import PlotOptions, ReportOptions, TensorboardOptions
from gradlab.errors import StoreError, UsageError
from gradlab.report import plots
from gradlab.report.events import require as require_tensorboard
from gradlab.results.directories import Directories, MeasuredDirectory, each_readable, open_directories
from gradlab.results.run import Run
from gradlab.store.atomic import make_folder, write_bytes

if TYPE_CHECKING:
    from gradlab.report.page import Page
    from gradlab.results.tables import Tables

__all__ = ["Export", "Pages", "draw", "plot", "report", "require_tensorboard", "tensorboard", "write_events"]

_DRAWN = {
    "layers": {"cell", "step", "layer", "log10_grad_norm", "theory_log10_grad_norm", "saturated"},
    "steps": {"cell", "step", "loss", "metric", "spectral_radius"},
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
    opened, out = open_directories(paths), options.out
    every = opened.every
    names = [directory.name for directory in every]
    if out is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two of the runs have the name {twice!r}", "draw them one by one, with different --out")

    def drawn(directory: Run | MeasuredDirectory) -> tuple[Path, ...]:
        folder = directory.path / "plots" if out is None else out / directory.name if len(every) > 1 else out
        if isinstance(directory, MeasuredDirectory):
            return draw_measured(directory, folder, options)
        tables = directory.tables_with(_DRAWN)
        if out is None:
            return draw(tables, directory.path, options)
        return plots.draw(tables, folder, formats=options.format, only=options.only, style=options.style)

    return _each(every, "plots", drawn)


def draw(tables: Tables, path: Path, options: PlotOptions) -> tuple[Path, ...]:
    """Draw the pictures of a run directory into its ``plots/``; return them."""
    make_folder(path / "plots")
    return plots.draw(tables, path / "plots", formats=options.format, only=options.only, style=options.style)


def tensorboard(paths: Sequence[Path], options: TensorboardOptions) -> Exports:
    """Write the event files of run directories, or of all directly below a directory, into ``tensorboard/`` in each.

    Raises UsageError where TensorBoard is not installed or there is no run, StoreError where none can be read.
    """
    require_tensorboard()
    opened = open_directories(paths)

    def written(directory: Run | MeasuredDirectory) -> tuple[Path, ...]:
        if isinstance(directory, MeasuredDirectory):
            return write_measured_events(directory)
        return write_events(directory.tables, directory.path, per_cell=options.per_cell)

    return _each(opened.every, "tensorboard", written)


def write_events(tables: Tables, path: Path, *, per_cell: bool = False) -> tuple[Path, ...]:
    """Write the event files of one run directory into its ``tensorboard/``; return them."""
    from gradlab.report import tensorboard

    return tensorboard.write(tables, path / "tensorboard", Run(path).begun, per_cell=per_cell)


def _each(
    directories: Sequence[Run | MeasuredDirectory], folder: str,
    write: Callable[[Run | MeasuredDirectory], tuple[Path, ...]],
) -> Exports:  # fmt: skip
    def export(directory: Run | MeasuredDirectory) -> Export:
        begun = time.perf_counter()
        files = write(directory)
        seconds, target = time.perf_counter() - begun, directory.path / folder
        if isinstance(directory, MeasuredDirectory):
            return Export(target, files, (), seconds)
        warnings = directory.warnings
        return Export(target, files, warnings, seconds, bool(warnings and directory.unreadable))

    exports, errors = each_readable(directories, export)
    return tuple(exports.values()), tuple(errors.values())


@dataclass(frozen=True, slots=True)
class Pages:
    """The page about the runs behind its path, those of models of the user, and why others could not be read."""

    runs: tuple[Path, Page] | None
    measured: tuple[MeasuredPage, ...]
    errors: tuple[StoreError, ...]


def report(paths: Sequence[Path], options: ReportOptions) -> Pages:
    """Write one HTML page about run directories, or all that lie directly in a directory, and one about each model of
    the user there.

    The page goes to `options.out`; without one into the directory named, or into the one around those named, that of a
    model into its directory. Raises UsageError where there is no such place, and as `build_page` does.
    """
    from gradlab.report.page import build_page

    opened = open_directories(paths)
    targets = [directory.path / "report.html" for directory in opened.measured]
    target = None
    if opened.runs:
        target = _target(_of_runs(paths, opened)) if options.out is None else options.out
    elif options.out is not None:
        targets = [options.out] * len(targets)
    pages = [*([target] if target is not None else []), *targets]
    if options.out is not None and len(pages) > 1:
        raise UsageError(
            f"these are {len(pages)} pages, and --out names one file",
            "leave it out, or name one watched training or saved probe, or runs alone",
        )
    for path in pages:
        if path.is_dir():
            raise UsageError(f"--out {path} is a directory", f"name the file: --out {path / 'report.html'}")
    measured: dict[MeasuredDirectory, MeasuredPage] = {}
    errors: list[StoreError] = []
    of_runs = None
    if target is not None:
        page = build_page([run.path for run in opened.runs])
        write_bytes(target, page.html.encode())
        of_runs = target, page
    for directory, place in zip(opened.measured, targets, strict=True):
        try:
            measured[directory] = write_page(directory, place)
        except StoreError as error:
            errors.append(error)
    if errors and not measured and of_runs is None:
        raise errors[0]
    return Pages(of_runs, tuple(measured.values()), tuple(errors))


def _of_runs(paths: Sequence[Path], opened: Directories) -> list[Path]:
    """Return the paths that are, or hold, runs."""
    measured = {directory.path.resolve() for directory in opened.measured}
    return [path for path in paths if path.resolve() not in measured]


def _target(paths: Sequence[Path]) -> Path:
    if len(paths) == 1:
        return paths[0] / "report.html"
    around = {path.resolve().parent for path in paths}
    if len(around) > 1:
        raise UsageError("the runs lie in different directories", "say where the page goes: --out report.html")
    parent = paths[0].parent  # as it was typed, but for paths such as ..
    return (parent if parent.resolve() in around else around.pop()) / "report.html"
