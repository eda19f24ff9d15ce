"""What `gradlab.run` asks of an executor, whatever is behind it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gradlab.cell import Cell
from gradlab.plan import Bank
from gradlab.record import Record

__all__ = ["Executor", "Outcome", "Work", "Worked", "load_work"]


@dataclass(frozen=True, slots=True)
class Worked:
    """What the work function gives back: one record per cell, in the order of the cells, and with what it was made."""

    records: Sequence[Record]
    device: str
    """The device used, never ``auto``."""
    torch: str
    """Version of torch; empty when the work did without."""


Work = Callable[[tuple[Cell, ...], str], Worked]
"""``work(cells, device)``. A GradlabError is for the user and ends the run, any other exception fails this bank."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one bank: either `worked`, or `error` and `traceback`."""

    bank: Bank
    worked: Worked | None
    error: str
    """Empty, or the exception as one line: its class and its message."""
    traceback: str
    wall_s: float
    worker: str
    """Name of whoever did it, for the log."""


class Executor(Protocol):
    """Takes banks and gives back one outcome for each, in any order.

    A bank that fails is an `Outcome` with an error and stops no other bank. KeyboardInterrupt and GradlabError pass
    through `outcomes`; what it had not yet given back is not done.
    """

    def submit(self, bank: Bank) -> None:
        """Queue a bank. Returns at once."""

    def outcomes(self) -> Iterator[Outcome]:
        """Give back the outcomes as they come, until every bank submitted has had one."""

    def close(self) -> None:
        """Drop what has not begun, stop what has, and free everything. May be called twice."""


def load_work(target: str) -> Work:
    """Return the function behind ``"module:function"``. Called in the worker, so that its parent imports nothing."""
    module, _, name = target.partition(":")
    work: Any = getattr(importlib.import_module(module), name)
    found: Work = work
    return found
