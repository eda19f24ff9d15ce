"""A command that is refused leaves nothing behind: no directory, no lock, no log, whatever it was refused for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gradlab as gl
from gradlab.errors import GradlabError

Command = Callable[..., tuple[int, str, str]]

GOOD = "name: good\nseeds: 1\ntrain: {steps: 1}\ngrid: {depth: [2, 3]}\n"
BAD = "name: bad\nwidth: nope\n"


def tree(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture
def files(tmp_path: Path, command_line: Command) -> set[str]:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "empty.csv").write_text("x,y\n")
    (tmp_path / "bytes.csv").write_bytes(bytes(range(256)))
    for name in ("empty", "bytes", "missing"):
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\ntask: {{name: table, path: {name}.csv, target: y, kind: regression}}\n"
        )
    (tmp_path / "plugin.py").write_text("raise KeyError('x')\n")
    return tree(tmp_path)


COMMANDS = [
    ("run", "bad.yaml"),
    ("run", "good.yaml", "bad.yaml"),
    ("run", "absent.yaml"),
    ("run", "empty.yaml"),
    ("run", "bytes.yaml"),
    ("run", "good.yaml", "missing.yaml"),
    ("run", "good.yaml", "--device", "cuda:9,nine"),
    ("run", "good.yaml", "--workers", "0"),
    ("run", "good.yaml", "--no-such-flag"),
    ("run", "good.yaml", "--limit", "1"),
    ("run", "good.yaml", "--seed-offset", str(2**64)),
    ("run", "good.yaml", "--out", "good.yaml"),
    ("run", "good.yaml", "--out", "good.yaml/deeper"),
    ("run", "good.yaml", "--bank-timeout", "-1"),
    ("run", "good.yaml", "--executor", "inline", "--workers", "3"),
    ("run", "good.yaml", "-s", "depth=deep"),
    ("run", "good.yaml", "--plugin", "plugin.py"),
    ("sweep", "--depth", "deep"),
    ("sweep", "--depth", "2,3", "--limit", "1"),
    ("sweep", "--depth", "2", "--name", "../outside"),
    ("plan", "good.yaml"),
    ("plan", "bad.yaml"),
    ("run", "good.yaml", "--dry-run"),
    ("compare", "results"),
    ("report", "results"),
    ("report", "good.yaml"),
    ("plot", "results", "--out", "pictures"),
    ("watch", "results"),
    ("show", "0", "results"),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=[" ".join(command) for command in COMMANDS])
def test_nothing_is_left(tmp_path: Path, files: set[str], command_line: Command, arguments: tuple[str, ...]) -> None:
    code, _, err = command_line(*arguments)
    assert code == (0 if ("plan" in arguments[0] and "good.yaml" in arguments) or "--dry-run" in arguments else 2), err
    assert tree(tmp_path) == files


@pytest.mark.parametrize("work", ["no_such_module:train", "fake_work:no_such_function", ":", "fake_work"])
@pytest.mark.parametrize("executor", [("--executor", "inline"), ("--workers", "1")], ids=["inline", "processes"])
def test_work_that_cannot_be_loaded_leaves_nothing(
    tmp_path: Path,
    files: set[str],
    command_line: Command,
    monkeypatch: pytest.MonkeyPatch,
    work: str,
    executor: tuple[str, ...],
) -> None:
    monkeypatch.setenv("GRADLAB_WORK", work)
    assert command_line("run", "good.yaml", *executor, "--no-plots")[0] == 2
    assert tree(tmp_path) == files
    Path("results").mkdir()
    assert command_line("run", "good.yaml", *executor, "--no-plots")[0] == 2
    assert tree(tmp_path) == {*files, "results"}, "the directory of the user stays"


def test_a_refused_run_takes_nothing_of_an_earlier_one(
    tmp_path: Path, files: set[str], command_line: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command_line("run", "good.yaml", "--executor", "inline", "--no-plots")[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".log"}
    Path("good.yaml").write_text(GOOD.replace("[2, 3]", "[2, 3, 4]"))
    monkeypatch.setenv("GRADLAB_WORK", "no_such_module:train")
    assert command_line("run", "good.yaml", "--executor", "inline", "--no-plots")[0] == 2
    kept = {path: path.read_bytes() for path in before if path.name.endswith((".parquet", ".csv"))}
    assert kept == {path: before[path] for path in kept}


REFUSED: list[Callable[[], Any]] = [
    lambda: gl.run({"name": "x", "width": "nope"}),
    lambda: gl.run({"width": 4}),
    lambda: gl.run("good.yaml", {"depth": "deep"}),
    lambda: gl.run("good.yaml", device="tpu"),
    lambda: gl.run("good.yaml", out="good.yaml"),
    lambda: gl.run("good.yaml", limit=1),
    lambda: gl.run("missing.yaml"),
    lambda: gl.run("good.yaml", workers=-1),
    lambda: gl.sweep(depth="deep"),
    lambda: gl.load("results"),
    lambda: gl.compare("results"),
]


@pytest.mark.parametrize("call", REFUSED, ids=range(len(REFUSED)))
def test_nothing_is_left_in_python_either(tmp_path: Path, files: set[str], call: Callable[[], Any]) -> None:
    with pytest.raises(GradlabError):
        call()
    assert tree(tmp_path) == files
