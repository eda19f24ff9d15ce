"""Starting worker processes: forked from a server that has torch loaded, or one by one as programs of their own.

Of gradlab this module imports nothing: the command line begins to load torch here before it loads the rest.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol

__all__ = [
    "ALLOCATOR",
    "NUMBER",
    "WORK",
    "ForkServer",
    "Process",
    "Programs",
    "Starter",
    "begin",
    "output_file",
    "starter",
]

WORK = "gradlab.execution.worker:train"
"""What a worker does with a bank."""
NUMBER = struct.Struct("q")
"""What is written to the status of a worker: its process id when it begins, its exit code when it has ended."""

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
ALLOCATOR = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(2**30))
"""Has glibc keep up to 1 GiB of freed memory for the next step or probe, and no longer hand back to the system, and
fetch page by page, what takes more than 32 MB: a third of a step of four LSTMs of 160 steps of 64 units, 3 to 6 % of a
whole run of such networks. What the user's environment has of these stands."""
_EXIT_S = 5.0
"""Seconds that a killed process may take to end."""


class Process(Protocol):
    """A process that was started."""

    def kill(self) -> None:
        """Kill it, if it is still there."""

    def wait(self, timeout_s: float) -> int | None:
        """Return its exit code, negative for the signal that killed it; None where it takes longer."""

    def end(self) -> None:
        """Kill it and wait for its end."""


class Starter(Protocol):
    """What starts workers."""

    def start(self, device: str, timeout_s: float | None, handle: int, output: IO[bytes]) -> Process:
        """Start a worker that talks over the connection `handle` and writes what it prints to `output`.

        Raises OSError when there is no room for one.
        """

    def close(self) -> None:
        """End what serves the starts."""


_begun: list[ForkServer] = []
"""The server that `begin` started, until an executor takes it."""


def begin() -> None:
    """Begin to load what workers need, in a server that the next `starter` of `WORK` returns.

    For a process that will probably train: to import torch takes longer than all that comes before the first bank. A
    server that nobody takes ends with this process. Without effect where workers are not forked.
    """
    if sys.platform.startswith("linux"):
        _begun.append(ForkServer(WORK))


def starter(work: str) -> Starter:
    """Return what starts workers of a work function on this platform.

    A fork server on Linux. Elsewhere programs of their own: Windows cannot fork, and macOS does not promise that its
    libraries survive it.
    """
    if not sys.platform.startswith("linux"):
        return Programs(work)
    return _begun.pop() if _begun and work == WORK else ForkServer(work)


class Programs:
    """Starts each worker as a program of its own, which imports torch by itself."""

    def __init__(self, work: str) -> None:
        self._work = work

    def start(self, device: str, timeout_s: float | None, handle: int, output: IO[bytes]) -> Process:
        """Start a worker."""
        call = f"gradlab.execution.processes.child import main; main({self._work!r}, {device!r}"
        return _Program(_python(f"{call}, {handle}, {os.getpid()}, {timeout_s!r})", handle, output))

    def close(self) -> None:
        """Do nothing: nothing serves the starts."""


class _Program:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def kill(self) -> None:
        with suppress(OSError):
            self._process.kill()

    def wait(self, timeout_s: float) -> int | None:
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        self.kill()
        self._process.wait()


class ForkServer:
    """Starts workers by forking a process that has imported what they need, see `server.main`.

    It begins to import at once. On Linux the kernel kills it, and with it the workers, when the *thread* that made it
    ends, so that thread must live as long. A server that has died is replaced at the next start.
    """

    def __init__(self, work: str) -> None:
        self._work = work
        self._begin()

    def _begin(self) -> None:
        self._requests, peer = socket.socketpair()
        self._output = output_file()
        call = f"gradlab.execution.processes.server import main; main({self._work!r}, {peer.fileno()}, {os.getpid()})"
        try:
            self._server = _python(call, peer.fileno(), self._output)
        except BaseException:
            self._requests.close()
            self._output.close()
            raise
        finally:
            peer.close()

    def start(self, device: str, timeout_s: float | None, handle: int, output: IO[bytes]) -> Process:
        """Start a worker as soon as the server has imported what it needs."""
        if self._server.poll() is not None:
            self.close()
            self._begin()
        status, child_end = os.pipe()
        try:
            descriptors = [handle, output.fileno(), child_end]
            socket.send_fds(self._requests, [pickle.dumps((device, timeout_s))], descriptors)
        except OSError:
            os.close(status)
            raise
        finally:
            os.close(child_end)
        return _Forked(status, output, self._server, self._output)

    def close(self) -> None:
        """Kill the server and its workers."""
        self._server.kill()
        self._server.wait()
        self._requests.close()
        self._output.close()


class _Forked:
    """A worker that was forked; `status` is the end of a pipe that tells its process id and its exit code."""

    def __init__(
        self, status: int, output: IO[bytes], server: subprocess.Popen[bytes], server_output: IO[bytes]
    ) -> None:
        self._status, self._output, self._server, self._server_output = status, output, server, server_output
        self._pid: int | None = None
        self._ended: int | None = None

    def kill(self) -> None:
        if self.wait(0.0) is None and self._pid is not None:
            with suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)

    def wait(self, timeout_s: float) -> int | None:
        deadline = time.monotonic() + timeout_s
        while self._ended is None:
            if not select.select([self._status], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            number = os.read(self._status, NUMBER.size)
            if number and self._pid is None:
                (self._pid,) = NUMBER.unpack(number)
                continue
            self._ended = NUMBER.unpack(number)[0] if number else self._with_the_server()
            os.close(self._status)
        return self._ended

    def end(self) -> None:
        self.kill()
        if self._pid is not None:  # else the server, which is busy importing, will find that nobody wants it any more
            self.wait(_EXIT_S)

    def _with_the_server(self) -> int:
        """Return the exit code of a worker whose server has died, and which died with it; copy what the server said."""
        if not self._server_output.closed:  # else the server has been replaced meanwhile
            self._output.write(self._server_output.read())
        with suppress(subprocess.TimeoutExpired):
            return self._server.wait(_EXIT_S)
        return -signal.SIGKILL

    def __del__(self) -> None:
        if self._ended is None:
            with suppress(OSError):
                os.close(self._status)


def _python(call: str, handle: int, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start Python with ``from`` `call`; it inherits `handle`, and has one thread for its numerics."""
    return subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; from {call}"],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**ALLOCATOR, **os.environ, **_ONE_THREAD},
        **_inheriting(handle),
    )


def _inheriting(handle: int) -> dict[str, Any]:
    """Return the options of a process that inherits `handle` and does not get the terminal's Ctrl-C."""
    if os.name != "nt":
        return {"pass_fds": (handle,), "process_group": 0}
    os.set_handle_inheritable(handle, True)  # type: ignore[attr-defined, unused-ignore]
    startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [handle]})  # type: ignore[attr-defined, unused-ignore]
    return {"startupinfo": startup, "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined, unused-ignore]


def output_file() -> IO[bytes]:
    """Return a file without a name for the output of a process; every write appends."""
    if os.name == "nt":
        return tempfile.TemporaryFile()
    descriptor, name = tempfile.mkstemp(prefix="gradlab-worker-")
    os.close(descriptor)
    descriptor = os.open(name, os.O_RDWR | os.O_APPEND)
    Path(name).unlink()
    return os.fdopen(descriptor, "w+b")
