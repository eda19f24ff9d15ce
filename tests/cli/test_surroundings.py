"""Odd values in the environment, and streams that are closed, full or left by their reader: the run is what it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import SUPPORT

pytestmark = pytest.mark.slow

TEXT = "name: demo\nseeds: 1\ntrain: {steps: 1}\ngrid: {depth: [2, 3]}\n"
RUN = ("run", "demo.yaml", "--executor", "inline")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "demo.yaml").write_text(TEXT)
    return tmp_path


def gradlab(here: Path, *arguments: str, redirect: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])])
    fake = {"GRADLAB_WORK": "fake_work:train", "GRADLAB_FAKE": json.dumps({}), "PYTHONPATH": path}
    command = [sys.executable, "-m", "gradlab", *arguments]
    if redirect:
        command = ["bash", "-c", f'"$@" {redirect}', "bash", *command]
    return subprocess.run(
        command, cwd=here, env={**os.environ, **fake, **environment}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, errors="replace",
    )  # fmt: skip


ODD: list[dict[str, str]] = [
    {"COLUMNS": "-5", "LINES": "many", "TERM": "nonsense", "OMP_NUM_THREADS": "abc"},
    {"COLUMNS": "0", "LINES": "²", "TERM": "", "OMP_NUM_THREADS": "-3"},
    {"MPLBACKEND": "nonsense", "MPLCONFIGDIR": "/proc/1/nope", "TZ": "nonsense"},
    {"LC_ALL": "C", "LANG": "", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "NO_COLOR": "x"},
    {"HOME": "/nonexistent", "TMPDIR": "/nonexistent", "XDG_CACHE_HOME": "/proc/x", "PYTHONWARNINGS": "error"},
]


@pytest.mark.skipif(os.name == "nt", reason="paths of POSIX")
@pytest.mark.parametrize("environment", ODD, ids=range(len(ODD)))
def test_what_makes_no_sense_is_ignored(here: Path, environment: dict[str, str]) -> None:
    done = gradlab(here, *RUN, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert (here / "results/demo/plots/survival.png").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "redirect", [">/dev/full", "2>/dev/full", ">&- 2>&- <&-", "| head -c 1; exit ${PIPESTATUS[0]}", ">/dev/full 2>&1"]
)
def test_a_run_goes_on_whatever_becomes_of_its_streams(here: Path, redirect: str) -> None:
    (here / "second.yaml").write_text(TEXT.replace("demo", "second"))
    done = gradlab(here, "run", "demo.yaml", "second.yaml", "--executor", "inline", redirect=redirect)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for name in ("demo", "second"):
        assert (here / "results" / name / "summary.csv").exists()
        assert (here / "results" / name / "plots" / "survival.png").exists()


def test_a_matplotlibrc_that_cannot_be_read_costs_the_pictures_alone(here: Path) -> None:
    (here / "matplotlibrc").write_bytes(b"\xff\xfe\xd0")
    done = gradlab(here, *RUN)
    assert done.returncode == 0
    assert "warning: no pictures: matplotlib cannot be loaded" in done.stderr
    assert (here / "results/demo/summary.csv").exists()
