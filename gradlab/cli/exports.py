"""`gradlab plot`, `report` and `tensorboard`: files made of finished runs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradlab.api.options import PlotOptions, ReportOptions, TensorboardOptions
from gradlab.cli.flags import Results
from gradlab.cli.help import OUTPUT
from gradlab.cli.next_steps import after_export, suggest
from gradlab.terminal.console import best_effort, err, out, warn

if TYPE_CHECKING:
    from gradlab.errors import StoreError

__all__ = ["plot", "report", "tensorboard"]


def plot(results: Results, options: PlotOptions) -> int:
    """Draw the pictures of finished runs again, from their tables."""
    from gradlab.api.exports import plot as draw

    exports, errors = draw(results, options)
    with best_effort():
        for drawn in exports:
            _warn(drawn.warnings)
            for path in drawn.files:
                out(str(path))
        suggest(after_export("plot", results))
    return _left_out(errors) or int(any(drawn.lost for drawn in exports))


def tensorboard(results: Results, options: TensorboardOptions) -> int:
    """Write TensorBoard event files into the tensorboard/ of each run directory."""
    from gradlab.api.exports import tensorboard as write
    from gradlab.report.formatting import count, duration

    exports, errors = write(results, options)
    with best_effort():
        for board in exports:
            _warn(board.warnings)
            out(f"{board.directory}: {count(len(board.files), 'run')} of TensorBoard in {duration(board.seconds)}")
        out(f"look at them with: tensorboard --logdir {results[0]}")
    return _left_out(errors) or int(any(board.lost for board in exports))


def report(
    results: Results,
    options: ReportOptions,
    show: Annotated[bool, typer.Option("--open", rich_help_panel=OUTPUT, help="Show the page in the browser.")] = False,
) -> int:
    """Write one HTML page about finished runs: sortable tables, profiles beside theory, and every CSV to download.

    The page is one file that needs no network. A watched training (gl.watch) or a saved probe gets a page of its own,
    and its report is printed.
    """
    import webbrowser

    from gradlab.api.exports import report as write
    from gradlab.report.formatting import size
    from gradlab.report.terminal.measured import measured_report
    from gradlab.terminal.console import print_report

    pages = write(results, options)
    files: list[tuple[Path, int]] = []
    with best_effort():
        if pages.runs is not None:
            path, page = pages.runs
            files.append((path, len(page.html.encode())))
        for measured_page in pages.measured:
            print_report(partial(measured_report, measured_page.measurement))
            out()
            files.append((measured_page.path, measured_page.size))
        for path, length in files:
            out(f"{path} ({size(length)})")
    lost: tuple[tuple[str, str], ...] = ()
    if pages.runs is not None:
        page, lost = pages.runs[1], pages.runs[1].lost
        for note in page.notes:
            err(f"left out: {note}")
        _warn((*page.lost, *page.rebuilt))
    left_out = _left_out(pages.errors)
    for path, _ in files if show else ():
        if not webbrowser.open(path.resolve().as_uri()):
            err(f"no browser could be started: open {path} yourself")
    suggest(after_export("report", results, in_browser=show) if files else None)
    return 1 if lost else left_out


def _warn(warnings: Iterable[tuple[str, str]]) -> None:
    for warning in warnings:
        warn(*warning)


def _left_out(errors: Iterable[StoreError]) -> int:
    """Say which runs could not be read; return the exit code."""
    problems = [(f"{error.message}: left out", error.hint) for error in errors]
    _warn(problems)
    return 1 if problems else 0
