"""Ctrl-C, polite and impolite kills of a real run: what is finished is kept, and nobody is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from runs import alive, children, finished, kill, parts, same_tables, start, until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")

TEXT = """
name: demo
seeds: 2
train: {steps: 5}
grid: {depth: 1..12, activation: [sigmoid, relu]}
"""
LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text(TEXT)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    there = tmp_path_factory.mktemp("whole")
    (there / "spec.yaml").write_text(TEXT)
    finished(there)
    return there / "results/demo"


def ended(process: subprocess.Popen[str], code: int) -> tuple[str, str]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


def cells_of(calls: Path) -> list[str]:
    return calls.read_text().split() if calls.exists() else []


@pytest.mark.parametrize("group", [False, True], ids=["the process", "its group, as a terminal does"])
def test_ctrl_c_once_finishes_the_banks_in_work(here: Path, whole: Path, group: bool) -> None:
    calls = here / "calls"
    running = start(here, "--workers", "2", sleep=0.7, calls=str(calls))
    run = here / "results/demo"
    until(lambda: len(parts(run)) >= 2, "two parts")
    time.sleep(0.2)  # the next two have begun
    (os.killpg if group else os.kill)(running.pid, signal.SIGINT)
    out, err = ended(running, 130)
    assert re.search("finishing [12] banks?; Ctrl-C again stops now\n", err)
    assert "interrupted; what is finished is kept, the same command goes on from there" in err
    assert 12 <= len(cells_of(calls)) <= 20
    assert f"interrupted: {48 - len(cells_of(calls))} of 48 not run" in " ".join(out.split()), "the line may be folded"
    assert len(parts(run)) == len(cells_of(calls)) // 4
    assert (run / "summary.csv").exists()
    finished(here, calls=str(calls))
    assert len(cells_of(calls)) == len(set(cells_of(calls))) == 48
    same_tables(run, whole)


def test_ctrl_c_twice_stops_now(here: Path) -> None:
    running = start(here, "--workers", "2", hang=12)
    run = here / "results/demo"
    until(lambda: parts(run), "a part")
    os.kill(running.pid, signal.SIGINT)
    time.sleep(0.3)
    assert running.poll() is None
    begun = time.monotonic()
    os.kill(running.pid, signal.SIGINT)
    out, _ = ended(running, 130)
    assert time.monotonic() - begun < 20
    assert "not run" in out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_polite_kill_stops_now_and_writes_the_tables(here: Path, whole: Path, number: int, code: int) -> None:
    running = start(here, "--workers", "2", hang=12)
    run = here / "results/demo"
    until(lambda: parts(run), "a part")
    os.kill(running.pid, number)
    out, _ = ended(running, code)
    assert "not run" in out
    assert (run / "summary.csv").exists()
    finished(here)
    same_tables(run, whole)


def test_ctrl_c_while_the_workers_start_leaves_at_once(here: Path) -> None:
    running = start(here, work="gradlab.execution.worker:train")
    until(lambda: children(running.pid), "a worker")
    os.kill(running.pid, signal.SIGINT)
    workers = children(running.pid)
    _, err = ended(running, 130)
    assert "interrupted" in err
    until(lambda: not alive(workers), "the end of the workers", 5.0)


@LINUX
@pytest.mark.parametrize("fate", ["hang", "hold"])
def test_no_worker_outlives_its_parent_by_five_seconds(here: Path, fate: str) -> None:
    """`hold` keeps Python's lock, so that no thread of the worker can notice anything."""
    running = start(here, "--workers", "2", **{fate: 12})
    run = here / "results/demo"
    until(lambda: parts(run), "a part")
    workers = children(running.pid)
    assert len(workers) == 2
    kill(running.pid)
    running.communicate()
    until(lambda: not alive(workers), "the end of the workers", 5.0)


@LINUX
def test_killing_the_whole_group_leaves_nobody_and_the_run_goes_on(here: Path, whole: Path) -> None:
    running = start(here, "--workers", "2", sleep=0.1)
    run = here / "results/demo"
    until(lambda: len(parts(run)) > 2, "some parts")
    workers = children(running.pid)
    kill(running.pid, group=True)
    running.communicate()
    until(lambda: not alive(workers), "the end of the workers", 5.0)
    finished(here)
    same_tables(run, whole)


@LINUX
def test_a_signal_that_was_ignored_stays_so(here: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup has it
    try:
        running = start(here, "--workers", "2", sleep=0.1)
    finally:
        signal.signal(signal.SIGHUP, before)
    until(lambda: parts(here / "results/demo"), "a part")
    os.kill(running.pid, signal.SIGHUP)
    out, _ = ended(running, 0)
    assert "48 cells in" in out
