"""One gradlab at a time in a run directory: a kernel lock, seen from several processes."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import lock_descriptor
from places import SUPPORT
from processes import DEADLINE_S, until

from gradlab.errors import StoreError
from gradlab.store import RunDirectory, lock

TEXT = "name: demo\nseeds: 1\ntrain: {steps: 2}\ngrid: {depth: [2, 3, 4]}\n"

HOLD = """
import subprocess, sys, time
from pathlib import Path
from gradlab.store import RunDirectory
with RunDirectory(Path(sys.argv[1])).lock():
    if len(sys.argv) > 2:  # a child that lives on, as a worker might
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
        print(child.pid)
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start Python processes that are gone at the end of the test."""
    every: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        made = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
        )  # fmt: skip
        every.append(made)
        return made

    yield start
    for process in every:
        process.kill()
        process.communicate()


def test_the_holder_is_named_and_the_directory_free_afterwards(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    place = tmp_path / "results" / "x"
    holder = started("-c", HOLD, str(place))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(lock.InUse) as raised, RunDirectory(place).lock():
        pytest.fail("two at once")
    assert raised.value.exit_code == 2
    message = raised.value.message
    assert message.startswith(f"{place} is in use: process {holder.pid} on {socket.gethostname()}, since 20")
    with RunDirectory(tmp_path / "results" / "y").lock():  # another directory is another matter
        assert lock.held(tmp_path / "results" / "y")
    holder.communicate("\n")
    with RunDirectory(place).lock():
        assert (place / lock.LOCK).read_text().startswith(f"process {os.getpid()} on ")
    assert not (tmp_path / "results").exists()  # nothing was written, so nothing is left


@pytest.mark.parametrize("child", [False, True])
def test_the_kernel_releases_it_at_a_kill_even_if_a_child_lives_on(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]], child: bool
) -> None:
    place = tmp_path / "x"
    holder = started("-c", HOLD, str(place), *["child"] * child)
    assert holder.stdout is not None
    left = int(holder.stdout.readline()) if child else None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.wait()
    try:
        assert (place / lock.LOCK).exists()
        with RunDirectory(place).lock():
            assert (place / lock.LOCK).read_text().startswith(f"process {os.getpid()} on ")
        assert not (place / lock.LOCK).exists()
    finally:
        if left is not None:
            os.kill(left, signal.SIGKILL)


def test_a_thread_may_take_again_what_it_holds_and_no_other(tmp_path: Path) -> None:
    place = tmp_path / "x"
    seen: list[object] = []

    def other() -> None:
        try:
            with RunDirectory(place).lock():
                seen.append("held")
        except lock.InUse as error:
            seen.append(error)

    with RunDirectory(place).lock():
        with RunDirectory(tmp_path / "." / "x").lock():
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert lock.held(place)
    assert isinstance(seen[0], lock.InUse)
    assert not lock.held(place)


def test_many_at_once_have_it_one_after_the_other(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]]
) -> None:
    # the lock file is removed by its holder: whoever opened it before must not take the lock of a file without a name
    code = """
import sys, time
from pathlib import Path
from gradlab.store import RunDirectory
from gradlab.store.lock import InUse
place, inside = Path(sys.argv[1]), Path(sys.argv[2])
held = 0
while held < 100:
    try:
        with RunDirectory(place).lock():
            inside.mkdir()  # fails when another is in there
            inside.rmdir()
            held += 1
    except InUse:
        time.sleep(0.0002)
"""
    (tmp_path / "x" / "parts").mkdir(parents=True)
    every = [started("-c", code, str(tmp_path / "x"), str(tmp_path / "inside")) for _ in range(3)]
    for process in every:
        _, err = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, err) == (0, "")


def test_the_lock_of_a_file_that_has_lost_its_name_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x" / lock.LOCK
    waiting = [True]

    def removed_by_the_last_holder_just_before(descriptor: int, *, blocking: bool) -> bool:
        if waiting:
            waiting.clear()
            path.unlink()
        return lock_descriptor(descriptor, blocking=blocking)

    monkeypatch.setattr(lock, "lock_descriptor", removed_by_the_last_holder_just_before)
    with RunDirectory(tmp_path / "x").lock():
        descriptor = os.open(path, os.O_RDWR)
        assert not lock_descriptor(descriptor, blocking=False)
        os.close(descriptor)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_said_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuses(descriptor: int, *, blocking: bool) -> bool:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock, "lock_descriptor", refuses)
    said: list[str] = []
    directory = RunDirectory(tmp_path / "x")
    with directory.lock(said.append):
        assert not lock.held(directory.path)
        directory.create()
        assert not (directory.path / lock.LOCK).exists()
    assert len(said) == 1
    assert said[0].startswith(f"{directory.path} lies on a file system without locks")


@pytest.mark.skipif(os.name == "nt", reason="links and pipes are POSIX")
def test_a_link_is_not_followed_and_a_pipe_is_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / "x" / "parts").mkdir(parents=True)
    (tmp_path / "letter").write_text("x")
    path = tmp_path / "x" / lock.LOCK
    path.symlink_to(tmp_path / "letter")
    with pytest.raises(StoreError, match=r"cannot create .*run\.lock: it is a symbolic link"):
        RunDirectory(tmp_path / "x").lock().__enter__()
    assert (tmp_path / "letter").read_text() == "x"
    assert path.is_symlink()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreError, match=r"run\.lock is not a file"):
        RunDirectory(tmp_path / "x").lock().__enter__()


def test_a_place_that_cannot_be_locked_is_said(tmp_path: Path) -> None:
    (tmp_path / "x" / "parts").mkdir(parents=True)
    (tmp_path / "x" / lock.LOCK).mkdir()
    with pytest.raises(StoreError, match=r"cannot create .*run\.lock: there is a directory of that name"):
        RunDirectory(tmp_path / "x").lock().__enter__()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="is not a run directory of gradlab"):
        RunDirectory(tmp_path / "thesis").lock().__enter__()
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["thesis.tex"]


@pytest.fixture
def gradlab(tmp_path: Path, started: Callable[..., subprocess.Popen[str]]) -> Callable[..., subprocess.Popen[str]]:
    (tmp_path / "demo.yaml").write_text(TEXT)
    path = os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])])

    def start(*arguments: str, **wishes: Any) -> subprocess.Popen[str]:
        fake = {"GRADLAB_WORK": "fake_work:train", "GRADLAB_FAKE": json.dumps(wishes), "PYTHONPATH": path}
        return started("-m", "gradlab", *arguments, cwd=tmp_path, env={**os.environ, **fake, "OMP_NUM_THREADS": "1"})

    return start


@pytest.mark.slow
def test_of_two_runs_started_at_once_one_works_and_the_other_says_so(
    tmp_path: Path, gradlab: Callable[..., subprocess.Popen[str]]
) -> None:
    calls = tmp_path / "calls"
    command = ("run", "demo.yaml", "--no-plots", "--executor", "inline")
    both = [gradlab(*command, calls=str(calls), gate=str(tmp_path / "gate")) for _ in range(2)]
    until(lambda: any(process.poll() is not None for process in both), "the end of one of them")
    assert (tmp_path / "results" / "demo" / lock.LOCK).exists()
    # whoever only reads needs no lock
    reading = gradlab("plan", "demo.yaml")
    assert reading.communicate(timeout=DEADLINE_S)[1] == ""
    assert reading.returncode == 0
    (tmp_path / "gate").touch()
    answers = {process.pid: (*process.communicate(timeout=DEADLINE_S), process.returncode) for process in both}
    winner, loser = sorted(answers, key=lambda pid: answers[pid][2])
    assert answers[winner][2] == 0, answers
    out, err, code = answers[loser]
    assert (code, out) == (2, "")
    assert err.startswith(f"gradlab: results/demo is in use: process {winner} on {socket.gethostname()}, since 20")
    assert len(err.splitlines()) == 2
    assert len(calls.read_text().split()) == 3
    assert not (tmp_path / "results" / "demo" / lock.LOCK).exists()
