"""The parent's end of one worker process: start it, send jobs, receive answers, describe its death."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import IO, Any

from gradlab.execution.base import Job
from gradlab.execution.processes.machine import ending, oom_kills

__all__ = ["Died", "Worker"]

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
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
    """One worker process, with one thread for its numerics.

    On Linux the kernel kills it when the *thread* that started it ends, so that thread must live as long.
    """

    def __init__(self, work: str, device: str, timeout_s: float | None) -> None:
        """Start the process and return at once. Raises OSError when there is no room for one."""
        self.deadline = math.inf
        """Of the job in work, by `time.monotonic`."""
        self._timeout_s, self._timed_out = timeout_s, False
        self._oom_kills = oom_kills()
        self._output = _output_file()
        self.connection, theirs = Pipe()
        handle = theirs.fileno()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from gradlab.execution.processes.child import main; "
            f"main({work!r}, {device!r}, {handle}, {os.getpid()}, {timeout_s!r})"
        )
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env={**os.environ, **_ONE_THREAD},
                **_inheriting(handle),
            )
        except BaseException:
            self.connection.close()
            self._output.close()
            raise
        finally:
            theirs.close()

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
        self._kill()

    def close(self) -> None:
        """Kill the worker, wait for it and free its resources."""
        self._kill()
        self.connection.close()
        self._process.wait()
        self._output.close()

    def _kill(self) -> None:
        with suppress(OSError):
            self._process.kill()

    def _exit_code(self, gone: bool) -> int:
        if gone:
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(_EXIT_S)
        self._kill()
        return self._process.wait()

    def _last_output(self) -> str:
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - _OUTPUT_BYTES))
        return self._output.read().decode(errors="replace").strip()


def _output_file() -> IO[bytes]:
    """Return a file without a name for the output of a worker; every write appends."""
    if os.name == "nt":
        return tempfile.TemporaryFile()
    try:
        descriptor, name = tempfile.mkstemp(prefix="gradlab-worker-")
    except OSError:  # no place for temporary files, or none left
        if not hasattr(os, "memfd_create"):
            raise
        import fcntl

        descriptor = os.memfd_create("gradlab-worker")
        fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)
        return os.fdopen(descriptor, "w+b")
    os.close(descriptor)
    descriptor = os.open(name, os.O_RDWR | os.O_APPEND)
    Path(name).unlink()
    return os.fdopen(descriptor, "w+b")


def _inheriting(handle: int) -> dict[str, Any]:
    """Return the options of a process that inherits `handle` and does not get the terminal's Ctrl-C."""
    if os.name != "nt":
        return {"pass_fds": (handle,), "process_group": 0}
    os.set_handle_inheritable(handle, True)  # type: ignore[attr-defined, unused-ignore]
    startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})  # type: ignore[attr-defined, unused-ignore]
    return {"startupinfo": startup, "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined, unused-ignore]
