"""Runs of the fake work, and what they leave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from gradlab import spec
from gradlab.api.options import PlanOptions
from gradlab.api.plan import prepare
from gradlab.api.run import RunResult, execute
from gradlab.execution.base import Outcome
from gradlab.execution.inline import InlineExecutor
from gradlab.execution.progress import Progress

TEXT = """
name: demo
seeds: 2
train: {steps: 5}
grid: {depth: [2, 8], activation: [sigmoid, relu, selu]}
"""


class Listening:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.steps: list[Progress] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def advance(self, progress: Progress, outcome: Outcome | None) -> None:
        self.steps.append(progress)

    def rest(self) -> None:
        self.resting = True


def run(out: Path, text: str = TEXT, **options: Any) -> tuple[RunResult, Listening]:
    listener = Listening()
    names = ("fail_fast", "predict", "retries")
    chosen = {name: options.pop(name) for name in names if name in options}
    prepared = prepare(spec.loads(text), PlanOptions(out=out, device="cpu", **options))
    executor = InlineExecutor("fake_work:train", "cpu")
    return execute(prepared, executor, listener, command=["gradlab", "run"], device="cpu", **chosen), listener


def tables(path: Path) -> dict[str, pd.DataFrame]:
    names = ("cells", "layers", "steps", "summary")
    return {name: pd.read_csv(path / f"{name}.csv").drop(columns="wall_s", errors="ignore") for name in names}


def same(left: dict[str, pd.DataFrame], right: dict[str, pd.DataFrame], without: tuple[str, ...] = ()) -> None:
    for name, frame in left.items():
        drop = [column for column in without if column in frame.columns]
        pd.testing.assert_frame_equal(frame.drop(columns=drop), right[name].drop(columns=drop), check_exact=True)
