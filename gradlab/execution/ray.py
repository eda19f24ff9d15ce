"""The executor that hands banks to a Ray cluster, there already or started here: ``pip install '.[ray]'``.

Nothing is written where a bank is computed: the records are returned to the driver, which publishes them. Ray itself
retries nothing. A bank whose node was lost is submitted again here; one that ended its worker is a failure, about which
the scheduler decides, as with any other executor.
"""

from __future__ import annotations

import faulthandler
import os
import socket
import time
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from gradlab.errors import GradlabError, UsageError
from gradlab.execution.base import BankResult, Cause, Job, Outcome, cause_of, job_of, load_work, one_line
from gradlab.execution.cluster import connect, load_ray, placement
from gradlab.planning.banks import Bank

__all__ = ["RayExecutor"]

_REFRESH_S = 5.0
"""Seconds after which the size of the cluster is asked for again."""


@dataclass(frozen=True, slots=True)
class _Returned:
    """The return value of a task: the result, or the exception."""

    result: BankResult | None
    error: BaseException | None
    traceback: str
    wall_s: float
    worker: str


@dataclass(slots=True)
class _Running:
    """A bank that was submitted to the cluster."""

    bank: Bank
    lost: int
    """How often its node was lost."""
    begun: float | None = None
    """By `time.monotonic`; None while it waits for room or for a worker to start."""


def _compute(target: str, job: Job, timeout_s: float | None) -> Iterator[_Returned | None]:
    """Yield None when it begins, which the time of a bank is counted from, and then what came of it."""
    yield None
    yield _computed(target, job, timeout_s)


def _computed(target: str, job: Job, timeout_s: float | None) -> _Returned:
    begun = time.perf_counter()
    name = f"{socket.gethostname()}, process {os.getpid()}"
    try:
        work, _ = load_work(target, job.device)
        if timeout_s is not None:  # ends the process, whatever it hangs in: the driver sees a lost worker
            faulthandler.dump_traceback_later(timeout_s, exit=True, file=2)
        try:
            result = work(job)
        finally:
            faulthandler.cancel_dump_traceback_later()
    except Exception as error:  # any failure belongs to this bank alone
        text = traceback.format_exc()
        plain = error if isinstance(error, GradlabError) else _Failed(one_line(error), cause_of(error))
        return _Returned(None, plain, text, time.perf_counter() - begun, name)
    return _Returned(result, None, "", time.perf_counter() - begun, name)


class _Failed(Exception):
    """Stands for an exception whose class the driver may not have, or may not import: torch's, for one."""

    def __init__(self, line: str, cause: Cause) -> None:
        super().__init__(line, cause)
        self.line, self.cause = line, cause


class RayExecutor:
    """An `Executor` on Ray: one CPU, or one GPU, for each bank."""

    def __init__(
        self,
        work: str,
        device: str,
        address: str | None = None,
        *,
        workers: int = 0,
        timeout_s: float | None = None,
        max_retries: int = 3,
    ) -> None:
        """Connect to the cluster at `address` or else ``RAY_ADDRESS`` (``auto``, ``host:6379``); or start one here.

        `work` is ``"module:function"``, see `Work`; the cluster must be able to import it. `device` is ``auto`` (GPUs
        where the cluster has some), ``cpu`` or ``cuda``; which GPU is up to Ray. `workers` is how many banks may be
        computed at once, 0 for as many as there is room for. One that takes longer than `timeout_s` has failed. A bank
        is begun at most 1 + `max_retries` times for nodes that are lost.

        Raises UsageError when Ray is not installed, the address does not answer, or the cluster has no such device.
        """
        self._work, self._most, self._timeout_s, self._max_retries = work, workers, timeout_s, max_retries
        self._waiting: deque[tuple[Bank, int]] = deque()
        self._running: dict[Any, _Running] = {}
        self._refreshed, self._slots = 0.0, 0
        self._ray = load_ray()
        self._ours = not self._ray.is_initialized()
        if self._ours:
            connect(self._ray, address or os.environ.get("RAY_ADDRESS"), workers)
        try:
            self._resource, self._device = placement(self._ray, device)
        except UsageError:
            self.close()
            raise
        self._task = self._ray.remote(_compute).options(
            num_cpus=1,
            num_gpus=1 if self._resource == "GPU" else 0,
            max_retries=0,
            retry_exceptions=False,
            num_returns="streaming",
        )

    @property
    def workers(self) -> int:
        """How many banks the cluster computes at once."""
        if time.monotonic() - self._refreshed > _REFRESH_S or not self._slots:
            self._slots = max(1, int(self._ray.cluster_resources().get(self._resource, 0)))
            self._refreshed = time.monotonic()
        return min(self._slots, self._most) if self._most else self._slots

    @property
    def ready(self) -> bool:
        """True: there is a cluster from the beginning."""
        return True

    def submit(self, bank: Bank, checkpoint: str = "") -> None:
        """Queue a bank. `checkpoint` is not used: the nodes of a cluster need not share a disk."""
        self._waiting.append((bank, 0))

    def outcomes(self) -> Iterator[Outcome]:
        """Yield the outcomes as the cluster returns them."""
        while self._waiting or self._running:
            # one more than there is room for, as a reserve, unless that was asked not to be
            while self._waiting and len(self._running) < self.workers + (not self._most):
                try:
                    bank, lost = self._waiting.popleft()
                except IndexError:  # a signal handler has just drained them
                    break
                job = job_of(bank, self._device)
                stream = self._task.remote(self._work, job, self._timeout_s)
                self._running[stream] = _Running(bank, lost)
            if not self._running:
                return
            streams, _ = self._ray.wait(list(self._running), num_returns=1, timeout=_REFRESH_S)
            for stream in streams:
                outcome = self._fetched(stream, self._running.pop(stream))
                if outcome is not None:
                    yield outcome

    def drain(self) -> int:
        """Drop the banks not yet submitted to the cluster; return how many it has."""
        self._waiting.clear()
        return len(self._running)

    def close(self) -> None:
        """Cancel the running tasks and disconnect; a cluster started here ends."""
        self._waiting.clear()
        if not self._ray.is_initialized():
            return
        for stream in self._running:
            with suppress(Exception):  # the cluster may be gone
                self._ray.cancel(stream, force=True)
        self._running.clear()
        if self._ours:
            self._ray.shutdown()

    def _fetched(self, stream: Any, task: _Running) -> Outcome | None:
        """Return the outcome of a task that has ended; None when it has only begun, and runs on, or when its node was
        lost and its bank is queued again."""
        errors, bank, lost = self._ray.exceptions, task.bank, task.lost
        try:
            returned: _Returned | None = self._ray.get(next(stream))
        except errors.OutOfMemoryError as error:
            return Outcome(bank, None, "out of memory on its node", str(error), 0.0, "ray", "memory")
        except (errors.NodeDiedError, errors.ObjectLostError, errors.LocalRayletDiedError) as error:
            if lost < self._max_retries:
                self._waiting.appendleft((bank, lost + 1))
                return None
            line = f"its node was lost {lost + 1} times ({type(error).__name__})"
            return Outcome(bank, None, line, str(error), 0.0, "ray", "death")
        except errors.WorkerCrashedError as error:
            took = 0.0 if task.begun is None else time.monotonic() - task.begun
            if self._timeout_s is not None and took >= self._timeout_s:
                line = f"took longer than {self._timeout_s:g} s (--bank-timeout)"
                return Outcome(bank, None, line, "", took, "ray", "timeout")
            return Outcome(bank, None, "its worker process ended in the middle of it", str(error), 0.0, "ray", "death")
        except errors.RayError as error:  # the task could not even begin: gradlab is not installed on that node, say
            return Outcome(bank, None, one_line(error), str(error), 0.0, "ray", "start")
        if returned is None:
            task.begun = time.monotonic()
            self._running[stream] = task
            return None
        if isinstance(returned.error, GradlabError):
            raise returned.error
        if isinstance(returned.error, _Failed):
            failed = returned.error
            return Outcome(bank, None, failed.line, returned.traceback, returned.wall_s, returned.worker, failed.cause)
        losses = f", after {lost} lost node{'s' * (lost > 1)}" if lost else ""
        return Outcome(bank, returned.result, "", "", returned.wall_s, returned.worker + losses)
