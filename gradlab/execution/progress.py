"""How far a run is, how it goes and how long it will take, and who is told."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Protocol

import numpy as np

from gradlab.cell import Cell
from gradlab.execution.base import Outcome
from gradlab.planning import banks as plan
from gradlab.record import Record

__all__ = ["Clock", "Listener", "Progress", "verdicts_of"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come."""

    cells: int
    """Computed or failed in this session."""
    total: int
    """To be computed in this session."""
    elapsed_s: float
    remaining_s: float
    """From the estimates, scaled by how they have held so far."""
    failed: int = 0
    diverged: int = 0
    verdicts: tuple[tuple[str, int], ...] = ()
    """How many cells have got each verdict before training, most common first."""


class Listener(Protocol):
    """Who is told how a run goes. Knows how to show it; `execute` does not."""

    def say(self, message: str) -> None:
        """Something a person should know, as one sentence."""

    def advance(self, progress: Progress, outcome: Outcome | None) -> None:
        """Another bank has been published or has failed for good; None at the start."""

    def rest(self) -> None:
        """No bank is in work any more; what follows are the tables."""


def verdicts_of(cells: Sequence[Cell], records: Sequence[Record]) -> list[str]:
    """Return the verdict on the gradient of each record at step 0."""
    from gradlab.definitions import verdicts

    log_g = np.stack([record.log_grad_norm[0] for record in records])
    with np.errstate(invalid="ignore"):
        log_survival = log_g[:, 0] - np.where(np.isneginf(log_g[:, -1]), np.nan, log_g[:, -1])
    bounds = np.array([(log(cell.vanish), log(cell.explode)) for cell in cells])
    dead = np.asarray(np.isneginf(log_g).any(axis=1))
    nonfinite = np.asarray((np.isnan(log_g) | np.isposinf(log_g)).any(axis=1))
    found: list[str] = verdicts(log_survival, bounds[:, 0], bounds[:, 1], dead=dead, nonfinite=nonfinite).tolist()
    return found


class Clock:
    """Counts what is done, and tells the time left from the plan's estimates and how they have held so far."""

    def __init__(self, banks: Sequence[plan.Bank], workers: int) -> None:
        self._left_s = sum(plan.estimate(bank).seconds for bank in banks)
        self._total = sum(len(bank.cells) for bank in banks)
        self._workers = workers
        self._measured_s = self._estimated_s = 0.0
        self._cells = self._failed = self._diverged = 0
        self._verdicts: Counter[str] = Counter()
        self._begun = time.perf_counter()

    def passed(self, outcome: Outcome) -> None:
        """Count a bank that has been published or has failed for good."""
        bank, seconds = outcome.bank, plan.estimate(outcome.bank).seconds
        self._left_s -= seconds
        self._cells += len(bank.cells)
        if outcome.worked is None:
            self._failed += len(bank.cells)
            return
        self._measured_s += outcome.wall_s
        self._estimated_s += seconds
        records = outcome.worked.records
        self._diverged += sum(record.status == "diverged" for record in records)
        self._verdicts.update(verdicts_of(bank.cells, records))

    def halved(self, bank: plan.Bank, halves: Sequence[plan.Bank]) -> None:
        """Expect the halves in place of a bank."""
        self._left_s += sum(plan.estimate(half).seconds for half in halves) - plan.estimate(bank).seconds

    def progress(self) -> Progress:
        """Return where the run is now."""
        pace = self._measured_s / self._estimated_s if self._estimated_s else 1.0
        left_s = pace * max(0.0, self._left_s) / self._workers
        elapsed_s = time.perf_counter() - self._begun
        verdicts = tuple(self._verdicts.most_common())
        return Progress(self._cells, self._total, elapsed_s, left_s, self._failed, self._diverged, verdicts)
