"""How far a run is and how long it will take, and who is told."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gradlab import plan
from gradlab.executor.base import Outcome

__all__ = ["Clock", "Listener", "Progress"]


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


class Listener(Protocol):
    """Who is told how a run goes. Knows how to show it; `execute` does not."""

    def say(self, message: str) -> None:
        """Something a person should know, as one sentence."""

    def advance(self, progress: Progress, outcome: Outcome | None) -> None:
        """Another bank has been published or has failed; None at the start."""


class Clock:
    """Time left, from the plan's estimates and the pace seen so far."""

    def __init__(self, banks: Sequence[plan.Bank]) -> None:
        self._expected = {bank.id: plan.estimate(bank).seconds for bank in banks}
        self._total_s = sum(self._expected.values())
        self._cells = sum(len(bank.cells) for bank in banks)
        self._passed_s, self._passed = 0.0, 0
        self._begun = time.perf_counter()

    def passed(self, bank: plan.Bank) -> None:
        self._passed_s += self._expected[bank.id]
        self._passed += len(bank.cells)

    def progress(self) -> Progress:
        elapsed = time.perf_counter() - self._begun
        pace = elapsed / self._passed_s if self._passed_s else 1.0
        return Progress(self._passed, self._cells, elapsed, pace * (self._total_s - self._passed_s))
