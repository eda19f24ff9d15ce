"""`gradlab watch`: what is seen of a run from outside."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from places import SUPPORT
from processes import DEADLINE_S, until

from gradlab.api.watch import Follower
from gradlab.cli import invoke

TEXT = """
name: demo
seeds: 2
train: {steps: 5}
grid: {depth: [2, 8], activation: [sigmoid, relu, selu]}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "demo.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADLAB_WORK", "fake_work:train")
    monkeypatch.setenv("GRADLAB_FAKE", "{}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(SUPPORT), os.environ.get("PYTHONPATH")])))
    return tmp_path


@contextmanager
def started(**wishes: Any) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, with the inline executor; killed where it has not ended by then."""
    command = [sys.executable, "-m", "gradlab", "run", "demo.yaml", "--no-plots", "-q", "--executor", "inline"]
    environment = {**os.environ, "GRADLAB_FAKE": json.dumps(wishes), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as run:
        try:
            yield run
        finally:
            run.kill()


def parts() -> int:
    return len(list(Path("results/demo/parts").glob("*.parquet")))


def test_a_run_that_has_ended(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["run", "demo.yaml", "--no-plots", "-q", "--executor", "inline"]) == 0
    state = Follower(Path("results/demo")).look()
    assert (state.ended, state.working) == (True, False)
    assert (state.progress.cells, state.progress.total) == (12, 12)
    # sigmoid at depth 8: 0.25^7 = 6e-5; selu at depth 8: 2^7 = 128, below a thousand
    assert dict(state.progress.verdicts) == {"healthy": 10, "vanishing": 2}
    assert invoke(["watch", "results/demo"]) == 0
    out = capsys.readouterr().out
    assert "12 of 12 cells done, 10 healthy, 2 vanishing" in out.splitlines()[-1]
    assert out.splitlines()[-1].startswith("ended after ")


def test_a_run_is_followed_until_it_ends(place: Path) -> None:
    with started(gate=str(place / "gate"), free=1) as run:
        until(lambda: parts() == 1, "a part")
        follower = Follower(Path("results/demo"))
        state = follower.look()
        assert state.working
        assert not state.ended
        assert 0 < state.progress.cells < state.progress.total == 12
        assert state.progress.remaining_s > 0
        command = [sys.executable, "-m", "gradlab", "watch", "results/demo", "--every", "0.1"]
        watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert watching.stdout is not None
        first = watching.stdout.readline()
        (place / "gate").touch()
        rest, err = watching.communicate(timeout=DEADLINE_S)
        assert run.wait(DEADLINE_S) == 0
    assert (watching.returncode, err) == (0, "")
    lines = (first + rest).splitlines()
    assert lines[0].startswith("results/demo: ")
    assert lines[-1].endswith("12 of 12 cells done, 10 healthy, 2 vanishing")
    assert follower.look().progress.cells == 12


def test_a_run_that_was_killed_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with started(gate=str(place / "gate"), free=1) as run:
        until(lambda: parts() == 1, "a part")
        run.send_signal(signal.SIGKILL)
        run.wait()
    done = Follower(Path("results/demo")).look().progress.cells
    assert 0 < done < 12
    assert invoke(["watch", "results/demo", "--every", "0.1"]) == 1
    out = capsys.readouterr().out
    assert f"nobody works there: {done} of 12 cells done" in out
    assert "the command that began it goes on from there" in out


def test_failures_are_shown_and_counted(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADLAB_FAKE", json.dumps({"fail": "relu"}))
    assert invoke(["run", "demo.yaml", "--no-plots", "-q", "--executor", "inline"]) == 1
    state = Follower(Path("results/demo")).look()
    failed = state.session["failed"] if state.session else 0
    assert failed >= 4
    assert state.progress.failed == failed
    assert any("RuntimeError: no such luck with relu" in line for line in state.failures)
    assert invoke(["watch", "results/demo"]) == 1
    out = capsys.readouterr().out
    assert "no such luck with relu" in out
    assert f"{failed} failed" in out.splitlines()[-1]
    monkeypatch.setenv("GRADLAB_FAKE", "{}")
    assert invoke(["run", "demo.yaml", "--no-plots", "-q", "--executor", "inline", "--rerun-failed"]) == 0
    capsys.readouterr()
    assert invoke(["watch", "results/demo"]) == 0
    assert "no such luck" not in capsys.readouterr().out  # that was an earlier session


def test_what_is_no_run_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["watch", "results"]) == 2
    assert "there is nothing there" in capsys.readouterr().err
    for name in ("one", "two"):
        assert (
            invoke(
                ["run", "demo.yaml", "-s", f"name={name}", "-s", "depth=2", "--no-plots", "-q", "--executor", "inline"]
            )
            == 0
        )
    assert invoke(["watch", "results"]) == 2
    assert "watch one of them: one, two" in capsys.readouterr().err
