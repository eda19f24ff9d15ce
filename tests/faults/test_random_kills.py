"""SIGKILL at random times, of the parent, of workers, of all: the same command again, and nothing is lost or redone.

``GRADLAB_LONG=1`` makes it two hundred kills instead of a score.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import children, kill, until, workers
from runs import Run, finished, parts, same_tables

from gradlab.store import RunDirectory

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"),
]

LONG = os.environ.get("GRADLAB_LONG", "") not in ("", "0")
KILLS = 20
TEXT = """
name: demo
seeds: 2
train: {{steps: {steps}}}
grid: {{depth: {depth}, activation: [sigmoid, relu]}}
"""


def random_moment(running: Run, run: Path, chance: random.Random) -> None:
    """Wait until the run loads, has workers or has published some more, and then some tenths of a second."""
    published = len(parts(run))
    event = chance.choice(["start", "workers", "parts", "parts"])
    if event == "workers":
        until(lambda: workers(running.pid) or running.poll() is not None, "workers")
    elif event == "parts":
        more = published + chance.randint(1, 3)
        until(lambda: len(parts(run)) >= more or running.poll() is not None, "parts")
    time.sleep(chance.uniform(0, 0.4))


def strike(running_pid: int, chance: random.Random) -> str:
    """Kill one of the parent, a worker, the server that forks them and everything; return which."""
    forked, servers = workers(running_pid), children(running_pid)
    target = chance.choice(["parent", "worker", "worker", "server", "group"])
    if target in ("worker", "server") and forked:
        kill(chance.choice(forked if target == "worker" else servers))
        return "worker"
    for pid in [*forked, *servers, running_pid] if target == "group" else [running_pid]:
        kill(pid)
    return "group" if target == "group" else "parent"


def done(run: Path) -> set[str]:
    """The cells that are done. No kill may leave a damaged part behind."""
    found, damaged = RunDirectory(run).done(verify=True)
    assert damaged == ()
    return set(found)


def both(tmp_path: Path, text: str) -> tuple[Path, Path]:
    """Two directories with the same spec: one to be killed in, one for an undisturbed run."""
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spec.yaml").write_text(text)
    return tmp_path / "killed", tmp_path / "whole"


@pytest.mark.parametrize("seed", range(10 if LONG else 1))
def test_killed_at_random_and_run_again_it_is_the_undisturbed_run(
    start: Callable[..., Run], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    here, undisturbed = both(tmp_path, TEXT.format(steps=5, depth="1..60"))
    finished(undisturbed)
    kills: list[str] = []
    for number in itertools.count():  # a run that is done before it has met enough of them is followed by another
        if len(kills) >= KILLS:
            break
        where, calls = f"results{number}", tmp_path / f"calls{number}"
        kills += killed(start, here, where, calls, chance, KILLS - len(kills))
        finished(here, "--out", where, calls=str(calls))
        same_tables(here / where / "demo", undisturbed / "results/demo")
    assert len(kills) == KILLS
    assert "worker" in kills
    assert len(set(kills)) > 1


def killed(
    start: Callable[..., Run], here: Path, where: str, calls: Path, chance: random.Random, most: int
) -> list[str]:
    """Run again and again, striking at random, until all is done or there were `most` kills; return who was killed."""
    run, kills = here / where / "demo", []
    while len(kills) < most and len(before := done(run)) < 240:
        called = len(calls.read_text().split()) if calls.exists() else 0
        running = start(here, "--workers", "2", "--out", where, sleep=0.15, calls=str(calls))
        random_moment(running, run, chance)
        while running.poll() is None and len(kills) < most:
            kills.append(strike(running.pid, chance))
            if kills[-1] != "worker":
                break
            random_moment(running, run, chance)
        running.ends()
        again = calls.read_text().split()[called:] if calls.exists() else []
        assert not before & set(again), "a finished cell was trained again"
    return kills


def test_real_training_goes_on_from_its_checkpoint(start: Callable[..., Run], tmp_path: Path) -> None:
    """Banks of some seconds; their workers are killed, then the parent. What comes out is the same to the last bit."""
    here, undisturbed = both(tmp_path, TEXT.format(steps=2500, depth=6))
    run = here / "results/demo"

    def checkpoint(after: float) -> float:
        written = [path.stat().st_mtime for path in (run / "checkpoints").glob("*.ckpt")]
        return max((time for time in written if time > after), default=0.0)

    running = start(here, work="eager_work:train")
    first = until(lambda: checkpoint(0.0), "a checkpoint")
    for worker in workers(running.pid):
        kill(worker)
    second = until(lambda: checkpoint(first), "a checkpoint of the second worker")
    until(lambda: checkpoint(second), "another one")
    kill(running.pid)
    running.ends()
    assert parts(run) == []
    finished(here, work="eager_work:train")
    log = (run / "run.log").read_text()
    assert "killed by signal 9 (SIGKILL)" in log
    steps = re.findall("went on from its checkpoint at step ([0-9]+)", log)
    assert steps
    assert all(0 < int(step) < 2500 for step in steps)
    assert not (run / "checkpoints").exists()
    finished(undisturbed, work="gradlab.execution.worker:train")
    same_tables(run, undisturbed / "results/demo")
