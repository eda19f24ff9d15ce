"""Values and calls that mean nothing: one message that names the key, never an error of Python."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import gradlab as gl

SMALL = {"name": "t", "width": 8, "train": {"steps": 2, "batch_size": 8}, "probe": {"batch_size": 8}}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADLAB_WORK", "fake_work:train")
    Path("spec.yaml").write_text("name: t\nwidth: 8\ntrain: {steps: 2, batch_size: 8}\nprobe: {batch_size: 8}\n")


def broken() -> Iterator[int]:
    yield 2
    raise KeyError("out of data")


class Hostile:
    def tolist(self) -> object:
        raise RuntimeError("no list")


REFUSED: dict[str, Callable[[], Any]] = {
    "object": object,
    "bytes": lambda: b"relu",
    "bytearray": lambda: bytearray(b"3"),
    "complex": lambda: 1j,
    "complex array": lambda: np.array([1j]),
    "Timestamp": lambda: pd.Timestamp("2020-01-01"),
    "Timedelta": lambda: pd.Timedelta("1s"),
    "dates": lambda: np.array(["2020-01-01"], dtype="datetime64[ns]"),
    "date": lambda: np.datetime64("2020-01-01", "ns"),
    "Series of dates": lambda: pd.Series(pd.date_range("2020", periods=2)),
    "NaT": lambda: pd.NaT,
    "NA": lambda: pd.NA,
    "nan": lambda: np.nan,
    "inf": lambda: Decimal("Infinity"),
    "large Decimal": lambda: Decimal("1e400"),
    "large Fraction": lambda: Fraction(10**400, 3),
    "DataFrame": lambda: pd.DataFrame({"depth": [2, 3]}),
    "matrix": lambda: np.ones((2, 2)),
    "huge array": lambda: np.broadcast_to(np.int8(1), (10**9,)),
    "huge range": lambda: range(10**12),
    "function": lambda: len,
    "class": lambda: torch.nn.ReLU,
    "module": torch.nn.ReLU,
    "class of numpy": lambda: np.float64,
    "dtype": lambda: torch.int64,
    "broken generator": broken,
    "hostile array": Hostile,
    "structured": lambda: np.zeros(2, dtype=[("a", int)]),
    "meta tensor": lambda: torch.ones(2, device="meta"),
    "dict": lambda: {"a": 1},
    "empty": list,
    "file": lambda: io.StringIO("2\n3\n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_means_nothing_is_one_message_that_names_the_key(name: str) -> None:
    for call in (
        lambda value: gl.plan({**SMALL, "depth": value}),
        lambda value: gl.plan({**SMALL, "grid": {"depth": value}}),
        lambda value: gl.plan("spec.yaml", {"depth": value}),
        lambda value: gl.run("spec.yaml", depth=value, quiet=True),
        lambda value: gl.sweep(depth=value, quiet=True),
        lambda value: gl.theory(depth=value),
        lambda value: gl.theory_table(depth=value),
        lambda value: gl.critical_line(activation="tanh", width=value),
    ):
        with pytest.raises(gl.GradlabError, match=r"depth|width|grid") as caught:
            call(REFUSED[name]())
        assert caught.value.exit_code == 2
    assert not Path("results").exists()


MISTAKES: dict[str, Callable[[], object]] = {
    "a list for a spec": lambda: gl.run([1, 2]),  # type: ignore[arg-type]
    "None for a spec": lambda: gl.plan(None),  # type: ignore[arg-type]
    "a frame for a spec": lambda: gl.plan(pd.DataFrame()),  # type: ignore[arg-type]
    "a directory": lambda: gl.run("."),
    "a missing file": lambda: gl.plan(Path("no/such.yaml")),
    "a name with a zero": lambda: gl.plan("a\0b"),
    "a name too long": lambda: gl.plan("a" * 5000),
    "an unreadable name": lambda: gl.load("a\0b"),
    "a mapping without a name": lambda: gl.plan({}),
    "a name that is a list": lambda: gl.plan({"name": ["x"]}),
    "a name that is a number too large": lambda: gl.plan({"name": 10**5000}),
    "a description that is an object": lambda: gl.plan({"name": "x", "description": object()}),
    "a key that is an object": lambda: gl.plan({"name": "x", object(): 3}),
    "a key that is a tuple": lambda: gl.plan({"name": "x", ("depth", 2): 3}),
    "a key that is None": lambda: gl.plan({"name": "x", None: 3}),
    "a grid that is a number": lambda: gl.plan({"name": "x", "grid": 3}),
    "grids that are a text": lambda: gl.plan({"name": "x", "grids": "depth"}),
    "expect that is a number": lambda: gl.plan({"name": "x", "expect": 3}),
    "exclude that is an array": lambda: gl.plan({"name": "x", "exclude": np.arange(3)}),
    "settings that are a text": lambda: gl.plan("spec.yaml", "depth=3"),
    "settings that are bytes": lambda: gl.plan("spec.yaml", b"depth=3"),  # type: ignore[arg-type]
    "settings without a value": lambda: gl.plan("spec.yaml", ["depth"], width=3),
    "settings of numbers": lambda: gl.plan("spec.yaml", np.arange(2)),  # type: ignore[arg-type]
    "a setting twice": lambda: gl.plan("spec.yaml", {"depth": 2}, depth=3),
    "a setting under two names": lambda: gl.plan("spec.yaml", steps=2, **{"train.steps": 3}),
    "a foreign keyword": lambda: gl.run("spec.yaml", learning_rate=0.1),
    "a foreign setting": lambda: gl.plan("spec.yaml", {"learning_rate": 0.1}),
    "a parameter of no component": lambda: gl.plan("spec.yaml", **{"optimizer.epz": 0.1}),
    "a parameter that the component has not": lambda: gl.plan("spec.yaml", **{"optimizer.eps": 0.1}),
    "workers as a list": lambda: gl.run("spec.yaml", workers=[1]),  # type: ignore[arg-type]
    "workers as an array": lambda: gl.run("spec.yaml", workers=np.array([1, 2])),  # type: ignore[arg-type]
    "fresh as a text": lambda: gl.run("spec.yaml", fresh="yes"),  # type: ignore[arg-type]
    "a device that is a number": lambda: gl.run("spec.yaml", device=3),  # type: ignore[arg-type]
    "a limit that is not finite": lambda: gl.run("spec.yaml", limit=float("nan")),  # type: ignore[arg-type]
    "out that is a list": lambda: gl.run("spec.yaml", out=["a"]),  # type: ignore[arg-type]
    "inputs that are an array": lambda: gl.theory(inputs=np.ones(2)),  # type: ignore[arg-type]
    "inputs that are a number": lambda: gl.theory(inputs=3),  # type: ignore[arg-type]
    "a sweep's name": lambda: gl.sweep(name=["a"], quiet=True),  # type: ignore[arg-type]
    "a sweep without values": lambda: gl.sweep(depth=[], quiet=True),
    "by that is a number": lambda: gl.compare(".", by=3),
    "a metric that is a list": lambda: gl.compare(".", metric=["loss"]),  # type: ignore[arg-type]
    "where that is a number": lambda: gl.compare(".", where=3),  # type: ignore[arg-type]
    "top that is a text": lambda: gl.compare(".", top="few"),  # type: ignore[arg-type]
    "results that are numbers": lambda: gl.load([1, 2]),  # type: ignore[arg-type]
    "results that are None": lambda: gl.compare(None),  # type: ignore[arg-type]
    "a plugin that is a number": lambda: gl.plugin(3),  # type: ignore[arg-type]
    "a plugin that is not there": lambda: gl.plugin("no.py"),
    "a plugin that is a directory": lambda: gl.plugin("."),
    "a line of another setting": lambda: gl.critical_line(optimizer_eps=3),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_gradlab_error(mistake: str) -> None:
    with pytest.raises(gl.GradlabError) as caught:
        MISTAKES[mistake]()
    assert str(caught.value)
    assert len(str(caught.value)) < 6000


def test_a_run_that_there_is_not_and_a_picture_that_cannot_be_written() -> None:
    results = gl.run("spec.yaml", {"depth": [2, 3]}, workers=0, quiet=True)
    with pytest.raises(gl.UsageError, match="there is no run 'x'") as caught:
        results["x"]
    assert isinstance(caught.value, KeyError)
    assert results.report(width=np.int64(80)) == results.report(width=80)
    for call in (
        lambda: results.picture(3),  # type: ignore[arg-type]
        lambda: results.picture(["survival"]),  # type: ignore[arg-type]
        lambda: results.report(width="wide"),  # type: ignore[arg-type]
        lambda: gl.compare(results.paths).report(width=0),
        lambda: gl.Picture("a", b"", "").save(3),  # type: ignore[arg-type]
    ):
        with pytest.raises(gl.GradlabError):
            call()
    with pytest.raises(gl.UsageError, match="cannot be written"):
        gl.Picture("a", b"", "").save("no/such/folder.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_spec_that_may_not_be_read() -> None:
    Path("spec.yaml").chmod(0)
    with pytest.raises(gl.GradlabError, match="cannot be read: permission denied"):
        gl.plan("spec.yaml")


def test_foreign_keywords_get_the_hint_of_a_spec() -> None:
    for call in (lambda: gl.sweep(learning_rate=0.1), lambda: gl.theory(learning_rate=0.1), lambda: gl.run("spec.yaml",
                 learning_rate=0.1)):  # fmt: skip
        with pytest.raises(gl.UsageError, match=r"there is no setting 'learning_rate'\n  did you mean lr\?"):
            call()
