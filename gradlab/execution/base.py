"""What `gradlab.api.run` asks of an executor, whatever is behind it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gradlab.cell import Cell, named_components
from gradlab.components import Origin
from gradlab.planning.banks import Bank
from gradlab.plugins import shipped
from gradlab.record import Record

__all__ = [
    "Cause", "Executor", "Job", "Outcome", "Work", "Worked", "cause_of", "job_of", "load_devices", "load_work",
    "one_line",
]  # fmt: skip

Cause = Literal["", "exception", "memory", "death", "timeout"]
"""Of a failure: raised by the work, no memory for it, its worker gone in the middle of it, too long."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the work function is given: the cells of one bank, in order, and where to compute them."""

    cells: tuple[Cell, ...]
    device: str
    """``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""
    checkpoint: str = ""
    """File to keep the state in while it lasts, and to go on from when it is there; empty: none."""
    every_s: float = 30.0
    """Seconds between checkpoints."""
    plugins: tuple[Origin, ...] = ()
    """What the components of the user among those of the cells are made from, for a process that lacks them."""


@dataclass(frozen=True, slots=True)
class Worked:
    """What the work function gives back: one record per cell, in the order of the cells, and with what it was made."""

    records: Sequence[Record]
    device: str
    """The device used, never ``auto``."""
    torch: str
    """Version of torch; empty when the work did without."""
    resumed_at: int = 0
    """The step of the checkpoint it went on from; 0 for none."""


def job_of(bank: Bank, device: str, checkpoint: str = "") -> Job:
    """Return the job of a bank for another process.

    Raises PluginError for a component of the user that cannot be sent there.
    """
    custom = {(key, named.name) for cell in bank.cells if cell.plugin_digest for key, named in named_components(cell)}
    return Job(bank.cells, device, checkpoint, plugins=shipped(sorted(custom)))


Work = Callable[[Job], Worked]
"""A GradlabError is for the user and ends the run, any other exception fails this bank."""


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
    cause: Cause = ""
    """What kind of failure it was; empty when `worked`."""


class Executor(Protocol):
    """Takes banks and gives back one outcome for each, in any order.

    A bank that fails is an `Outcome` with an error and stops no other bank: to try it again is up to whoever
    submitted it (`gradlab.execution.scheduling`). KeyboardInterrupt and GradlabError pass through `outcomes`; what it
    had not yet given back is not done.
    """

    @property
    def workers(self) -> int:
        """How many banks it computes at a time, as far as is known."""
        ...

    def submit(self, bank: Bank, checkpoint: str = "") -> None:
        """Queue a bank with the file for its state (see `Job`). Returns at once; also allowed between two outcomes."""

    def outcomes(self) -> Iterator[Outcome]:
        """Give back the outcomes as they come, until every bank submitted has had one or, after `drain`, none runs."""

    def drain(self) -> int:
        """Begin no other bank, and return how many are in work; their outcomes still come. Safe in a signal handler."""

    def close(self) -> None:
        """Drop what has not begun, stop what has, and free everything. May be called twice."""


def load_work(target: str) -> Work:
    """Return the function behind ``"module:function"``. Called in the worker, so that its parent imports nothing."""
    module, _, name = target.partition(":")
    work: Any = getattr(importlib.import_module(module), name)
    found: Work = work
    return found


def load_devices(target: str) -> Callable[[str], tuple[str, ...]]:
    """Return the function ``devices`` beside the work function: from ``--device`` to the devices it stands for.

    A module without one works wherever it is told to.
    """
    module = importlib.import_module(target.partition(":")[0])
    found: Callable[[str], tuple[str, ...]] = getattr(module, "devices", lambda device: (device,))
    return found


def cause_of(error: BaseException) -> Cause:
    """Return ``memory`` for an exception that says there was no memory left, Python's or torch's, else ``exception``.

    torch has its own class on a GPU and a plain RuntimeError on a CPU; neither can be named without importing it.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "memory"
    text = str(error).lower()
    short = any(words in text for words in ("can't allocate memory", "out of memory", "alloc_failed"))
    return "memory" if isinstance(error, RuntimeError) and short else "exception"


def one_line(error: BaseException) -> str:
    """Return an exception as one line: its class and the first line of its message."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0].rstrip(": ")
