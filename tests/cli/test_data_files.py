"""Data files and the commands: one message before anything runs, exit code 2, nothing left; how a file was read."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tables import ROWS, TABLE

import gradlab as gl
from gradlab.training.loop import train_bank

Call = Callable[..., tuple[int, str, str]]

SPEC = """
name: own
task: {{name: table, path: {path}, target: y, kind: {kind}}}
depth: 2
width: 8
train: {{steps: 2, batch_size: 4}}
"""
BROKEN = {
    "t.csv.gz": gzip.compress(TABLE.encode(), mtime=0)[:60],
    "t.csv.zip": TABLE.encode(),
    "t.csv": TABLE.replace("a,b,y", "a,y,y").encode(),
    "t.data": ROWS.encode(),
    "t.txt": TABLE.replace("0.740", "2020-01-31").encode(),
    "t.parquet": b"PAR1 and nothing else",
}


def spec(path: str, kind: str = "regression") -> str:
    Path("own.yaml").write_text(SPEC.format(path=path, kind=kind))
    return "own.yaml"


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_used_is_one_message_before_anything_runs(command_line: Call, name: str) -> None:
    Path(name).write_bytes(BROKEN[name])
    file = spec(name)
    task = f"{{name: table, path: {name}, target: y, kind: regression}}"
    messages = set()
    for command in (
        ("run", file), ("run", file, "--dry-run"), ("plan", file), ("plan", file, "--json"), ("run", file, "--fresh"),
        ("sweep", "--task", task, "--depth", "2,4"), ("sweep", "--task", task, "--depth", "2,4", "--dry-run"),
    ):  # fmt: skip
        code, out, err = command_line(*command)
        assert code == 2, command
        assert not out
        assert err.startswith(f"gradlab: {name}")
        messages.add(err)
        assert not Path("results").exists()
    assert len(messages) == 1
    for call in (lambda: gl.run(file), lambda: gl.plan(file), lambda: gl.sweep(task=task, depth=[2, 4])):
        with pytest.raises(gl.GradlabError, match=name):
            call()
    assert not Path("results").exists()


def test_how_a_file_was_read_is_one_line_of_run_plan_and_log(command_line: Call) -> None:
    rows = "".join(f"{i};{row}\n" for i, row in enumerate(ROWS.replace(",", ";").split()))
    Path("t.csv").write_text("id;a;b;y\n" + rows)
    file = spec("t.csv")
    line = "t.csv: 12 rows, 3 inputs, target y; separated by semicolons, header in line 1, UTF-8"
    warning = "t.csv: column 'id' only numbers the rows: delete it, as an input it may tell the answer"
    code, out, err = command_line("plan", file)
    assert (code, err) == (0, f"warning: {warning}\n")
    assert f"  data    {line}\n" in out
    document = json.loads(command_line("plan", file, "--json")[1])["plans"][0]
    assert document["data"] == [line]
    assert document["warnings"] == [warning]
    code, out, err = command_line("run", file, "--no-plots")
    assert code == 0
    assert err.splitlines() == [f"warning: {warning}", f"data: {line}"]
    assert line in Path("results/own/run.log").read_text()
    assert command_line("run", file, "--no-plots")[2] == "1 of 1 cell were already there\n", "nothing to be read"


def test_a_task_axis_reads_each_form_once(command_line: Call) -> None:
    Path("t.csv").write_text(TABLE)
    forms = "".join(
        f"    - {{name: table, path: t.csv, target: y, kind: regression{more}}}\n"
        for more in ("", ", standardize: false", ", standardize: inputs")
    )
    Path("own.yaml").write_text(f"name: own\ntrain: {{steps: 2}}\nseeds: 3\ngrid:\n  depth: [2, 3]\n  task:\n{forms}")
    _, out, err = command_line("plan", "own.yaml")
    assert out.count("  data    t.csv") == 1, "all three are read alike"
    assert "18 new" in out
    assert not err
    Path("t.csv").write_text(TABLE.replace("0.740", "0.740e300"))
    _, out, err = command_line("plan", "own.yaml")
    assert out.count("  data    t.csv") == 1
    (warning,) = err.splitlines()  # of the one that leaves the inputs as they are
    assert warning.startswith("warning: t.csv: column 'a' is beyond 3.4e+38 in size, out of the range of float32")


def test_a_file_renamed_after_a_failure_is_read(command_line: Call) -> None:
    Path("t.csv.zip").write_text(TABLE)
    assert command_line("run", spec("t.csv.zip"), "--no-plots")[0] == 2
    Path("t.csv.zip").rename("t.csv")
    code, out, err = command_line("run", spec("t.csv"), "--no-plots")
    assert code == 0
    assert "zip" not in out + err


def test_unscaled_targets_begin_with_the_square_of_the_prices(
    command_line: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADLAB_WORK")
    rng = np.random.default_rng(0)
    metres = rng.uniform(20, 180, 60).round(1)
    prices = (3300 * metres + rng.normal(0, 5000, 60)).round(-2)
    rows = "".join(f"{x},{y:.0f}\n" for x, y in zip(metres, prices, strict=True))
    Path("t.csv").write_text("metres,y\n" + rows)
    Path("own.yaml").write_text(
        "name: own\ndepth: 3\nwidth: 16\nlr: 0.01\ntrain: {steps: 20, batch_size: 16}\nseeds: 2\n"
        "grid:\n  task:\n    - {name: table, path: t.csv, target: y, kind: regression, standardize: true}\n"
        "    - {name: table, path: t.csv, target: y, kind: regression, standardize: false}\n"
    )
    code, _, err = command_line("run", "own.yaml", "--no-plots", "--executor", "inline")
    assert code == 0, err
    with Path("results/own/cells.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    raw = [float(cell["loss_first"]) for cell in cells if "standardize=False" in cell["task"]]
    scaled = [float(cell["loss_first"]) for cell in cells if "standardize" not in cell["task"]]
    assert len(raw) == len(scaled) == 2
    assert all(0.5 < loss / np.square(prices).mean() < 2 for loss in raw)
    assert all(0.1 < loss < 30 for loss in scaled)


def test_a_file_that_may_not_be_read(command_line: Call) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    Path("t.csv").write_text(TABLE)
    Path("t.csv").chmod(0)
    code, _, err = command_line("plan", spec("t.csv"))
    assert code == 2
    assert "t.csv cannot be read: Permission denied" in err


def test_a_file_that_changes_after_the_plan_ends_the_run(command_line: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells are named by what it held: other data must not be stored under their names."""
    monkeypatch.delenv("GRADLAB_WORK")
    Path("t.csv").write_text(TABLE)
    file = spec("t.csv")
    plan = gl.plan(file, device="cpu")
    (cell,) = plan.cells
    Path("t.csv").write_text(TABLE.replace("0.740", "0.741"))
    with pytest.raises(gl.GradlabError, match=r"t\.csv has changed since the run was planned"):
        train_bank([cell])
    Path("t.csv").write_text(TABLE)
    assert train_bank([cell])[0].status == "ok"
