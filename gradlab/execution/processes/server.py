"""The main function of the fork server: import what workers need once, then fork one worker for each request.

A worker that is spawned imports torch by itself, seconds of a processor each; one that is forked here has it. The
server has one thread, makes no tensor and never touches a GPU, so that a fork takes nothing half done along.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import select
import signal
import socket
import sys
from contextlib import suppress

from gradlab.execution.processes import child
from gradlab.execution.processes.starting import NUMBER

__all__ = ["main"]

_OWN = "gradlab."
_REQUEST_BYTES = 65536
_DESCRIPTORS = 3
"""Of a request: connection, output and status of the worker."""


def main(work: str, handle: int, parent: int) -> None:
    """Serve the process `parent` over the socket `handle` until it closes that or dies. Never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child.die_with(parent)
    wake, notify = os.pipe()
    for end in (wake, notify):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(notify, warn_on_full_buffer=False)
    if work.startswith(_OWN):  # what a module of the user does when it is imported need not survive a fork
        with suppress(Exception):  # a worker meets it again and reports it
            importlib.import_module(work.partition(":")[0])
    gc.collect()
    gc.freeze()  # a collection in a worker would otherwise copy the pages that it shares with the server
    requests = socket.socket(fileno=handle)
    statuses: dict[int, int] = {}
    server = os.getpid()
    while True:
        readable = select.select([handle, wake], [], [])[0]
        if wake in readable:
            os.read(wake, 4096)
            _reap(statuses)
        if handle in readable:
            message, descriptors, _, _ = socket.recv_fds(requests, _REQUEST_BYTES, _DESCRIPTORS)
            if not message:
                os._exit(0)
            connection, output, status = descriptors
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                for end in (handle, wake, notify, status, *statuses.values()):
                    os.close(end)
                _work(work, server, connection, output, *pickle.loads(message))
            os.close(connection)
            os.close(output)
            statuses[pid] = status
            _tell(status, pid)


def _work(work: str, server: int, connection: int, output: int, device: str, timeout_s: float | None) -> None:
    """Be a worker. Never returns."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        child.main(work, device, connection, server, timeout_s)
    except BaseException as error:
        with suppress(BaseException):
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
    finally:
        os._exit(1)


def _reap(statuses: dict[int, int]) -> None:
    """Write the exit codes of the workers that have ended."""
    while statuses:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        status = statuses.pop(pid)
        _tell(status, os.waitstatus_to_exitcode(ended))
        os.close(status)


def _tell(status: int, number: int) -> None:
    with suppress(OSError):  # nobody asks any more
        os.write(status, NUMBER.pack(number))
