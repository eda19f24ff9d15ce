"""The executor that computes in this process, one bank after the other: for debugging, and for one short bank."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Iterator

from gradlab.errors import GradlabError
from gradlab.execution.base import Job, Outcome, cause_of, load_work, one_line
from gradlab.planning.banks import Bank

__all__ = ["InlineExecutor"]


class InlineExecutor:
    """An `Executor` without processes. `outcomes` computes a bank whenever it is asked for the next one."""

    workers = 1
    ready = True

    def __init__(self, work: str, device: str) -> None:
        """`work` is ``"module:function"``, see `Work`; the first of the devices that `device` stands for is used."""
        self._work = work
        self._device = device
        self._waiting: deque[tuple[Bank, str]] = deque()
        self._in_work = 0

    def submit(self, bank: Bank, checkpoint: str = "") -> None:
        """Queue a bank."""
        self._waiting.append((bank, checkpoint))

    def outcomes(self) -> Iterator[Outcome]:
        """Compute the queued banks in their order and yield each outcome."""
        while True:
            try:
                bank, checkpoint = self._waiting.popleft()
            except IndexError:  # none is left, or a signal handler has just drained them
                return
            self._in_work = 1
            try:
                outcome = self._compute(bank, checkpoint)
            finally:
                self._in_work = 0
            yield outcome

    def drain(self) -> int:
        """Drop the banks not yet begun; one is in work while `outcomes` computes it."""
        self._waiting.clear()
        return self._in_work

    def close(self) -> None:
        """Drop the banks not yet begun."""
        self._waiting.clear()

    def _compute(self, bank: Bank, checkpoint: str) -> Outcome:
        work, devices = load_work(self._work, self._device)
        begun = time.perf_counter()
        try:
            result = work(Job(bank.cells, devices[0], checkpoint))
        except GradlabError:
            raise
        except Exception as error:  # any failure belongs to this bank alone; it is reported with its traceback
            wall_s = time.perf_counter() - begun
            return Outcome(bank, None, one_line(error), traceback.format_exc(), wall_s, "inline", cause_of(error))
        return Outcome(bank, result, "", "", time.perf_counter() - begun, "inline")
