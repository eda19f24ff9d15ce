"""How a run is followed: a live bar on a terminal, a plain line now and then everywhere else."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gradlab.report.words import count, duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar

    from gradlab.executor import Outcome
    from gradlab.progress import Progress

__all__ = ["Progressing"]

_SECONDS_BETWEEN_LINES = 10.0


class Progressing:
    """A `gradlab.progress.Listener` that writes to a console. As a context it takes its bar away at the end."""

    def __init__(self, console: Console, *, quiet: bool, verbose: bool) -> None:
        self._console, self._quiet, self._verbose = console, quiet, verbose
        self._bar: Bar | None = None
        self._spoken = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def say(self, message: str) -> None:
        """Write a message as a line of its own."""
        if not self._quiet:
            self._console.print(message, soft_wrap=True)

    def advance(self, progress: Progress, outcome: Outcome | None) -> None:
        """Show how far it is, and of a failed bank what happened to it."""
        if self._quiet:
            return
        if outcome is not None:
            self._tell(outcome)
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._draw(progress)
        elif time.monotonic() - self._spoken >= _SECONDS_BETWEEN_LINES and progress.cells < progress.total:
            self._spoken = time.monotonic()
            self.say(f"{progress.cells:,} of {count(progress.total, 'cell')}, {_left(progress)}")

    def _tell(self, outcome: Outcome) -> None:
        cells = count(len(outcome.bank.cells), "cell")
        if outcome.worked is None:
            self.say(f"bank {outcome.bank.id} failed ({cells}): {outcome.error}")
            if self._verbose:
                self.say(outcome.traceback)
        elif self._verbose:
            self.say(f"bank {outcome.bank.id} done ({cells}) in {duration(outcome.wall_s)}, {outcome.worker}")

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (
                BarColumn(bar_width=None),
                TextColumn("{task.completed:,.0f}/{task.total:,.0f} cells  {task.description}"),
            )
            self._bar = Bar(*columns, console=self._console, transient=True)
            self._bar.add_task(_left(progress), total=progress.total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=progress.cells, description=_left(progress))


def _left(progress: Progress) -> str:
    return f"{duration(progress.elapsed_s)}, about {duration(progress.remaining_s)} left"
