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
    from gradlab.api.watch import watch as looks
    from gradlab.terminal.console import console
    from gradlab.terminal.progress import ProgressDisplay

    target = console()
    last: RunState | None = None
    with ProgressDisplay(target) as display:
        for seen in looks(results, options):
            if last is None:
                display.say(f"{seen.directory}: " + _words(seen.progress))
            for line in seen.failures:
                display.say(line)
            if seen.working and not seen.ended:
                display.advance(seen.progress, None)
            last = seen
    assert last is not None
    target.print(_end(last), soft_wrap=True)
    return 0 if last.complete else 1


def _words(progress: Progress) -> str:
    from gradlab.report.formatting import count

    words = [f"{progress.cells:,} of {count(progress.total, 'cell')} done"]
    words += [f"{number:,} {name}" for name, number in progress.verdicts]
    words += [f"{progress.diverged:,} diverged"] if progress.diverged else []
    words += [f"{progress.failed:,} failed"] if progress.failed else []
    return ", ".join(words)


def _end(seen: RunState) -> str:
    from gradlab.report.formatting import duration

    words = _words(seen.progress)
    if seen.seconds is None:
        return f"nobody works there: {words}; the command that began it goes on from there"
    how = "interrupted" if seen.session.get("interrupted") else "ended"
    return f"{how} after {duration(seen.seconds)}: {words}"
