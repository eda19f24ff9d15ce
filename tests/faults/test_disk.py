"""A disk that is full or read-only, names that are taken, a directory that goes away: one message, nothing lost."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from injected import Server
from places import SUPPORT

from gradlab.store import RunDirectory

TEXT = """
name: demo
seeds: 2
train: {steps: 2}
grid: {depth: [2, 3, 4, 5, 6, 7], activation: [relu]}
"""
LONG = bool(os.environ.get("GRADLAB_LONG"))
MORE = ("--executor", "inline", "--no-plots")


def ids(path: Path = Path("results/demo")) -> set[str]:
    """The cells that are done."""
    done, damaged = RunDirectory(path).done(verify=True)
    assert damaged == ()
    return set(done)


def trained() -> list[str]:
    return Path("calls").read_text().split() if Path("calls").exists() else []


@pytest.fixture
def gradlab(tmp_path: Path, command_line: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str]]:
    """Run the command line in a directory with demo.yaml: exit code and standard error."""
    (tmp_path / "demo.yaml").write_text(TEXT)

    def call(*arguments: str) -> tuple[int, str]:
        code, _, err = command_line(*arguments, *MORE * (arguments[0] == "run"), calls=str(tmp_path / "calls"))
        return code, err

    return call


def one_message(code: int, err: str, *words: str) -> None:
    """An error is one message, with a hint on a second line, after whatever was said before it."""
    lines = [line for line in err.splitlines() if not line.endswith("were already there")]
    assert (code, len(lines)) == (2, 2), err
    assert lines[0].startswith("gradlab: cannot ") or "should be" in lines[0], err
    assert lines[1].startswith("  "), err
    for word in words:
        assert word in lines[0], err


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """A file system of its own under ``results/``; called with mount options it is mounted anew with them."""
    place = tmp_path / "results"
    place.mkdir()

    def mount(*arguments: str) -> bool:
        command = ["mount", *arguments, str(place)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    if sys.platform != "linux" or shutil.which("mount") is None or not mount("-t", "tmpfs", "-o", "size=10m", "none"):
        pytest.skip("only root can mount a file system of its own, and not everywhere")

    def remount(options: str) -> None:
        assert mount("-o", f"remount,{options}")

    yield remount
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.parametrize("size", ["16k", "64k", "120k"])
def test_a_full_disk_keeps_what_is_done(
    gradlab: Callable[..., tuple[int, str]], disk: Callable[[str], None], size: str
) -> None:
    disk(f"size={size}")
    code, err = gradlab("run", "demo.yaml")
    one_message(code, err, "no space left on the device")
    assert "nothing done is lost" in err
    kept, before = ids(), len(trained())
    code, err = gradlab("run", "demo.yaml")  # as long as it is full, it says so again
    one_message(code, err, "no space left on the device")
    disk("size=10m")
    before = len(trained())
    kept = ids()
    assert gradlab("run", "demo.yaml")[0] == 0
    assert not kept & set(trained()[before:])
    assert len(ids()) == 12
    assert len(pd.read_csv("results/demo/cells.csv")) == 12
    assert not list(Path("results").rglob("*.tmp"))


def test_there_are_sizes_at_which_some_banks_are_done(
    gradlab: Callable[..., tuple[int, str]], disk: Callable[[str], None]
) -> None:
    disk("size=120k")
    assert gradlab("run", "demo.yaml")[0] == 2
    assert 0 < len(ids()) < 12


def test_a_read_only_directory_can_be_read_and_not_run_in(
    gradlab: Callable[..., tuple[int, str]], disk: Callable[[str], None]
) -> None:
    assert gradlab("run", "demo.yaml", "-s", "seeds=1")[0] == 0
    disk("ro")
    before = trained()
    code, err = gradlab("run", "demo.yaml")
    one_message(code, err, "the file system is read-only")
    assert trained() == before
    assert gradlab("plan", "demo.yaml") == (0, "")
    assert gradlab("compare", "results") == (0, "")
    code, err = gradlab("plot", "results/demo", "--only", "heatmap", "--format", "svg")
    one_message(code, err, "the file system is read-only")
    disk("rw")
    assert gradlab("run", "demo.yaml")[0] == 0
    assert sorted(trained()) == sorted(set(trained()))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_of_somebody_else(gradlab: Callable[..., tuple[int, str]]) -> None:
    Path("results").mkdir(mode=0o500)
    code, err = gradlab("run", "demo.yaml")
    one_message(code, err, "permission denied")


@pytest.mark.parametrize(
    ("taken", "by"),
    [
        ("results", "file"),
        ("results/demo", "file"),
        ("results/demo/parts", "file"),
        ("results/demo/checkpoints", "file"),
        ("results/demo/run.lock", "directory"),
        ("results/demo/run.log", "directory"),
        ("results/demo/run.json", "directory"),
        ("results/demo/spec.yaml", "directory"),
        ("results/demo/cells.csv", "directory"),
        ("results/demo/SHA256SUMS", "directory"),
    ],
)
def test_a_name_that_is_taken_is_said_and_nothing_is_lost(
    gradlab: Callable[..., tuple[int, str]], taken: str, by: str
) -> None:
    path = Path(taken)
    if path.parent.name == "demo":
        assert gradlab("run", "demo.yaml", "-s", "seeds=1")[0] == 0
    if path.is_dir():
        path.rename(path.with_name("moved"))
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if by == "file":
        path.write_text("mine")
    else:
        path.mkdir()
    code, err = gradlab("run", "demo.yaml")
    one_message(code, err, str(path))
    if by == "file":
        assert path.read_text() == "mine"
        path.unlink()
    else:
        path.rmdir()
    if (moved := path.with_name("moved")).exists():
        moved.rename(path)
    before = len(trained())
    kept = ids()
    assert gradlab("run", "demo.yaml")[0] == 0
    assert not kept & set(trained()[before:])
    assert len(ids()) == 12


def test_a_directory_that_goes_away_under_a_run(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text(TEXT)
    path = os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "gradlab", "run", "demo.yaml", *MORE]

    def environment(**wishes: Any) -> dict[str, str]:
        fake = {"GRADLAB_WORK": "fake_work:train", "GRADLAB_FAKE": json.dumps(wishes), "PYTHONPATH": path}
        return {**os.environ, **fake, "OMP_NUM_THREADS": "1"}

    running = subprocess.Popen(
        command, cwd=tmp_path, env=environment(sleep=0.3), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    place = tmp_path / "results" / "demo"
    deadline = time.monotonic() + 60
    while not list(place.glob("parts/*.parquet")):
        assert time.monotonic() < deadline, running.communicate()
        time.sleep(0.02)
    place.rename(tmp_path / "away")
    out, err = running.communicate(timeout=60)
    assert out == ""
    one_message(running.returncode, err, "it is not there, or not any more")
    assert "run the same command again" in err
    assert not place.exists()
    again = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert (again.returncode, len(ids(place))) == (0, 12)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if not hasattr(os, "fork"):
        pytest.skip("forks its processes")
    made = Server()
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", ["ENOSPC", "EIO"])
def test_a_system_call_that_fails_ends_the_run_with_one_message_wherever_it_is(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    text = TEXT.replace("[2, 3, 4, 5, 6, 7]", "[2, 3]")

    def run(place: Path, at: int = 0) -> dict[str, Any]:
        wishes = {"calls": str(place / "calls")}
        return server.run(place, "run", "demo.yaml", *MORE, at=at, mischief=number, wishes=wishes)

    def place(name: str) -> Path:
        made = tmp_path / name
        made.mkdir()
        (made / "demo.yaml").write_text(text)
        return made

    names = run(place("whole"))["names"]
    points = range(1, len(names) + 1)
    ended = 0
    for at in points if LONG else sorted(random.Random(0).sample(points, 6)):
        here = place(str(at))
        monkeypatch.chdir(here)
        answer = run(here, at)
        told = f"{number} at {at}, {names[at - 1]}: {answer | {'names': ''}}"
        assert answer["code"] in (0, 2), told
        if answer["code"] == 2:
            ended += 1
            reason = "no space left on the device" if number == "ENOSPC" else os.strerror(errno.EIO)
            assert len(answer["err"].splitlines()) in (1, 2), told
            assert answer["err"].startswith("gradlab: cannot "), told
            assert reason in answer["err"], told
            assert answer["out"] == "", told
        kept, before = ids() if Path("results/demo").exists() else set(), len(trained())
        answer = run(here)
        assert answer["code"] == 0, f"{told}, then {answer}"
        assert not kept & set(trained()[before:]), told
        for table in ("layers.csv", "steps.csv", "summary.csv"):
            whole = tmp_path / "whole" / "results" / "demo" / table
            assert Path("results/demo", table).read_bytes() == whole.read_bytes(), told
    assert ended >= 3
