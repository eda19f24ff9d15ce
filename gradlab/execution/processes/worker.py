"""The parent's end of one worker process: start it, send jobs, receive answers, describe its death."""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Pipe
from typing import Any

from gradlab.execution.base import Job
from gradlab.execution.processes.machine import ending, oom_kills
from gradlab.execution.processes.starting import Starter, output_file

__all__ = ["Died", "Worker"]

_GRACE_S = 0.5
"""Seconds between the stack that a hanging worker writes by itself and its end."""
_EXIT_S = 5.0
"""Seconds that a worker which has closed its connection may take to exit, so that its exit code tells the cause."""
_OUTPUT_BYTES = 4000
"""Length of the last output of a dead worker that is kept."""


class Died(Exception):
    """A worker process has ended.

    `ending` describes how; `output` is its last output; `timed_out`: it was killed because its bank took too long;
    `memory`: the kernel killed it for lack of memory.
    """

    def __init__(self, ending: str, output: str, *, timed_out: bool, memory: bool) -> None:
        super().__init__(ending)
        self.ending, self.output, self.timed_out, self.memory = ending, output, timed_out, memory


class Worker:
    """One worker process, with one thread for its numerics."""

    def __init__(self, starter: Starter, device: str, timeout_s: float | None) -> None:
        """Start the process and return at once. Raises OSError when there is no room for one."""
        self.deadline = math.inf
        """Of the job in work, by `time.monotonic`."""
        self._timeout_s, self._timed_out = timeout_s, False
        self._oom_kills = oom_kills()
        self._output = output_file()
        self.connection, child_end = Pipe()
        try:
            self._process = starter.start(device, timeout_s, child_end.fileno(), self._output)
        except BaseException:
            self.connection.close()
            self._output.close()
            raise
        finally:
            child_end.close()

    def send(self, job: Job) -> None:
        """Send a job. If the worker has died meanwhile, `receive` raises that."""
        self._output.seek(0)
        self._output.truncate()
        self._timed_out = False  # it may have answered the last job just when that took too long
        if self._timeout_s is not None:
            self.deadline = time.monotonic() + self._timeout_s + _GRACE_S
        with suppress(OSError):
            self.connection.send(job)

    def receive(self) -> tuple[Any, ...]:
        """Wait for an answer and return it, see `child.main`. Raises Died."""
        try:
            answer: tuple[Any, ...] = self.connection.recv()
        except Exception as error:
            gone = isinstance(error, EOFError | OSError)
            code = self._exit_code(gone)
            raise Died(
                ending(code) if gone else f"sent nonsense ({type(error).__name__})",
                self._last_output(),
                timed_out=self._timed_out,
                memory=code < 0 and oom_kills() > self._oom_kills,
            ) from None
        self.deadline = math.inf
        return answer

    def time_out(self) -> None:
        """Kill the worker because its job takes too long; `receive` raises that."""
        self._timed_out, self.deadline = True, math.inf
        self._process.kill()

    def close(self) -> None:
        """Kill the worker, wait for it and free its resources."""
        self.connection.close()
        self._process.end()
        self._output.close()

    def _exit_code(self, gone: bool) -> int:
        if gone and (code := self._process.wait(_EXIT_S)) is not None:
            return code
        self._process.kill()
        code = self._process.wait(_EXIT_S)
        return -signal.SIGKILL if code is None else code

    def _last_output(self) -> str:
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - _OUTPUT_BYTES))
        return self._output.read().decode(errors="replace").strip()
