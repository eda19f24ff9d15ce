"""`gradlab watch` on the directory of a training that still writes, was killed, or has ended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from places import SUPPORT
from processes import DEADLINE_S, until
from watched_runs import said, train

import gradlab as gl
from gradlab.api.options import WatchOptions
from gradlab.api.watch_training import TrainingFollower, watch_training

Capture = pytest.CaptureFixture[str]


_LOOP = """
import sys, time
from pathlib import Path
import torch
import gradlab as gl
from watched_runs import stack

model = stack(3)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
with gl.watch(model, every=1, out="results/live", optimizer=optimizer) as watched:
    for step in range(8):
        while not Path(f"go{step}").exists():
            time.sleep(0.01)
        model(torch.randn(4, 8)).square().mean().backward()
        optimizer.step()
"""


@contextmanager
def live(models: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", _LOOP], cwd=models, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def go(*steps: int) -> None:
    for step in steps:
        Path(f"go{step}").touch()


def test_a_training_is_followed_while_it_writes_and_told_from_one_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    with live(tmp_path) as process:
        go(0, 1)
        until(lambda: Path("results/live/steps.csv").is_file(), "a step")
        follower = TrainingFollower(Path("results/live"))
        seen: list[int] = []

        def looked() -> int:
            state = follower.look()
            assert (state.training.working, state.training.state) == (True, "still at work")
            seen.extend(int(step["step"]) for step in state.new)
            for step in state.new:
                assert len(state.training.rows_at(step["step"])) == 3
            return len(seen)

        until(lambda: looked() == 2, "two steps")
        go(2)
        until(lambda: looked() == 3, "a third")
        assert seen == [0, 1, 2]
        assert "still at work" in gl.load("results/live").report()
        process.send_signal(signal.SIGKILL)
        process.wait(DEADLINE_S)
    out, _ = said(capsys, "watch", "results/live", "--every", "0.1", code=1)
    assert [line.split("  ")[0] for line in out.splitlines()[1:-1]] == ["step 0", "step 1", "step 2"]
    assert out.splitlines()[-1].startswith("ended early: its process is gone")
    out, _ = said(capsys, "report", "results/live")
    assert "ended early" in out.splitlines()[0]
    assert "3 steps measured" in out


def test_following_ends_with_the_training(models: Path, capsys: Capture) -> None:
    out, _ = said(capsys, "watch", "results/a")
    lines = out.splitlines()
    assert lines[0] == "results/a: Sequential, 5 steps measured"
    assert [line.split("  ")[0] for line in lines[1:-1]] == [f"step {step}" for step in range(5)]
    assert "clipped to 0.0100" in lines[1]
    assert re.fullmatch(r"ended( after .* s)?: 5 steps measured", lines[-1])
    document = json.loads(Path("results/a/run.json").read_text())
    Path("results/a/run.json").write_text(json.dumps(document | {"error": "KeyboardInterrupt"}))
    out, _ = said(capsys, "watch", "results/a", code=1)
    assert "ended by KeyboardInterrupt" in out


def test_of_a_long_training_the_last_steps_are_shown_first(models: Path, capsys: Capture) -> None:
    train(Path("results/long"), steps=30, depth=2)
    out, _ = said(capsys, "watch", "results/long")
    assert out.splitlines()[0] == "results/long: Sequential, 30 steps measured, the last 10"
    assert [line.split("  ")[0] for line in out.splitlines()[1:-1]] == [f"step {step}" for step in range(20, 30)]
    out, _ = said(capsys, "report", "results/long")  # which reads the blocks of some steps alone
    assert out.startswith(gl.load("results/long").report(120))


def test_a_loss_that_comes_after_the_update_is_waited_for_once(models: Path) -> None:
    rows = Path("results/a/steps.csv").read_text().splitlines(keepends=True)
    fields = rows[-1].split(",")
    Path("results/a/steps.csv").write_text("".join([*rows[:-1], ",".join([*fields[:2], "", *fields[3:]])]))
    document = json.loads(Path("results/a/run.json").read_text())
    Path("results/a/run.json").write_text(json.dumps(document | {"ended": None}))
    from gradlab.store.lock import locked

    with locked(Path("results/a"), print):
        follower = TrainingFollower(Path("results/a"))
        assert [step["step"] for step in follower.look().new] == [0, 1, 2, 3]
        Path("results/a/steps.csv").write_text("".join(rows))
        (last,) = follower.look().new
        assert last["loss"] == gl.load("results/a").steps["loss"].iloc[-1]
        assert follower.look().new == ()
    states = list(watch_training(Path("results/a"), WatchOptions(every=0.1)))
    assert [step["step"] for step in states[0].new] == [0, 1, 2, 3, 4]
    assert states[-1].training.state.startswith("ended early")
