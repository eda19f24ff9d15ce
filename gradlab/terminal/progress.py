"""The display of a run: live on a terminal, a plain line now and then everywhere else."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from gradlab.errors import printable
from gradlab.report.formatting import count, duration

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress_bar import ProgressBar

    from gradlab.execution.base import Outcome
    from gradlab.execution.progress import Progress

__all__ = ["ProgressDisplay", "result_counts"]

_SECONDS_BETWEEN_LINES = 10.0
_ALIKE = 5
"""Failures for one reason that are told one by one; all of them are in run.log."""
_STYLES = {
    "healthy": "", "vanishing": "bold", "exploding": "bold", "dead": "bold", "nonfinite": "bold magenta",
    "diverged": "bold magenta", "failed": "bold red",
}  # fmt: skip
"""Magenta and red are legible on light and on dark backgrounds, in 16 colours too; green, yellow and blue are not."""
_LATE = 0.1
"""Share of the time passed by which an estimate may be exceeded before that is said."""


class ProgressDisplay:
    """A `Listener` that writes to a console. As a context it takes its display away at the end."""

    def __init__(self, console: Console, *, quiet: bool = False, verbose: bool = False) -> None:
        self._console, self._quiet, self._verbose = console, quiet, verbose
        self._live: Live | None = None
        self._spoken = time.monotonic()
        self._progress: Progress | None = None
        self._at = 0.0
        """When `_progress` was told."""
        self._note = ""
        self._kinds: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.rest()

    def say(self, message: str) -> None:
        """Write a message as a line of its own; its further lines are indented, so that none looks like another."""
        if not self._quiet:
            self._console.print("\n  ".join(map(printable, message.splitlines())), soft_wrap=True)

    def note(self, message: str) -> None:
        """Show a message at once, from a signal handler: whatever it interrupts may hold the console."""
        self._note = message
        if self._live is None and not self._quiet:
            with suppress(OSError):
                os.write(2, f"{message}\n".encode())

    def advance(self, progress: Progress, outcome: Outcome | None) -> None:
        """Show how far it is, and of a failed bank what happened to it."""
        if self._quiet:
            return
        self._progress, self._at = progress, time.monotonic()
        if outcome is not None:
            self._tell(outcome)
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._draw()
        elif time.monotonic() - self._spoken >= _SECONDS_BETWEEN_LINES and progress.cells < progress.total:
            self._spoken = time.monotonic()
            self.say(", ".join([*_counts(progress), *result_counts(progress)]))

    def rest(self) -> None:
        """Take the display away: what comes now, the tables, is another matter."""
        self._kinds.clear()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _tell(self, outcome: Outcome) -> None:
        cells = count(len(outcome.bank.cells), "cell")
        if outcome.result is not None:
            if self._verbose:
                self.say(f"bank {outcome.bank.id} done ({cells}) in {duration(outcome.wall_s)}, {outcome.worker}")
            return
        kind = re.sub(r"\d+", "", outcome.error)
        self._kinds[kind] += 1
        if self._verbose or self._kinds[kind] <= _ALIKE:
            self.say(f"bank {outcome.bank.id} failed ({cells}): {outcome.error}")
        elif self._kinds[kind] == _ALIKE + 1:
            self.say("more banks fail like this: see run.log")
        if self._verbose:
            self.say(outcome.traceback)

    def _draw(self) -> None:
        if self._live is None:
            from rich.live import Live

            self._live = Live(console=self._console, transient=True, get_renderable=self._picture, refresh_per_second=4)
            self._live.start()

    def _picture(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        progress = self._progress
        assert progress is not None
        passed = time.monotonic() - self._at
        share = progress.cells / max(progress.total, 1) if progress.work is None else progress.work
        words = _counts(progress, passed)
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        line.add_row(_bar(share), Text("  ".join(words)))
        results = Text("  ", overflow="ellipsis", no_wrap=True)
        for text, style in result_counts(progress).items():
            results.append(text, style).append("  ")
        note = [Text(f"  {self._note}", "bold")] if self._note else []
        return Group(line, results, *note)


def _bar(share: float) -> ProgressBar:
    from rich.progress_bar import ProgressBar

    return ProgressBar(
        total=1.0, completed=share, style="dim", complete_style="bold", finished_style="bold", pulse_style="bold"
    )


def _counts(progress: Progress, passed: float = 0.0) -> list[str]:
    """Return how far it is, `passed` seconds after that was told, and the time left by the estimates."""
    if not progress.ready():
        about = f", about {duration(progress.remaining_s)} of work" if progress.remaining_s >= 1 else ""
        return [f"starting workers: {count(progress.total, 'cell')}{about}"]
    if not progress.cells:
        return [f"first of {count(progress.total, 'cell')} in work", _left(progress, passed)]
    rate = progress.cells / max(progress.elapsed_s + passed, 1e-9)
    pace = f"{60 * rate:.1f} a minute" if rate < 0.95 else f"{rate:,.{rate < 9.5:d}f} a second"
    return [f"{progress.cells:,} of {count(progress.total, 'cell')}", pace, _left(progress, passed)]


def _left(progress: Progress, passed: float) -> str:
    seconds = progress.remaining_s - passed
    if seconds >= 1:
        return f"{'' if progress.cells else 'about '}{duration(seconds)} left"
    if progress.cells >= progress.total:
        return "done"
    late = not progress.cells or seconds < -max(1.0, _LATE * (progress.elapsed_s + passed))
    return "longer than estimated" if late else "less than 1 s left"


def result_counts(progress: Progress) -> dict[str, str]:
    """Return how many cells have which verdict, diverged or failed, ``12 healthy``, each with its style."""
    numbers = {**dict(progress.verdicts), "diverged": progress.diverged, "failed": progress.failed}
    return {
        f"{numbers[name]:,} {'not finite' if name == 'nonfinite' else name}": style
        for name, style in _STYLES.items()
        if numbers.get(name)
    }
