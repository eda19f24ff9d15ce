"""Real runs as processes, for tests that kill them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

TESTS = Path(__file__).parents[1]
TABLES = ("cells", "layers", "steps", "summary")


def start(directory: Path, *arguments: str, work: str = "fake_work:train", **wishes: Any) -> subprocess.Popen[str]:
    """Start ``gradlab run spec.yaml`` in `directory`, in a session of its own as a terminal would have it."""
    own = [str(TESTS / "support"), str(TESTS / "faults")]
    path = os.pathsep.join([*own, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "GRADLAB_WORK": work, "GRADLAB_FAKE": json.dumps(wishes)}
    return subprocess.Popen(
        [sys.executable, "-m", "gradlab", "run", "spec.yaml", "--no-plots", *arguments],
        cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def finished(directory: Path, *arguments: str, code: int = 0, **wishes: Any) -> tuple[str, str]:
    """Run to the end and return stdout and stderr."""
    process = start(directory, *arguments, **wishes)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


def until(condition: Callable[[], Any], what: str, seconds: float = 30.0) -> Any:
    """Wait for `condition` to hold and return what it says."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.005)
    return found


def parts(run: Path) -> list[Path]:
    """The published parts of a run directory."""
    return sorted((run / "parts").glob("*.parquet"))


def _children(pid: int) -> list[tuple[int, str]]:
    """The children of a process with their states (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == pid:
                found.append((int(entry.name), state))
    return found


def children(pid: int) -> list[int]:
    """The live children of a process."""
    return [child for child, state in _children(pid) if state != "Z"]


def zombies(pid: int) -> list[int]:
    """The children of a process that have died and were not waited for."""
    return [child for child, state in _children(pid) if state == "Z"]


def alive(pids: Sequence[int]) -> list[int]:
    """Those of the processes that are still there and no zombies."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append(pid)
    return found


def kill(pid: int, *, group: bool = False) -> None:
    """SIGKILL a process, or its group, if it is still there."""
    try:
        (os.killpg if group else os.kill)(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def same_tables(left: Path, right: Path, *, without: tuple[str, ...] = ()) -> None:
    """Demand equal bytes of layers, steps and summary; of cells and parts all but times and device."""
    if not without:
        for name in TABLES[1:]:
            assert (left / f"{name}.csv").read_bytes() == (right / f"{name}.csv").read_bytes(), name
        assert [part.name for part in parts(left)] == [part.name for part in parts(right)]
    for name in TABLES:
        drop = [*without, "wall_s", "device"]
        frames = [pd.read_csv(where / f"{name}.csv", dtype=str) for where in (left, right)]
        one, other = (frame.drop(columns=drop, errors="ignore") for frame in frames)
        pd.testing.assert_frame_equal(one, other)
