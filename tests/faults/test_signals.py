"""Ctrl-C, polite and impolite kills of a real run: what is finished is kept, and nobody is left behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import alive, children, kill, until, workers
from runs import Run, finished, parts, same_tables

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")]

TEXT = """
name: demo
seeds: 2
train: {steps: 5}
grid: {depth: 1..12, activation: [sigmoid, relu]}
"""
BANKS, CELLS = 12, 4
"""Of the spec, and of each bank."""
LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
Start = Callable[..., Run]


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


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def in_the_middle(start: Start, here: Path, **wishes: object) -> Run:
    """A run with two workers that has finished two banks and has two in work, which end when `gate` is there."""
    running = start(here, "--workers", "2", gate=str(here / "gate"), free=2, **wishes)
    until(lambda: len(parts(here / "results/demo")) == 2 and len(lines(here / "gate.begun")) == 4, "four banks begun")
    return running


@pytest.mark.parametrize("group", [False, True], ids=["the process", "its group, as a terminal does"])
def test_ctrl_c_once_finishes_the_banks_in_work(start: Start, here: Path, whole: Path, group: bool) -> None:
    calls, run = here / "calls", here / "results/demo"
    running = in_the_middle(start, here, calls=str(calls))
    (os.killpg if group else os.kill)(running.pid, signal.SIGINT)
    until(lambda: "finishing 2 banks; Ctrl-C again stops now\n" in running.err, "the answer to Ctrl-C")
    (here / "gate").touch()
    out, err = running.ends(130)
    assert "interrupted; what is finished is kept, the same command goes on from there" in err
    assert len(lines(calls)) == 4 * CELLS
    assert "interrupted: 32 of 48 not run" in " ".join(out.split()), "the line may be folded"
    assert len(parts(run)) == 4
    assert (run / "summary.csv").exists()
    finished(here, calls=str(calls))
    assert len(lines(calls)) == len(set(lines(calls))) == BANKS * CELLS
    same_tables(run, whole)


def test_ctrl_c_twice_stops_now(start: Start, here: Path) -> None:
    running = in_the_middle(start, here)
    os.kill(running.pid, signal.SIGINT)
    until(lambda: "Ctrl-C again stops now\n" in running.err, "the answer to Ctrl-C")
    assert running.poll() is None
    os.kill(running.pid, signal.SIGINT)
    out, _ = running.ends(130)  # though the gate never opens
    assert "not run" in out
    assert len(parts(here / "results/demo")) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_polite_kill_stops_now_and_writes_the_tables(
    start: Start, here: Path, whole: Path, number: int, code: int
) -> None:
    running = in_the_middle(start, here)
    run = here / "results/demo"
    os.kill(running.pid, number)
    out, _ = running.ends(code)
    assert "not run" in out
    assert len(parts(run)) == 2
    assert (run / "summary.csv").exists()
    finished(here)
    same_tables(run, whole)


@LINUX
@pytest.mark.parametrize("planned", [False, True], ids=["while the plan is made", "and nothing else is left to do"])
def test_ctrl_c_while_the_workers_start_leaves_at_once(start: Start, here: Path, planned: bool) -> None:
    (here / "slow_work.py").write_text("import time\nwhile True:\n    time.sleep(60)\n")  # it is never loaded
    running = start(here, work="slow_work:train")
    forked = until(lambda: children(running.pid), "a worker or what forks them")
    if planned:
        until(lambda: (here / "results/demo/spec.yaml").exists(), "the end of the plan")
    os.kill(running.pid, signal.SIGINT)
    _, err = running.ends(130)
    assert "interrupted" in err
    until(lambda: not alive(forked), "the end of the workers")


@LINUX
@pytest.mark.parametrize("fate", ["hang", "hold"])
def test_no_worker_outlives_its_parent(start: Start, here: Path, fate: str) -> None:
    """`hold` keeps Python's lock, so that no thread of the worker can notice anything; neither ends by itself."""
    running = start(here, "--workers", "2", **{fate: 12})
    until(lambda: parts(here / "results/demo"), "a part")
    forked = workers(running.pid)
    assert len(forked) == 2
    kill(running.pid)
    running.ends()
    until(lambda: not alive(forked), "the end of the workers")


@LINUX
def test_killing_the_whole_group_leaves_nobody_and_the_run_goes_on(start: Start, here: Path, whole: Path) -> None:
    running = in_the_middle(start, here)
    forked = [*workers(running.pid), *children(running.pid)]
    kill(running.pid, group=True)
    running.ends()
    until(lambda: not alive(forked), "the end of the workers")
    finished(here)
    same_tables(here / "results/demo", whole)


@LINUX
def test_a_signal_that_was_ignored_stays_so(start: Start, here: Path) -> None:
    running = in_the_middle(start, here, ignored=[signal.SIGHUP])  # as nohup has it
    os.kill(running.pid, signal.SIGHUP)
    (here / "gate").touch()
    out, _ = running.ends(0)
    assert "48 cells in" in out
