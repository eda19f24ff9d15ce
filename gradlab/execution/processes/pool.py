"""The executor over worker processes: one thread of the parent drives each of them, and outlives its deaths."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator

from gradlab.errors import GradlabError
from gradlab.execution.base import Outcome, job_of
from gradlab.execution.processes.machine import available_cpus, maybe_gpu
from gradlab.execution.processes.process import Died, Process
from gradlab.planning.banks import Bank

__all__ = ["LocalExecutor"]

_STARTS = 3
"""Times in a row that a worker may die before it has said a word."""

Ticket = tuple[Bank, str]


class _NoWorker(GradlabError):
    """A worker process does not come up. It matters when no other is there."""


class LocalExecutor:
    """An `Executor` over processes, started at once: they load what they need while the plan is still being made.

    Without a GPU there are `workers` of them (0: as many as there are CPUs), one thread each. With GPUs there are as
    many as GPUs, or `workers`, taking turns on them; how many GPUs there are is known when the first has started.

    `outcomes` raises GradlabError when no worker can be started, for then no bank could ever be done.
    """

    def __init__(self, work: str, device: str, *, workers: int = 0, timeout_s: float | None = None) -> None:
        """`work` is ``"module:function"``, see `Work`. A bank that takes longer than `timeout_s` loses its worker."""
        self._work, self._device, self._timeout_s = work, device, timeout_s
        self._asked = workers
        self._most = self._wanted = workers or available_cpus()
        self._devices: tuple[str, ...] = ()
        self._open = 0
        """Banks submitted whose outcome has not been given back."""
        self._draining = self._closing = False
        self._events: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()

        self._changed = threading.Condition()
        """Guards all of the following."""
        self._waiting: deque[Ticket] = deque()
        self._in_work: set[str] = set()
        self._threads: dict[int, threading.Thread] = {}
        self._processes: dict[int, Process] = {}
        self._drive(1 if maybe_gpu(device) else self._wanted)

    @property
    def workers(self) -> int:
        """How many there are or, as long as no GPU was found, will be."""
        return self._wanted

    def expect(self, banks: int) -> None:
        """Keep no more workers than there will be banks: the others would only take their time."""
        with self._changed:
            self._wanted = max(1, min(self._most, banks))
            for index, process in self._processes.items():
                if index >= self._wanted:
                    process.kill()
            self._changed.notify_all()

    def submit(self, bank: Bank, checkpoint: str = "") -> None:
        """Queue a bank. They are begun in this order."""
        self._open += 1
        with self._changed:
            self._waiting.append((bank, checkpoint))
            self._changed.notify_all()

    def outcomes(self) -> Iterator[Outcome]:
        """Give back the outcomes as the workers have them. Raises what a worker says is for the user."""
        while self._open and not (self._draining and self._drained()):
            try:
                event = self._events.get(timeout=1.0)  # Windows hears no Ctrl-C while it waits
            except queue.Empty:
                continue
            if isinstance(event, BaseException):
                self.close()
                raise event
            if event is not None:
                self._open -= 1
                yield event

    def drain(self) -> int:
        """Begin no other bank; return how many are in work."""
        self._draining = True
        self._events.put(None)  # no lock is taken here: a signal handler must not wait for what it has interrupted
        return len(self._in_work)

    def close(self) -> None:
        """End all workers at once."""
        with self._changed:
            self._closing = True
            self._waiting.clear()
            self._changed.notify_all()
            for process in self._processes.values():
                process.kill()
            threads = list(self._threads.values())
        self._open = 0
        for thread in threads:
            thread.join()

    def _drained(self) -> bool:
        with self._changed:
            self._open -= len(self._waiting)
            self._waiting.clear()
        return self._open == 0

    def _drive(self, number: int) -> None:
        with self._changed:
            for index in range(number):
                if index not in self._threads:
                    thread = threading.Thread(target=self._run, args=(index,), name=f"worker {index + 1}", daemon=True)
                    self._threads[index] = thread
                    thread.start()

    def _run(self, index: int) -> None:
        failure: BaseException | None = None
        try:
            self._serve(index)
        except BaseException as error:  # it would be lost in this thread, and `outcomes` wait for ever
            failure = error
        with self._changed:
            del self._threads[index]
            alone = not self._threads
        if failure is not None and (alone or not isinstance(failure, _NoWorker)):
            self._events.put(failure)

    def _serve(self, index: int) -> None:
        process = self._start(index)
        try:
            while ticket := self._take(index):
                if process is None:
                    process = self._restart(index, ticket)
                    if process is None:
                        return
                outcome, lasts = self._ask(process, index, *ticket)
                if not lasts:
                    self._stop(index, process)
                    process = None
                with self._changed:
                    self._in_work.discard(outcome.bank.id)
                self._events.put(outcome)
        finally:
            if process is not None:
                self._stop(index, process)

    def _take(self, index: int) -> Ticket | None:
        """Wait for the next bank; None when this worker has no more to do."""
        with self._changed:
            while not self._leaving(index):
                if self._waiting and not self._draining:
                    ticket = self._waiting.popleft()
                    self._in_work.add(ticket[0].id)
                    return ticket
                self._changed.wait()
        return None

    def _leaving(self, index: int) -> bool:
        return self._closing or index >= self._wanted

    def _restart(self, index: int, ticket: Ticket) -> Process | None:
        """Return another worker for a bank already taken; without one, give the bank back to the others."""
        process = None
        try:
            process = self._start(index)
        finally:
            if process is None:
                with self._changed:
                    self._in_work.discard(ticket[0].id)
                    self._waiting.appendleft(ticket)
                    self._changed.notify_all()
        return process

    def _start(self, index: int) -> Process | None:
        """Return a worker that is ready, or None when none is wanted any more. Raises GradlabError."""
        how = words = ""
        for _ in range(_STARTS):
            try:
                process = Process(self._work, self._device, self._timeout_s)
            except OSError as error:  # no room for one more process
                how = f"not even begun ({error.strerror or error})"
                continue
            with self._changed:
                self._processes[index] = process
                if self._leaving(index):
                    process.kill()
            kind = ""
            try:
                kind, *rest = process.ready()
            except Died as death:
                if self._leaving(index):
                    return None
                how, words = death.how, death.words
                continue
            finally:
                if kind != "ready":
                    self._stop(index, process)
            if kind == "ready":
                self._found(*rest)
                return process
            raise rest[0] if kind == "user" else _broken(self._work, rest[0])
        said = f"; the last it said: {words.splitlines()[-1]}" if words else ""
        raise _NoWorker(
            f"no worker process comes up: it was {how}, {_STARTS} times in a row{said}",
            "make room if memory is short, try --workers 1, or --executor inline to see what happens",
        )

    def _found(self, devices: tuple[str, ...]) -> None:
        with self._changed:
            if not self._devices:
                self._devices = devices
                if devices[0].startswith("cuda"):
                    self._most = self._asked or len(devices)
                    self._wanted = min(self._wanted, self._most) if self._asked else self._most
        self._drive(self._wanted)

    def _stop(self, index: int, process: Process) -> None:
        with self._changed:
            self._processes.pop(index, None)
        process.close()

    def _ask(self, process: Process, index: int, bank: Bank, checkpoint: str) -> tuple[Outcome, bool]:
        """Return the outcome, and whether the worker is good for more. Raises what is for the user."""
        name = f"worker {index + 1}"
        device = self._devices[index % len(self._devices)]
        try:
            kind, *rest = process.ask(job_of(bank, device, checkpoint))
        except Died as death:
            if death.timed_out:
                text = f"took longer than {self._timeout_s:g} s (--bank-timeout)"
                return Outcome(bank, None, text, death.words, self._timeout_s or 0.0, name, "timeout"), False
            if death.memory:
                text = f"out of memory: worker {death.how} for want of it"
                return Outcome(bank, None, text, death.words, 0.0, name, "memory"), False
            return Outcome(bank, None, f"worker {death.how}", death.words, 0.0, name, "death"), False
        if kind == "user":
            raise rest[0]
        if kind == "worked":
            worked, wall_s = rest
            return Outcome(bank, worked, "", "", wall_s, name), True
        text, trace, cause, wall_s = rest
        # what is left of a failure can hurt the banks after it: fragments of memory, a CUDA context that has failed
        lasts = cause != "memory" and not device.startswith("cuda")
        return Outcome(bank, None, text, trace, wall_s, name, cause), lasts


def _broken(work: str, line: str) -> GradlabError:
    return GradlabError(
        f"the workers cannot load {work}: {line}",
        "install what is missing into the environment gradlab runs in, or mend GRADLAB_WORK if you have set it",
    )
