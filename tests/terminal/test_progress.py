"""The display of a run, off a terminal: one plain line now and then, and what becomes of banks."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gradlab.cell import Cell
from gradlab.execution.base import Outcome
from gradlab.execution.progress import Progress, ProgressTracker
from gradlab.planning.banks import bank_of, estimate
from gradlab.terminal import progress as displayed
from gradlab.terminal.progress import ProgressDisplay


def outcome(error: str) -> Outcome:
    return Outcome(bank_of([Cell(lr=0.1)]), None, error, "the traceback", 1.5, "worker 0")


def display(**options: bool) -> tuple[ProgressDisplay, io.StringIO]:
    text = io.StringIO()
    return ProgressDisplay(Console(file=text, width=300), **options), text


def test_a_line_says_how_far_it_is_and_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, text = display()
    state = Progress(30, 120, 10.0, 90.0, failed=2, diverged=1, verdicts=(("vanishing", 7), ("healthy", 20)))
    shown.advance(state, None)
    assert text.getvalue() == ""  # ten seconds have not passed
    monkeypatch.setattr(displayed, "_SECONDS_BETWEEN_LINES", 0.0)
    shown.advance(state, None)
    assert text.getvalue() == (
        "30 of 120 cells, 3.0 a second, 1 min 30 s left, 20 healthy, 7 vanishing, 1 diverged, 2 failed\n"
    )


def test_failures_for_one_reason_are_told_five_times_in_each_run() -> None:
    shown, text = display()
    for bank in range(8):
        shown.advance(Progress(bank, 20, 1.0, 1.0), outcome(f"RuntimeError: cell {bank}"))
    lines = text.getvalue().splitlines()
    assert len(lines) == 6
    assert lines[0].endswith("failed (1 cell): RuntimeError: cell 0")
    assert lines[-1] == "more banks fail like this: see run.log"
    shown.rest()
    shown.advance(Progress(8, 20, 1.0, 1.0), outcome("RuntimeError: cell 8"))
    assert len(text.getvalue().splitlines()) == 7


SECOND = [
    (Progress(0, 40, 0.0, 8.0, work=0.0, ready=lambda: False), 0.5, "starting workers: 40 cells, about 8.0 s of work"),
    (Progress(0, 40, 0.0, 8.0, work=0.0), 0.5, "first of 40 cells in work, about 7.5 s left"),
    (Progress(0, 40, 0.0, 8.0, work=0.0), 8.5, "first of 40 cells in work, longer than estimated"),
    (Progress(20, 40, 10.0, 8.0, work=0.6), 7.5, "20 of 40 cells, 1.1 a second, less than 1 s left"),
    (Progress(20, 40, 10.0, 8.0, work=0.6), 20.0, "20 of 40 cells, 40.0 a minute, longer than estimated"),
    (Progress(40, 40, 10.0, 0.0, work=1.0), 0.0, "40 of 40 cells, 4.0 a second, done"),
]


@pytest.mark.parametrize(("state", "passed", "words"), SECOND)
def test_the_time_left_is_an_estimate_and_one_that_is_exceeded_says_so(
    state: Progress, passed: float, words: str
) -> None:
    assert ", ".join(displayed._counts(state, passed)) == words


def test_the_bar_is_the_share_of_the_work_not_of_the_cells() -> None:
    """Two banks, one of which takes hundreds of times as long as the other."""
    small, large = bank_of([Cell(lr=0.1, depth=2, steps=1)]), bank_of([Cell(lr=0.1, depth=64, width=512, steps=300)])
    tracker = ProgressTracker([small, large], 1)
    assert tracker.progress().work == 0
    tracker.count(Outcome(small, None, "RuntimeError: no", "", 0.1, "worker 0"))
    share = estimate(small).seconds / (estimate(small).seconds + estimate(large).seconds)
    assert tracker.progress().work == pytest.approx(share)
    assert tracker.progress().cells == 1


def test_quiet_says_nothing_and_verbose_everything() -> None:
    shown, text = display(quiet=True)
    shown.say("hello")
    shown.advance(Progress(1, 2, 1.0, 1.0), outcome("RuntimeError: no"))
    assert text.getvalue() == ""
    shown, text = display(verbose=True)
    shown.advance(Progress(1, 2, 1.0, 1.0), outcome("RuntimeError: no"))
    assert "the traceback" in text.getvalue()
