"""Unfinished, damaged and unreadable runs are named, and the others are reported all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from forged import change_part, vouch

import gradlab as gl
from gradlab.store import RunDirectory

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="links and pipes are POSIX")]

Command = Callable[..., tuple[int, str, str]]


def unfinished(run: Path) -> None:
    shutil.rmtree(run / "parts")


def begun(run: Path) -> None:
    shutil.rmtree(run / "parts")
    (run / "parts").mkdir()


def cut_short(run: Path) -> None:
    path = sorted((run / "parts").iterdir())[0]
    path.write_bytes(path.read_bytes()[:-100])


def a_file_for_parts(run: Path) -> None:
    shutil.rmtree(run / "parts")
    (run / "parts").write_text("x")


def a_directory_for_a_part(run: Path) -> None:
    path = sorted((run / "parts").iterdir())[0]
    path.unlink()
    path.mkdir()


def unlike_every_other(run: Path) -> None:
    change_part(run, log_grad_norm=lambda rows: rows[:1])


DAMAGES = [unfinished, begun, cut_short, a_file_for_parts, a_directory_for_a_part, unlike_every_other]


@pytest.mark.parametrize("damage", DAMAGES)
def test_one_run_hides_no_other(run: Path, command_line: Command, damage: Callable[[Path], None]) -> None:
    assert command_line("run", "demo.yaml", "--executor", "inline", "--rerun-failed", "--no-plots", "-q")[0] == 0
    shutil.copytree(run, "results/sound")
    damage(run)
    for arguments in (
        ("compare", "results"),
        ("compare", "results/demo", "results/sound"),
        ("report", "results"),
        ("plot", "results", "--only", "heatmap", "--format", "svg"),
    ):
        code, out, err = command_line(*arguments)
        assert code == 1, (arguments, out, err)
        assert "results/demo" in err
        assert "Traceback" not in err
    results = gl.load("results")
    assert len(results.cells) == 8
    assert "sound" in repr(results)
    assert "demo" in "".join(results.warnings) + results.report()
    cell = sorted(RunDirectory(Path("results/sound")).done()[0])[0]
    assert command_line("show", cell, "results")[0] == 0
    assert "demo" in "".join(gl.compare("results").warnings)


other = pytest.mark.skipif(
    not (hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("setpriv")), reason="needs root and setpriv"
)


@other
@pytest.mark.parametrize("closed", ["demo", "demo/parts", "demo/parts/PART", "demo/cells.csv", "demo/spec.yaml"])
def test_what_may_not_be_read_is_named_and_hides_no_other(run: Path, closed: str) -> None:
    shutil.copytree(run, "results/sound")
    place = Path("results", closed.replace("PART", sorted((run / "parts").iterdir())[0].name))
    place.chmod(0)
    os.chown(place, 1234, 1234)
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]

    def gradlab(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*drop, sys.executable, "-m", "gradlab", *arguments]
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)

    alone = gradlab("compare", "results/demo")
    assert alone.returncode in (1, 2)
    assert "permission denied" in alone.stderr or "not readable" in alone.stderr
    assert "results/demo" in alone.stderr
    both = gradlab("compare", "results")
    assert both.returncode == 1, both.stderr
    assert "permission denied" in both.stderr
    assert "sound" in both.stdout
    for command in ("plan", "run") if not place.is_file() or "parts" in closed else ("run",):
        done = gradlab(command, "demo.yaml")
        assert (done.returncode, "permission denied" in done.stderr) == (2, True), (command, done.stderr)


def damaged_table(run: Path) -> None:
    (run / "cells.csv").write_bytes((run / "cells.csv").read_bytes()[:-5])


def missing_table(run: Path) -> None:
    (run / "cells.csv").unlink()


def missing_manifest(run: Path) -> None:
    (run / "tables.json").unlink()


def table_of_another_spec(run: Path) -> None:
    (run / "spec.yaml").write_text((run / "spec.yaml").read_text() + "# edited\n")
    vouch(run)


@pytest.mark.parametrize("damage", [damaged_table, missing_table, missing_manifest, table_of_another_spec])
def test_tables_made_anew_have_the_cells_that_failed(run: Path, damage: Callable[[Path], None]) -> None:
    before = gl.load(run).cells
    damage(run)
    after = gl.load(run)
    assert after.cells["cell"].tolist() == before["cell"].tolist()
    assert after.cells["status"].tolist() == before["status"].tolist()
    assert after.cells["error"].fillna("").tolist() == before["error"].fillna("").tolist()
    assert (after.cells["status"] == "failed").sum() == 4
    assert after.warnings
