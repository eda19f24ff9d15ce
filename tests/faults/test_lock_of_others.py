"""The lock of a run directory asks the kernel, never a process id that is written down."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gradlab.api.options import WatchOptions
from gradlab.api.watch import watch
from gradlab.store import RunDirectory, lock

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="links and pipes are POSIX")]

Command = Callable[..., tuple[int, str, str]]


def test_a_process_id_that_is_in_use_again_keeps_no_watch_waiting(run: Path) -> None:
    for signature in (
        f"process {os.getpid()} on {socket.gethostname()}, since 2026-01-01 00:00:00 UTC\n",
        f"process 1 on {socket.gethostname()}, since 2026-01-01 00:00:00 UTC\n",
        "process 12 on another-machine, since 2026-01-01 00:00:00 UTC\n",
        "",
    ):
        (run / lock.LOCK).write_text(signature)
        assert not lock.in_use(run)
        assert [state.working for state in watch(run, WatchOptions(every=0.1))] == [False]


def test_the_lock_itself_says_that_somebody_works_there(run: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from gradlab.store import RunDirectory\n"
        "with RunDirectory(pathlib.Path(sys.argv[1])).lock():\n    print(flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert lock.in_use(run)
        (run / lock.LOCK).write_text(f"process 999999 on {socket.gethostname()}, since 2026-01-01 00:00:00 UTC\n")
        assert lock.in_use(run), "though the file names a process that is not there"
        assert holder.stdin is not None
        holder.stdin.close()
    assert not lock.in_use(run)


def test_asking_for_the_lock_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "x")
    asked = 0
    for _ in range(50):
        with directory.lock():
            asked += lock.in_use(directory.path)
        assert not lock.in_use(directory.path)
    assert asked == 50
