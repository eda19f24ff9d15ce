"""The parent's end of one worker process: start it, give it a job, receive its answer, learn how it died."""

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
"""Between a worker's own note of where it hangs and its end."""
_EXIT_S = 5.0
"""How long a worker that has closed its end may take to exit by itself, so that its exit code tells why."""
_OUTPUT_BYTES = 4000
"""Of a dead worker's last output, worth keeping."""


class Died(Exception):
    """A worker process has ended.

    `ending` is how, in words; `output` the last that it wrote; `timed_out`: it was killed as its bank took too long;
    `memory`: the kernel killed it for want of memory.
    """

    def __init__(self, ending: str, output: str, *, timed_out: bool, memory: bool) -> None:
        super().__init__(ending)
        self.ending, self.output, self.timed_out, self.memory = ending, output, timed_out, memory


class Worker:
    """One worker process with one thread for its numerics.

    On Linux the kernel kills it when the *thread* that has started it ends, so that thread must last as long.
    """

    def __init__(self, work: str, device: str, timeout_s: float | None) -> None:
        """Start the process and return at once. Raises OSError when there is no room for one."""
        self.deadline = math.inf
        """By `time.monotonic`, when the job in work has taken too long."""
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
        """Give it a job. One that has died meanwhile is told by `receive`."""
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
        """Kill it because its job takes too long; `receive` says so."""
        self._timed_out, self.deadline = True, math.inf
        self._kill()

    def close(self) -> None:
        """End it at once and leave nothing of it, no zombie either."""
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
    """Return a file for what a worker prints, gone with its last user; it is only written at the end."""
    if os.name == "nt":
        return tempfile.TemporaryFile()
    descriptor, name = tempfile.mkstemp(prefix="gradlab-worker-")
    os.close(descriptor)
    descriptor = os.open(name, os.O_RDWR | os.O_APPEND)
    Path(name).unlink()
    return os.fdopen(descriptor, "w+b")


def _inheriting(handle: int) -> dict[str, Any]:
    """Return the options of a process that inherits `handle` and that the terminal's Ctrl-C does not reach."""
    if os.name != "nt":
        return {"pass_fds": (handle,), "process_group": 0}
    os.set_handle_inheritable(handle, True)  # type: ignore[attr-defined, unused-ignore]
    startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})  # type: ignore[attr-defined, unused-ignore]
    return {"startupinfo": startup, "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined, unused-ignore]
