"""The parent's end of one worker process: start it, ask it, learn how it died."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from gradlab.execution.base import Job
from gradlab.execution.processes.channel import receive, send
from gradlab.execution.processes.machine import ending, oom_kills

__all__ = ["Died", "Process"]

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
_GRACE_S = 0.5
"""Between a worker's own note of where it hangs and its end."""
_WORDS = 4000
"""Bytes of a dead worker's last output that are worth keeping."""


class Died(Exception):
    """The worker has gone. `timed_out`: we ended it, for its bank took too long; `memory`: the kernel did, for want
    of memory; `words`: the last it wrote."""

    def __init__(self, how: str, words: str, *, timed_out: bool = False, memory: bool = False) -> None:
        super().__init__(how)
        self.how, self.words, self.timed_out, self.memory = how, words, timed_out, memory


class Process:
    """One worker. Everything but `kill` belongs to the thread that made it.

    On Linux the kernel ends a worker with the *thread* that started it, so that thread must last as long.
    """

    def __init__(self, work: str, device: str, timeout_s: float | None) -> None:
        """Start it and return at once; `ready` waits for it. Raises OSError when there is no room for a process."""
        self._timeout_s = timeout_s
        self._timed_out = False
        self._oom_kills = oom_kills()
        self._output = _output_file()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; from gradlab.execution.processes.child import main; "
            f"main({work!r}, {device!r}, {os.getpid()}, {timeout_s!r})"
        )
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._output,
                env={**os.environ, **_ONE_THREAD},
                **_own_group(),
            )
        except BaseException:
            self._output.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ready(self) -> tuple[Any, ...]:
        """Wait for its first answer, see `child.main`. Raises Died."""
        return self._answer()

    def ask(self, job: Job) -> tuple[Any, ...]:
        """Have a job done and return the answer, see `child.main`. Raises Died, also when it takes too long."""
        self._output.seek(0)
        self._output.truncate()
        timer = None
        if self._timeout_s is not None:
            timer = threading.Timer(self._timeout_s + _GRACE_S, self._time_out)
            timer.daemon = True
            timer.start()
        try:
            with suppress(OSError):  # it has died already: the answer tells how
                assert self._process.stdin is not None
                send(self._process.stdin, job)
            return self._answer()
        finally:
            if timer is not None:
                timer.cancel()

    def kill(self) -> None:
        """End it at once, from any thread; whoever waits for its answer gets Died."""
        with suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """End it and leave nothing of it, no zombie either."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was still to be written to it is of no use to anybody
                assert pipe is not None
                pipe.close()
        self._process.wait()
        self._output.close()

    def _time_out(self) -> None:
        self._timed_out = True
        self.kill()

    def _answer(self) -> tuple[Any, ...]:
        assert self._process.stdout is not None
        try:
            answer: tuple[Any, ...] = receive(self._process.stdout)
            return answer
        except Exception as error:  # its end, or bytes that are no message
            code = self._end(gone=isinstance(error, EOFError))
            how = ending(code) if isinstance(error, EOFError) else f"sent nonsense ({type(error).__name__})"
            memory = code < 0 and oom_kills() > self._oom_kills
            raise Died(how, self._last_words(), timed_out=self._timed_out, memory=memory) from None

    def _end(self, *, gone: bool) -> int:
        if gone:  # it has closed its pipe: let it die its own death, for that is what is asked
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(timeout=5)
        self.kill()
        return self._process.wait()

    def _last_words(self) -> str:
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - _WORDS))
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


def _own_group() -> dict[str, Any]:
    """Return how to start a process that the terminal's Ctrl-C does not reach."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined, unused-ignore]
    return {"process_group": 0}
