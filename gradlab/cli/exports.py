"""`gradlab plot`, `report` and `tensorboard`: files made of finished runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from gradlab.api.options import PlotOptions, ReportOptions, TensorboardOptions
from gradlab.cli.flags import Results
from gradlab.terminal.console import best_effort, err, out, warn

if TYPE_CHECKING:
    from gradlab.errors import StoreError

__all__ = ["plot", "report", "tensorboard"]


def plot(results: Results, options: PlotOptions) -> int:
    """Draw the pictures of finished runs anew from their tables."""
    from gradlab.api.exports import plot as draw

    exports, errors = draw(results, options)
    with best_effort():
        for drawn in exports:
            _warn(drawn.warnings)
            for path in drawn.files:
                out(str(path))
    return _left_out(errors) or int(any(drawn.lost for drawn in exports))


def tensorboard(results: Results, options: TensorboardOptions) -> int:
    """Write what TensorBoard reads into the tensorboard/ of each run directory."""
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
    show: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> int:
    """Write one HTML page about finished runs: tables that sort, profiles beside theory, every CSV behind a button.

    The file needs no network and no other file: it can be mailed, or opened years later.
    """
    import webbrowser

    from gradlab.api.exports import report as write
    from gradlab.report.formatting import size

    path, page = write(results, options)
    with best_effort():
        out(f"{path} ({size(len(page.html.encode()))})")
    for note in page.notes:
        err(f"left out: {note}")
    _warn((*page.lost, *page.rebuilt))
    if show and not webbrowser.open(path.resolve().as_uri()):
        err(f"no browser could be started: open {path} yourself")
    return 1 if page.lost else 0


def _warn(warnings: Iterable[tuple[str, str]]) -> None:
    for warning in warnings:
        warn(*warning)


def _left_out(errors: Iterable[StoreError]) -> int:
    """Say which runs could not be read; return the exit code."""
    problems = [(f"{error.message}: left out", error.hint) for error in errors]
    _warn(problems)
    return 1 if problems else 0
