"""Ctrl-C once finishes what is in work, twice stops it; a polite kill stops it; finished cells are kept either way."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from gradlab.report.formatting import count

if TYPE_CHECKING:
    from gradlab.terminal.progress import ProgressDisplay

__all__ = ["Signals"]

_POLITE = ("SIGTERM", "SIGHUP")


class Signals:
    """As a context: what becomes of signals while banks are computed. Only the main thread can set that.

    A signal that was ignored when gradlab was started (nohup, a background job of a script) stays ignored.
    """

    def __init__(self, drain: Callable[[], int], display: ProgressDisplay) -> None:
        """`drain` begins no other bank and returns how many are in work."""
        self._drain, self._display = drain, display
        self._before: dict[int, Any] = {}
        self.received = 0
        """The last signal that ended the run; 0 for none."""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._take(signal.SIGINT, self._interrupt)
            for name in _POLITE:
                if hasattr(signal, name):
                    self._take(getattr(signal, name), self._terminate)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """What a shell expects of a process that a signal has ended: 130 after Ctrl-C."""
        return 128 + (self.received or signal.SIGINT)

    def _take(self, number: int, handler: Any) -> None:
        before = signal.getsignal(number)
        if before not in (signal.SIG_IGN, None):
            self._before[number] = before
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = number
        banks = self._drain()
        finishing = count(banks, "bank") if banks else "the tables"
        self._display.note(f"finishing {finishing}; Ctrl-C again stops now")

    def _terminate(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        if number != signal.SIGTERM:  # the terminal has gone, and what is written to it would be an error
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                for stream in (sys.stdout, sys.stderr):
                    if os.isatty(stream.fileno()):
                        os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
        raise KeyboardInterrupt
