"""Processes that tests start and end, and waiting for what they do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

__all__ = ["DEADLINE_S", "alive", "children", "kill", "until", "workers", "zombies"]

T = TypeVar("T")

DEADLINE_S = 240.0
"""The last guard against a test that would never end, far above what a busy machine needs."""


def until(condition: Callable[[], T], what: str) -> T:
    """Wait for `condition` to hold and return what it says."""
    deadline = time.monotonic() + DEADLINE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S:g} s"
        time.sleep(0.005)
    return value


def _state(pid: int) -> tuple[str, int]:
    """The state of a process and its parent (Linux); ``X`` and 0 when it has gone."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return "X", 0
    return state, int(parent)


def _children(pid: int) -> list[tuple[int, str]]:
    """The children of a process with their states."""
    every = [(int(entry.name), *_state(int(entry.name))) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [(child, state) for child, state, parent in every if parent == pid]


def children(pid: int) -> list[int]:
    """The live children of a process."""
    return [child for child, state in _children(pid) if state not in "ZX"]


def workers(pid: int) -> list[int]:
    """The live worker processes of a run: what its fork server has forked."""
    return [worker for server in children(pid) for worker in children(server)]


def zombies(pid: int) -> list[int]:
    """The children of a process that have died and were not waited for."""
    return [child for child, state in _children(pid) if state == "Z"]


def alive(pids: Sequence[int]) -> list[int]:
    """Those of the processes that are still there and no zombies."""
    return [pid for pid in pids if _state(pid)[0] not in "ZX"]


def kill(pid: int, *, group: bool = False) -> None:
    """SIGKILL a process, or its group, if it is still there."""
    try:
        (os.killpg if group else os.kill)(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
