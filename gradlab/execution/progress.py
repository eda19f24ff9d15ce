"""The progress of a run: cells done, verdicts so far, the time left; and the protocol of those who show it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from typing import Protocol

import numpy as np

from gradlab.cell import Cell
from gradlab.definitions import verdicts
from gradlab.execution.base import Outcome
from gradlab.planning.banks import Bank, estimate
from gradlab.record import Record

__all__ = ["Listener", "Progress", "ProgressTracker", "initial_verdicts"]


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run at one moment."""

    cells: int
    """Computed or failed in this session."""
    total: int
    """To be computed in this session."""
    elapsed_s: float
    remaining_s: float
    """From the estimates of the plan, scaled by the ratio of measured to estimated time so far."""
    failed: int = 0
    diverged: int = 0
    verdicts: tuple[tuple[str, int], ...] = ()
    """Cells with each verdict before training, most common first."""
    work: float | None = None
    """Share of the work that is done, by the estimates of the plan; None: by cells."""
    ready: Callable[[], bool] = _always
    """Whether a worker takes banks by now: before that none can be done."""


class Listener(Protocol):
    """Protocol for progress listeners, which show what a run reports."""

    def say(self, message: str) -> None:
        """A message for a person, one sentence."""

    def advance(self, progress: Progress, outcome: Outcome | None) -> None:
        """A bank was published or has failed for good (`outcome`); None at the start."""

    def rest(self) -> None:
        """The last bank has ended; the tables follow."""


def initial_verdicts(cells: Sequence[Cell], records: Sequence[Record]) -> list[str]:
    """Return the verdict on the gradient profile of each record at step 0."""
    log_g = np.stack([record.log_grad_norm[0] for record in records])
    with np.errstate(invalid="ignore"):
        log_survival = log_g[:, 0] - np.where(np.isneginf(log_g[:, -1]), np.nan, log_g[:, -1])
    bounds = np.array([(log(cell.vanish), log(cell.explode)) for cell in cells])
    dead = np.asarray(np.isneginf(log_g).any(axis=1))
    nonfinite = np.asarray((np.isnan(log_g) | np.isposinf(log_g)).any(axis=1))
    names: list[str] = verdicts(log_survival, bounds[:, 0], bounds[:, 1], dead=dead, nonfinite=nonfinite).tolist()
    return names


class ProgressTracker:
    """Counts what is done, and estimates the time left."""

    def __init__(self, banks: Sequence[Bank], workers: int, ready: Callable[[], bool] = _always) -> None:
        self._left_s = self._whole_s = sum(estimate(bank).seconds for bank in banks)
        self._ready = ready
        self._total = sum(len(bank.cells) for bank in banks)
        self._workers = workers
        self._measured_s = self._estimated_s = 0.0
        self._cells = self._failed = self._diverged = 0
        self._verdicts: Counter[str] = Counter()
        self._begun = time.perf_counter()

    def count(self, outcome: Outcome) -> None:
        """Count a bank that was published or has failed for good."""
        bank, seconds = outcome.bank, estimate(outcome.bank).seconds
        self._left_s -= seconds
        self._cells += len(bank.cells)
        if outcome.result is None:
            self._failed += len(bank.cells)
            return
        self._measured_s += outcome.wall_s
        self._estimated_s += seconds
        records = outcome.result.records
        self._diverged += sum(record.status == "diverged" for record in records)
        self._verdicts.update(initial_verdicts(bank.cells, records))

    def halve(self, bank: Bank, halves: Sequence[Bank]) -> None:
        """Expect the halves in place of a bank."""
        more_s = sum(estimate(half).seconds for half in halves) - estimate(bank).seconds
        self._left_s += more_s
        self._whole_s += more_s

    def progress(self) -> Progress:
        """Return the progress now."""
        pace = self._measured_s / self._estimated_s if self._estimated_s else 1.0
        left_s = pace * max(0.0, self._left_s) / self._workers
        elapsed_s = time.perf_counter() - self._begun
        common = tuple(self._verdicts.most_common())
        work = 1 - max(0.0, self._left_s) / self._whole_s if self._whole_s > 0 else None
        return Progress(
            self._cells, self._total, elapsed_s, left_s, self._failed, self._diverged, common, work, self._ready
        )
