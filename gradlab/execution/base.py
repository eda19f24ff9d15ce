"""The interface between a run and its executors: jobs, outcomes, and how the work function is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gradlab.cell import Cell, named_components
from gradlab.components import Origin
from gradlab.errors import GradlabError, shorten
from gradlab.planning.banks import Bank
from gradlab.plugins import shipped
from gradlab.record import Record

__all__ = [
    "BankResult", "Cause", "Executor", "Job", "Outcome", "Work", "cause_of", "job_of", "load_work", "one_line",
]  # fmt: skip

_LONGEST_ERROR = 1000

Cause = Literal["", "exception", "surroundings", "memory", "death", "timeout", "start"]
"""Of a failure: an exception of the work, one that is about files or packages around it, no memory for it, the death of
its worker process, its timeout, no start."""


@dataclass(frozen=True, slots=True)
class Job:
    """The argument of the work function: the cells of one bank, in order, and the device to train them on."""

    cells: tuple[Cell, ...]
    device: str
    """``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""
    checkpoint: str = ""
    """File for the state of training, which is resumed from where it exists; empty: none."""
    every_s: float = 30.0
    """Seconds between checkpoints."""
    plugins: tuple[Origin, ...] = ()
    """What the components of the user among those of the cells are made from, for a process that lacks them."""


@dataclass(frozen=True, slots=True)
class BankResult:
    """The result of the work function: one record per cell, in the order of the cells, and how they were computed."""

    records: Sequence[Record]
    device: str
    """The device used, never ``auto``."""
    torch: str
    """Version of torch; empty for work that does not use it."""
    resumed_at: int = 0
    """The step of the checkpoint that training was resumed from; 0 for none."""


def job_of(bank: Bank, device: str, checkpoint: str = "") -> Job:
    """Return the job of a bank for another process.

    Raises PluginError for a component of the user that cannot be sent there.
    """
    custom = {(key, named.name) for cell in bank.cells if cell.plugin_digest for key, named in named_components(cell)}
    return Job(bank.cells, device, checkpoint, plugins=shipped(sorted(custom)))


Work = Callable[[Job], BankResult]
"""A GradlabError that it raises is for the user and ends the run, any other exception fails this bank."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one bank: its `result`, or the `error` and `traceback` that it failed with."""

    bank: Bank
    result: BankResult | None
    error: str
    """Empty, or the exception as one line: its class and its message."""
    traceback: str
    wall_s: float
    worker: str
    """Name of the worker, for the log."""
    cause: Cause = ""
    """The kind of failure; empty with a `result`."""


class Executor(Protocol):
    """Takes banks and gives back one outcome for each, in any order.

    A bank that fails is an `Outcome` with an error and stops no other bank; `gradlab.execution.scheduling` decides
    whether it is submitted again. KeyboardInterrupt and GradlabError pass through `outcomes`; a bank whose outcome it
    has not yielded by then is not done.
    """

    @property
    def workers(self) -> int:
        """How many banks it computes at the same time, as far as is known."""
        ...

    @property
    def ready(self) -> bool:
        """Whether some worker takes banks by now. Safe in another thread."""
        ...

    def submit(self, bank: Bank, checkpoint: str = "") -> None:
        """Queue a bank with the file for its checkpoint (see `Job`). Returns at once; allowed between outcomes too."""

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcomes as they come, until every bank submitted has had one or, after `drain`, none runs."""

    def drain(self) -> int:
        """Begin no other bank, and return how many are in work; their outcomes still come. Safe in a signal handler."""

    def close(self) -> None:
        """Drop the banks not yet begun, stop those in work, and free all resources. May be called twice."""


def load_work(target: str, device: str) -> tuple[Work, tuple[str, ...]]:
    """Return the function behind ``"module:function"``, and the devices that ``--device`` stands for there.

    A function ``devices`` in the same module tells them; without one the work takes any device by its name. Called in
    the worker, so that its parent imports nothing.

    Raises GradlabError when that fails, for then no bank can be computed, and whatever ``devices`` has for the user.
    """
    module, _, name = target.partition(":")
    try:
        loaded = importlib.import_module(module)
        work: Work = getattr(loaded, name)
        devices: tuple[str, ...] = loaded.devices(device) if hasattr(loaded, "devices") else (device,)
    except GradlabError:
        raise
    except (Exception, SystemExit) as error:
        raise GradlabError(
            f"the workers cannot load {target}: {one_line(error)}",
            "install what is missing into the environment gradlab runs in, or correct GRADLAB_WORK if you have set it",
        ) from error
    return work, devices


def cause_of(error: BaseException) -> Cause:
    """Return ``memory`` for an exception that says there was no memory left, Python's or torch's, ``surroundings`` for
    one of files or packages, else ``exception``.

    torch has its own class on a GPU and a plain RuntimeError on a CPU; neither can be named without importing it.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "memory"
    text = str(error).lower()
    short = any(words in text for words in ("can't allocate memory", "out of memory", "alloc_failed"))
    if isinstance(error, RuntimeError) and short:
        return "memory"
    return "surroundings" if isinstance(error, OSError | ImportError) else "exception"


def one_line(error: BaseException) -> str:
    """Return an exception as one line: its class and the first line of its message, or its first thousand letters."""
    try:
        message = str(error)
    except Exception:  # a class of the user, which may do anything
        message = "its message cannot be read"
    lines = f"{type(error).__name__}: {message}".strip().splitlines()
    return shorten(lines[0].rstrip(": "), _LONGEST_ERROR)
