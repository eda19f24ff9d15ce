"""`gradlab watch`: a run followed from another terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradlab.api.options import WatchOptions

if TYPE_CHECKING:
    from gradlab.api.watch import RunState
    from gradlab.execution.progress import Progress

__all__ = ["watch"]


def watch(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="A run directory, now or soon in use.")],
    options: WatchOptions,
) -> int:
    """Follow a run from another terminal until it ends: how far it is, what survives, what has failed.

    The exit code is 0 when all of it is done, otherwise 1.
    """
    from gradlab.api.watch import watch as follow
    from gradlab.terminal.console import console, out
    from gradlab.terminal.progress import ProgressDisplay

    first = True
    with ProgressDisplay(console()) as display:
        for state in follow(results, options):
            if first:
                display.say(f"{state.directory}: {_counts(state.progress)}")
            first = False
            for line in state.failures:
                display.say(line)
            if state.working and not state.ended:
                display.advance(state.progress, None)
    out(_end(state))
    return 0 if state.complete else 1


def _counts(progress: Progress) -> str:
    from gradlab.report.formatting import count
    from gradlab.terminal.progress import result_counts

    return ", ".join([f"{progress.cells:,} of {count(progress.total, 'cell')} done", *result_counts(progress)])


def _end(state: RunState) -> str:
    from gradlab.report.formatting import duration

    counts = _counts(state.progress)
    if state.seconds is None:
        return f"nobody works there: {counts}; the command that began it goes on from there"
    return f"{'interrupted' if state.session.get('interrupted') else 'ended'} after {duration(state.seconds)}: {counts}"
