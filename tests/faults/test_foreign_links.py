"""Links, pipes and hard links inside of run directories from somebody else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="links and pipes are POSIX")]

Command = Callable[..., tuple[int, str, str]]

SECRET = b"what lies outside of the run directory\n"

NAMES = [
    "run.log", "run.lock", "failures.jsonl", "spec.yaml", "run.json", "tables.json", "cells.csv", "SHA256SUMS",
    "theory.json", "parts", "parts/PART", "checkpoints", "checkpoints/0123456789abcdef.ckpt", "plots",
    "plots/heatmap.png", "parts.old",
]  # fmt: skip


def put_link(place: Path, outside: Path) -> None:
    place.symlink_to(outside / "file")


def put_directory_link(place: Path, outside: Path) -> None:
    place.symlink_to(outside)


def put_dangling_link(place: Path, outside: Path) -> None:
    place.symlink_to(outside / "not there")


def put_pipe(place: Path, outside: Path) -> None:
    os.mkfifo(place)


def put_hard_link(place: Path, outside: Path) -> None:
    os.link(outside / "file", place)


ALWAYS = (put_link, put_pipe)
PLACED = [(name, put) for name in NAMES for put in ALWAYS] + [
    (name, put)
    for name in ("run.log", "run.lock", "parts", "parts/PART", "checkpoints")
    for put in (put_directory_link, put_dangling_link, put_hard_link)
    if "." in name or put is not put_hard_link
]


@pytest.mark.parametrize(("name", "put"), PLACED, ids=[f"{name}-{put.__name__}" for name, put in PLACED])
@pytest.mark.usefixtures("in_time")
def test_nothing_outside_is_written_or_removed(
    run: Path, command_line: Command, tmp_path: Path, name: str, put: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    kept = {"file": SECRET, "work.tmp": b"x", "other.parquet": b"y", "a.ckpt": b"z", "cells.csv.1.tmp": b"w"}
    for own, data in kept.items():
        (outside / own).write_bytes(data)
    place = run / name.replace("PART", sorted((run / "parts").iterdir())[0].name)
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    put(place, outside)
    for arguments in (
        ("compare", "results"),
        ("run", "demo.yaml", "--executor", "inline", *["--no-plots"] * (not name.startswith("plots"))),
        ("watch", "results/demo"),
        ("run", "demo.yaml", "--executor", "inline", "--fresh", "--no-plots"),
    ):
        code, _, err = command_line(*arguments)
        assert code in (0, 1, 2), (arguments, err)
        assert "bug in gradlab" not in err
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == kept


def test_files_of_somebody_else_in_the_directories_of_a_run_stay(run: Path, command_line: Command) -> None:
    (run / "checkpoints").mkdir(exist_ok=True)
    theirs = [
        run / "notes.tmp", run / "thesis.1.tmp", run / "parts" / "x.tmp", run / "checkpoints" / "model.pt",
        run / "checkpoints" / "a.1.tmp",
    ]  # fmt: skip
    ours = [
        run / "cells.csv.12.tmp", run / "parts" / "0123456789abcdef.parquet.12.tmp",
        run / "checkpoints" / "b.ckpt.1.tmp",
    ]  # fmt: skip
    for path in (*theirs, *ours):
        path.write_text("x")
    assert command_line("run", "demo.yaml", "--executor", "inline", "--rerun-failed", "--no-plots")[0] == 0
    assert all(path.exists() for path in theirs)
    assert not any(path.exists() for path in ours)


def test_results_that_are_a_link_work(run: Path, command_line: Command, tmp_path: Path) -> None:
    shutil.move("results", tmp_path / "disk")
    Path("results").symlink_to(tmp_path / "disk")
    assert command_line("run", "demo.yaml", "--executor", "inline", "--rerun-failed")[0] == 0
    assert command_line("compare", "results")[0] == 0
    assert Path("results").is_symlink()
