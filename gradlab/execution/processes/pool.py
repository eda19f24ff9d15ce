"""The executor over worker processes: one loop assigns banks, receives answers and restarts workers that died."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait

from gradlab.errors import GradlabError
from gradlab.execution.base import Outcome, job_of
from gradlab.execution.devices import uses_gpu
from gradlab.execution.processes.machine import available_cpus
from gradlab.execution.processes.starting import starter
from gradlab.execution.processes.worker import Died, Worker
from gradlab.planning.banks import Bank

__all__ = ["LocalExecutor"]

_STARTS = 3
"""Consecutive starts of a worker that may fail before it is given up."""
_WAKE_S = 0.5
"""The longest wait of the loop: a signal handler may have drained the pool, and Windows defers Ctrl-C meanwhile."""


@dataclass(eq=False)
class _Slot:
    """A slot of the pool: its current worker process, if any, and the bank in work there."""

    index: int
    worker: Worker | None = None
    ready: bool = False
    bank: Bank | None = None
    failed_starts: int = 0

    @property
    def name(self) -> str:
        return f"worker {self.index + 1}"


class LocalExecutor:
    """An `Executor` over processes, started at once: they import torch while the plan is still being made.

    Without a GPU there are `workers` of them (0: as many as there are CPUs), one thread each. With GPUs there are as
    many as GPUs, or `workers`, taking turns on them; how many GPUs there are is known when the first is ready.

    `outcomes` raises GradlabError when no worker can be started, for then no bank could ever be done.
    """

    def __init__(self, work: str, device: str, *, workers: int = 0, timeout_s: float | None = None) -> None:
        """`work` is ``"module:function"``, see `Work`. A bank that takes longer than `timeout_s` loses its worker."""
        self._device, self._timeout_s = device, timeout_s
        self._starter = starter(work)
        self._asked = workers
        self._most = self._wanted = workers or available_cpus()
        self._devices: tuple[str, ...] = ()
        self._waiting: deque[tuple[Bank, str]] = deque()
        self._draining = False
        self._slots: list[_Slot] = []
        self._grown = 0
        """Slots made so far; those whose workers cannot be started have been removed."""
        self._grow(1 if uses_gpu(device) else self._wanted)

    @property
    def workers(self) -> int:
        """Number of workers; before the first is ready, the expected number."""
        return self._wanted

    @property
    def ready(self) -> bool:
        """Whether some worker has been ready: it tells the devices."""
        return bool(self._devices)

    def expect(self, banks: int) -> None:
        """Keep no more workers than there will be banks."""
        self._wanted = max(1, min(self._most, banks))
        self._shrink()

    def submit(self, bank: Bank, checkpoint: str = "") -> None:
        """Queue a bank. Banks are begun in this order."""
        self._waiting.append((bank, checkpoint))

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcomes as they come. Raises the GradlabError of a worker."""
        try:
            while (self._waiting and not self._draining) or any(slot.bank for slot in self._slots):
                self._assign()
                answers = [self._receive(slot) for slot in self._wait() if slot.worker is not None]
                self._assign()  # before the outcomes are published: the workers need not wait for that
                for answer in answers:
                    if isinstance(answer, GradlabError):
                        raise answer
                    if answer is not None:
                        yield answer
        except GradlabError:
            self.close()
            raise

    def drain(self) -> int:
        """Begin no other bank; return how many are in work."""
        self._draining = True
        return sum(slot.bank is not None for slot in self._slots)

    def close(self) -> None:
        """End all workers at once."""
        self._waiting.clear()
        for slot in list(self._slots):
            self._remove(slot)
        self._starter.close()

    def _grow(self, number: int) -> None:
        while self._grown < number:
            self._slots.append(_Slot(self._grown))
            self._grown += 1
            self._start(self._slots[-1])

    def _shrink(self) -> None:
        for slot in [slot for slot in self._slots if slot.index >= self._wanted and slot.bank is None]:
            self._remove(slot)

    def _start(self, slot: _Slot) -> None:
        try:
            slot.worker = Worker(self._starter, self._device, self._timeout_s)
        except OSError as error:  # no room for one more process
            self._start_failed(slot, f"not even begun ({error.strerror or error})", "")

    def _start_failed(self, slot: _Slot, ending: str, output: str) -> None:
        """Count a failed start; remove the slot after the last. Raises GradlabError when no slot is left."""
        slot.failed_starts += 1
        if slot.failed_starts < _STARTS:
            return
        self._slots.remove(slot)
        if not self._slots:
            last_line = f"; the last it said: {output.splitlines()[-1]}" if output else ""
            raise GradlabError(
                f"no worker process comes up: it was {ending}, {_STARTS} times in a row{last_line}",
                "make room if memory is short, try --workers 1, or --executor inline to see what happens",
            )

    def _stop(self, slot: _Slot) -> None:
        worker, slot.worker, slot.ready = slot.worker, None, False
        if worker is not None:
            worker.close()

    def _remove(self, slot: _Slot) -> None:
        self._slots.remove(slot)
        self._stop(slot)

    def _assign(self) -> None:
        """Assign waiting banks to idle workers; start a worker in as many empty slots as there are banks left."""
        if self._draining:
            return
        for slot in self._slots:
            if self._waiting and slot.worker is not None and slot.ready and slot.bank is None:
                slot.bank, checkpoint = self._waiting.popleft()
                slot.worker.send(job_of(slot.bank, self._device_of(slot), checkpoint))
        starting = sum(slot.worker is not None and not slot.ready for slot in self._slots)
        empty = [slot for slot in self._slots if slot.worker is None]
        for slot in empty[: max(0, len(self._waiting) - starting)]:
            self._start(slot)

    def _wait(self) -> list[_Slot]:
        """Return the slots whose worker has answered or died, after at most `_WAKE_S`. Kills those past their time."""
        working = [(slot, slot.worker) for slot in self._slots if slot.worker is not None]
        if not working:
            return []
        left_s = min(worker.deadline for _, worker in working) - time.monotonic()
        readable = wait([worker.connection for _, worker in working], max(0.0, min(_WAKE_S, left_s)))
        for _, worker in working:
            if worker.connection not in readable and worker.deadline <= time.monotonic():
                worker.time_out()
        return [slot for slot, worker in working if worker.connection in readable]

    def _receive(self, slot: _Slot) -> Outcome | GradlabError | None:
        """Return the outcome of the bank in work, an error for the user, or None if only the worker's state changed."""
        worker = slot.worker
        assert worker is not None
        try:
            kind, *payload = worker.receive()
        except Died as death:
            return self._died(slot, death)
        if kind == "ready":
            slot.ready, slot.failed_starts = True, 0
            self._set_devices(*payload)
            return None
        if kind == "error":
            error: GradlabError = payload[0]
            return error
        bank, slot.bank = slot.bank, None
        assert bank is not None
        if kind == "result":
            result, wall_s = payload
            return Outcome(bank, result, "", "", wall_s, slot.name)
        text, trace, cause, wall_s = payload
        if cause == "memory" or self._device_of(slot).startswith("cuda"):
            self._stop(slot)  # fragments of memory or a CUDA context that has failed would hurt the next bank
        return Outcome(bank, None, text, trace, wall_s, slot.name, cause)

    def _died(self, slot: _Slot, death: Died) -> Outcome | None:
        """Return the outcome of the bank that was in work when the worker died, if any."""
        ready, bank = slot.ready, slot.bank
        slot.bank = None
        self._stop(slot)
        if bank is None:
            if not ready:
                self._start_failed(slot, death.ending, death.output)
            return None
        if death.timed_out:
            text = f"took longer than {self._timeout_s:g} s (--bank-timeout)"
            return Outcome(bank, None, text, death.output, self._timeout_s or 0.0, slot.name, "timeout")
        if death.memory:
            text = f"out of memory: worker {death.ending} for want of it"
            return Outcome(bank, None, text, death.output, 0.0, slot.name, "memory")
        return Outcome(bank, None, f"worker {death.ending}", death.output, 0.0, slot.name, "death")

    def _set_devices(self, devices: tuple[str, ...]) -> None:
        """Set the devices, as the first worker resolves them, and the number of workers for them."""
        if self._devices:
            return
        self._devices = devices
        if devices[0].startswith("cuda"):
            self._most = self._asked or len(devices)
            self._wanted = min(self._wanted, self._most) if self._asked else self._most
        self._grow(self._wanted)
        self._shrink()  # GPUs that were not expected, fewer than CPUs

    def _device_of(self, slot: _Slot) -> str:
        return self._devices[slot.index % len(self._devices)]
