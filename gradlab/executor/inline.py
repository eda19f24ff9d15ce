"""The executor that computes in this very process, one bank after the other."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Iterator

from gradlab.errors import GradlabError
from gradlab.executor.base import Outcome, load_work
from gradlab.plan import Bank

__all__ = ["InlineExecutor"]


class InlineExecutor:
    """An `Executor` without processes. `outcomes` computes a bank whenever it is asked for the next one."""

    def __init__(self, work: str, device: str) -> None:
        """`work` is ``"module:function"``, see `Work`; `device` is handed to it as it is."""
        self._work = work
        self._device = device
        self._waiting: deque[Bank] = deque()

    def submit(self, bank: Bank) -> None:
        """Queue a bank."""
        self._waiting.append(bank)

    def outcomes(self) -> Iterator[Outcome]:
        """Compute the queued banks in their order and give back each outcome."""
        while self._waiting:
            yield self._compute(self._waiting.popleft())

    def close(self) -> None:
        """Drop the banks not yet begun."""
        self._waiting.clear()

    def _compute(self, bank: Bank) -> Outcome:
        begun = time.perf_counter()
        try:
            worked = load_work(self._work)(bank.cells, self._device)
        except GradlabError:
            raise
        except Exception as error:  # any failure belongs to this bank alone; it is reported with its traceback
            line = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            return Outcome(bank, None, line, traceback.format_exc(), time.perf_counter() - begun, "inline")
        return Outcome(bank, worked, "", "", time.perf_counter() - begun, "inline")
