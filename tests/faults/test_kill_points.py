"""SIGKILL between the system calls of a run, wherever it writes: the same command again mends and finishes it."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from injected import Server

from gradlab.results.run import Run
from gradlab.store import RunDirectory

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its processes")

TEXT = """
name: demo
seeds: 2
train: {steps: 5}
grid: {depth: [2, 3], activation: [sigmoid, relu]}
"""
REAL = TEXT.replace("name: demo", "name: demo\nwidth: 8").replace("[sigmoid, relu]", "[relu]")
RUN = ("run", "demo.yaml", "--no-plots", "--executor", "inline")
LONG = bool(os.environ.get("GRADLAB_LONG"))
SHARES = 2
"""Tests that the points are dealt to, so that they can run beside each other."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


class Case:
    """A directory with a spec, a run of it, and what the run trained."""

    def __init__(self, server: Server, cwd: Path, text: str = TEXT, work: str = "fake_work:train") -> None:
        cwd.mkdir()
        (cwd / "demo.yaml").write_text(text)
        self.server, self.cwd, self.work = server, cwd, work
        self.run_directory = RunDirectory(cwd / "results" / "demo")

    def run(self, at: int = 0) -> dict[str, Any]:
        return self.server.run(self.cwd, *RUN, at=at, wishes={"calls": str(self.cwd / "calls")}, work=self.work)

    def trained(self) -> list[str]:
        calls = self.cwd / "calls"
        return calls.read_text().split() if calls.exists() else []

    def left(self) -> dict[str, Any]:
        """Everything in the run directory but run.json, the log and the times."""
        path = self.run_directory.path
        found: dict[str, Any] = {}
        for file in sorted(path.rglob("*")):
            name = str(file.relative_to(path))
            if file.suffix == ".parquet":
                found[name] = repr(pd.read_parquet(file).drop(columns="wall_s").to_dict("list"))
            elif name == "cells.csv":
                found[name] = pd.read_csv(file, dtype=str).drop(columns="wall_s").to_csv()
            elif name == "theory.json":
                found[name] = json.loads(file.read_text())["predictions"]
            elif name in ("run.json", "tables.json", "SHA256SUMS"):
                found[name] = ""  # with the times, or their sums, in them; both are checked below
            elif name != "run.log":
                found[name] = file.read_bytes() if file.is_file() else ""
        return found


def check(case: Case, whole: dict[str, Any], points: list[int]) -> None:
    """Kill a run at each of the points in turn, the last time not at all, and compare."""
    told = f"killed at {points}"
    for at in points:
        done = set(case.run_directory.done(verify=True)[0])
        before = len(case.trained())
        assert case.run(at)["code"] == -9, told
        assert not done & set(case.trained()[before:]), told
    done, damaged = case.run_directory.done(verify=True)
    before = len(case.trained())
    answer = case.run()
    assert (answer["code"], damaged) == (0, ()), f"{told}: {answer['err']}"
    assert "checksum" not in answer["err"], told
    assert not set(done) & set(case.trained()[before:]), f"{told}: a finished cell was trained again"
    assert case.left() == whole, told
    run = Run(case.run_directory.path)
    assert len(run.tables.cells), told
    assert run.warnings == (), told
    with case.run_directory.lock():
        assert case.run_directory.mend() == (), told
    assert case.run_directory.sessions(), told


@pytest.fixture(scope="module")
def whole(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, Any]]:
    """The names of the system calls of an undisturbed run, and what it leaves."""
    case = Case(server, tmp_path_factory.mktemp("whole") / "x")
    answer = case.run()
    assert answer["code"] == 0, answer["err"]
    assert len(case.trained()) == 8
    return answer["names"], case.left()


def chosen(names: list[str], number: int) -> list[int]:
    """One call of each kind, every call that has to do with the first part, and `number` others."""
    kinds = {" ".join(name.split()[:2]): at for at, name in reversed(list(enumerate(names, 1)))}
    first = next(at for at, name in enumerate(names, 1) if ".parquet" in name)
    part = range(first, first + 13)  # open, write, fsync, rename, fsync of the directory, each before and after
    return sorted({*kinds.values(), *part, *random.Random(0).sample(range(1, len(names) + 1), number)})


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_a_run_killed_between_two_system_calls_goes_on_as_if_nothing_had_been(
    server: Server, whole: tuple[list[str], dict[str, Any]], tmp_path: Path, share: int
) -> None:
    names, left = whole
    points = list(range(1, len(names) + 1)) if LONG else chosen(names, 5)
    for at in points[share::SHARES]:
        check(Case(server, tmp_path / str(at)), left, [at])


@pytest.mark.slow
def test_killed_again_and_again_it_still_comes_to_the_same_end(
    server: Server, whole: tuple[list[str], dict[str, Any]], tmp_path: Path
) -> None:
    names, left = whole
    rng = random.Random(1)
    for number in range(40 if LONG else 4):
        # a run that finds everything done makes fewer calls than the first
        points = [rng.randint(1, len(names) // 3) for _ in range(rng.randint(2, 4))]
        check(Case(server, tmp_path / str(number)), left, points)


@pytest.mark.slow
def test_so_does_real_training(server: Server, tmp_path: Path) -> None:
    whole = Case(server, tmp_path / "whole", REAL, "gradlab.execution.worker:train")
    names = whole.run()["names"]
    published = [at for at, name in enumerate(names, 1) if name.startswith("after replace") and ".parquet" in name]
    assert len(published) == 2
    for at in (published[0] - 1, published[0] + 1, len(names) - 20) if LONG else published[:1]:
        check(Case(server, tmp_path / str(at), REAL, "gradlab.execution.worker:train"), whole.left(), [at])
