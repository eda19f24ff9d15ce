"""The main function of a worker process: answer jobs until the parent closes the connection or dies."""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

from gradlab.errors import GradlabError
from gradlab.execution.base import Job, Work, cause_of, load_work, one_line

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["die_with", "main"]


def main(work: str, device: str, handle: int, parent: int, timeout_s: float | None) -> None:
    """Serve the process `parent` over the connection `handle`. Never returns.

    Answers first ``("ready", devices)`` or ``("error", error)``, then to each `Job` one of ``("result", result,
    wall_s)``, ``("failure", line, traceback, cause, wall_s)`` and ``("error", error)``. An error is a GradlabError.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: the bank in work is to be finished
    die_with(parent)
    faulthandler.enable()
    connection = _connection(handle)
    inbox: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, inbox), daemon=True).start()
    try:
        _serve(connection, inbox, work, device, timeout_s)
    except OSError:  # the parent has gone
        pass
    finally:
        os._exit(0)  # at once: an orderly end would wait for the thread that listens


def _serve(
    connection: Connection, inbox: queue.SimpleQueue[Job], work: str, device: str, timeout_s: float | None
) -> None:
    try:
        function, devices = load_work(work, device)
    except GradlabError as error:
        return connection.send(("error", error))
    connection.send(("ready", devices))
    while True:
        answer = _answer(function, inbox.get(), timeout_s)
        try:
            connection.send(answer)
        except OSError:
            raise
        except Exception as error:  # the result cannot be pickled, or there is no memory to do it
            connection.send(("failure", one_line(error), traceback.format_exc(), cause_of(error), 0.0))


def die_with(parent: int) -> None:
    """Have Linux kill this process when its parent dies, whatever it is doing; elsewhere `_listen` notices it."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    set_death_signal = 1
    ctypes.CDLL(None, use_errno=True).prctl(set_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that
        os._exit(1)


def _connection(handle: int) -> Connection:
    """Return the connection to the parent; programs that the work starts do not inherit it."""
    if os.name == "nt":
        from multiprocessing.connection import PipeConnection  # type: ignore[attr-defined, unused-ignore]

        os.set_handle_inheritable(handle, False)  # type: ignore[attr-defined, unused-ignore]
        pipe: Connection = PipeConnection(handle)
        return pipe
    from multiprocessing.connection import Connection

    os.set_inheritable(handle, False)
    return Connection(handle)


def _listen(connection: Connection, inbox: queue.SimpleQueue[Job]) -> None:
    try:
        while True:
            inbox.put(connection.recv())
    except BaseException:  # the parent has closed its end or has died: nobody waits for an answer any more
        os._exit(0)


def _answer(work: Work, job: Job, timeout_s: float | None) -> tuple[Any, ...]:
    if timeout_s is not None:  # says where it hangs; the parent kills it a moment later
        faulthandler.dump_traceback_later(timeout_s)
    begun = time.perf_counter()
    try:
        result = work(job)
        return "result", result, time.perf_counter() - begun
    except GradlabError as error:
        return "error", error
    except BaseException as error:  # sys.exit too: whatever the work raises belongs to its bank alone
        return "failure", one_line(error), traceback.format_exc(), cause_of(error), time.perf_counter() - begun
    finally:
        faulthandler.cancel_dump_traceback_later()
