"""`gradlab watch`: a run, or a watched training, followed from another terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradlab.api.options import WatchOptions
from gradlab.cli.next_steps import page, suggest

if TYPE_CHECKING:
    from gradlab.api.watch import RunState
    from gradlab.execution.progress import Progress

__all__ = ["watch"]


def watch(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="A run directory, now or soon in use.")],
    options: WatchOptions,
) -> int:
    """Follow a run from another terminal until it ends: progress, survival, failures.

    Of a training loop with gl.watch, each measured step is a line. The exit code is 0 when all cells are done,
    otherwise 1.
    """
    from gradlab.api.watch import followed

    path, is_training = followed(results)
    return _training(path, options) if is_training else _run(path, options)


def _run(results: Path, options: WatchOptions) -> int:
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
    suggest(page(results) if state.complete else None)
    return 0 if state.complete else 1


def _training(path: Path, options: WatchOptions) -> int:
    import sys
    from functools import partial

    from gradlab.api.watch_training import STEPS_AT_FIRST, watch_training
    from gradlab.report.formatting import count
    from gradlab.report.terminal.entries import wrapped
    from gradlab.report.terminal.watched import step_lines
    from gradlab.terminal.console import print_report

    def say(text: str) -> None:
        print_report(lambda glyphs, width: wrapped(glyphs.plain(text), width))

    first = True
    for state in watch_training(path, options):
        training, new = state.training, state.new
        if first:
            measured = f"{count(len(training.steps), 'step')} measured"
            suffix = f", the last {STEPS_AT_FIRST}" if len(training.steps) > STEPS_AT_FIRST else ""
            say(f"{path}: {training.model}, {measured}{suffix}")
        first = False
        if new:
            print_report(partial(step_lines, training, new))
        sys.stdout.flush()
    for note in state.training.notes:
        say(f"note: {note}")
    say(f"{state.training.state}: {count(len(state.training.steps), 'step')} measured")
    suggest(page(path))
    return 0 if state.training.complete else 1


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
