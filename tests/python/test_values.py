"""Ordinary values of a notebook, in every call: each is what it means, or one message that names the key."""

from __future__ import annotations

import enum
import io
import os
from collections import deque
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
from gradlab.cell import cell_id
from gradlab.components import Named

SMALL = {"name": "t", "width": 8, "train": {"steps": 2, "batch_size": 8}, "probe": {"batch_size": 8}}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADLAB_WORK", "fake_work:train")
    Path("spec.yaml").write_text("name: t\nwidth: 8\ntrain: {steps: 2, batch_size: 8}\nprobe: {batch_size: 8}\n")


class Depth(enum.Enum):
    SMALL = 2
    LARGE = 3


class Size(enum.IntEnum):
    THREE = 3


class Word(enum.StrEnum):
    TANH = "tanh"


def counted() -> Iterator[int]:
    yield from (2, 3)


DEPTHS: dict[str, tuple[Callable[[], Any], Any]] = {
    "np.int64": (lambda: np.int64(3), 3),
    "np.float64": (lambda: np.float64(3), 3),
    "np.float16": (lambda: np.float16(3), 3),
    "np.uint8": (lambda: np.uint8(3), 3),
    "0-d array": (lambda: np.array(3), 3),
    "0-d tensor": (lambda: torch.tensor(3), 3),
    "tensor with a gradient": (lambda: torch.tensor(3.0, requires_grad=True), 3),
    "Decimal": (lambda: Decimal(3), 3),
    "Fraction": (lambda: Fraction(6, 2), 3),
    "IntEnum": (lambda: Size.THREE, 3),
    "Enum": (lambda: Depth.SMALL, 2),
    "float": (lambda: 3.0, 3),
    "text": (lambda: "3", 3),
    "np.str_": (lambda: np.str_("3"), 3),
    "np.arange": (lambda: np.arange(2, 4), [2, 3]),
    "array of objects": (lambda: np.array([2, Decimal(3)], dtype=object), [2, 3]),
    "tensor": (lambda: torch.arange(2, 4), [2, 3]),
    "Series": (lambda: pd.Series([2, 3]), [2, 3]),
    "Index": (lambda: pd.Index([2, 3]), [2, 3]),
    "RangeIndex": (lambda: pd.RangeIndex(2, 4), [2, 3]),
    "Categorical": (lambda: pd.Categorical([2, 3]), [2, 3]),
    "nullable Series": (lambda: pd.Series([2, 3], dtype="Int64"), [2, 3]),
    "range": (lambda: range(2, 4), [2, 3]),
    "tuple": (lambda: (2, 3), [2, 3]),
    "set": (lambda: {3, 2}, [2, 3]),
    "frozenset": (lambda: frozenset({3, 2}), [2, 3]),
    "deque": (lambda: deque([2, 3]), [2, 3]),
    "generator": (counted, [2, 3]),
    "map": (lambda: map(int, "23"), [2, 3]),
    "dict keys": (lambda: {2: "a", 3: "b"}.keys(), [2, 3]),
    "mixed": (lambda: [np.int32(2), torch.tensor(3)], [2, 3]),
    "Enum class": (lambda: Depth, [2, 3]),
    "range as text": (lambda: "range(2, 4)", [2, 3]),
}


def ids(plan: gl.Plan) -> list[str]:
    return list(plan.ids)


def plan_of(**settings: Any) -> list[str]:
    fixed = {key: value for key, value in settings.items() if not isinstance(value, list)}
    varied = {key: value for key, value in settings.items() if isinstance(value, list)}
    return ids(gl.plan({**SMALL, **fixed, "grid": varied}))


@pytest.mark.parametrize("name", DEPTHS)
def test_a_depth_in_every_call(name: str) -> None:
    make, plain = DEPTHS[name]
    expected = plan_of(depth=plain)
    several = isinstance(plain, list)
    assert ids(gl.plan({**SMALL, "depth": make()})) == expected
    if several:
        assert ids(gl.plan({**SMALL, "grid": {"depth": make()}})) == expected
    assert ids(gl.plan("spec.yaml", {"depth": make()})) == expected
    assert ids(gl.plan("spec.yaml", depth=make())) == expected
    assert list(gl.run("spec.yaml", depth=make(), workers=0, quiet=True).cells["cell"]) == expected
    swept = [gl.sweep(depth=depth, activation="relu", quiet=True, workers=0).cells for depth in (make(), plain)]
    assert list(swept[0]["cell"]) == list(swept[1]["cell"])
    pd.testing.assert_frame_equal(gl.theory_table(depth=make()), gl.theory_table(depth=plain))
    if several:
        with pytest.raises(gl.UsageError, match="theory_table"):
            gl.theory(depth=make())
    else:
        assert repr(gl.theory(depth=make())) == repr(gl.theory(depth=plain))


OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "bool": ({"task": {"name": "sequential_digits", "permuted": np.bool_(True)}, "model": "rnn"},
             {"task": {"name": "sequential_digits", "permuted": True}, "model": "rnn"}),
    "words": ({"activation": pd.Series(["tanh", "relu"])}, {"activation": ["tanh", "relu"]}),
    "StrEnum": ({"activation": Word.TANH}, {"activation": "tanh"}),
    "names": ({"activation": np.array(["tanh", "relu"])}, {"activation": ["tanh", "relu"]}),
    "components": ({"init": [{"name": "normal", "std": std} for std in np.array([0.1, 0.2])]},
                   {"init": [{"name": "normal", "std": 0.1}, {"name": "normal", "std": 0.2}]}),
    "a component": ({"optimizer": Named("adam", (("eps", 1e-4),))}, {"optimizer": {"name": "adam", "eps": 1e-4}}),
    "dotted parameter": ({"optimizer": "adam", "optimizer.eps": np.array([1e-8, 1e-4])},
                         {"optimizer": ["adam", {"name": "adam", "eps": 1e-4}]}),
    "seeds": ({"seeds": np.int64(2)}, {"seeds": 2}),
    "learning rates": ({"lr": torch.logspace(-3, -1, 3, dtype=torch.float64)}, {"lr": [1e-3, 1e-2, 1e-1]}),
    "keys": ({np.str_("depth"): np.int64(3)}, {"depth": 3}),
    "torch.dtype": ({"precision": torch.float64}, {"precision": "float64"}),
    "bfloat16": ({"precision": torch.bfloat16}, {"precision": "bfloat16"}),
    "np.dtype": ({"precision": np.dtype("float64")}, {"precision": "float64"}),
    "nothing": ({"clip": False, "norm": None, "dropout": "off"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_other_settings(name: str) -> None:
    given, plain = OTHERS[name]
    assert ids(gl.plan({**SMALL, **given})) == ids(gl.plan({**SMALL, **plain}))
    assert ids(gl.plan("spec.yaml", given)) == ids(gl.plan({**SMALL, **plain}))


def test_keywords_of_settings_and_parameters() -> None:
    expected = ids(gl.plan({**SMALL, "optimizer": [{"name": "adam", "eps": 1e-4}, "adam"], "train": {"steps": 3,
                            "batch_size": 8}}))  # fmt: skip
    for keywords in ({"optimizer.eps": [1e-4, 1e-8], "train.steps": 3}, {"optimizer_eps": (1e-4, 1e-8), "steps": 3}):
        assert ids(gl.plan("spec.yaml", optimizer="adam", **keywords)) == expected
        assert ids(gl.plan("spec.yaml", ["optimizer=adam"], **keywords)) == expected
        assert ids(gl.plan("spec.yaml", {"optimizer": "adam"}, **keywords)) == expected
    swept = gl.sweep(depth=2, seeds=1, optimizer="adam", **{"optimizer.eps": [1e-8, 1e-4]}, quiet=True, workers=0)
    assert set(swept.cells["optimizer"]) == {"adam", "adam(eps=0.0001)"}
    rows = gl.theory_table(init="normal", init_std=[0.1, 0.2], activation="tanh")
    assert list(rows["init"]) == ["normal(std=0.1)", "normal(std=0.2)"]
    assert [cell_id(cell) for cell in gl.plan("spec.yaml", clip=None).cells] == ids(gl.plan("spec.yaml"))


def test_a_path_is_one_text_whatever_it_holds() -> None:
    for name in ("a, b.csv", "2..4.csv", "{x}.csv", "x(1).csv"):
        Path(name).write_text("x,y\n" + "".join(f"{i},{i % 5}\n" for i in range(20)))
        task = {"name": "table", "path": Path(name), "target": "y", "kind": "regression"}
        (cell,) = gl.plan({**SMALL, "task": task}).cells
        again = gl.plan({**SMALL, "task": {**task, "path": "other.csv"}}, {"task.path": Path(name)}).cells
        assert dict(cell.task.params)["path"] == str(Path(name).resolve())
        assert again == (cell,)


def test_options_and_paths() -> None:
    plain = gl.run("spec.yaml", workers=0, quiet=True).cells
    for given in (
        {"workers": np.int64(0), "quiet": np.bool_(True)},
        {"workers": torch.tensor(0), "quiet": True, "fresh": np.bool_(False)},
        {"out": b"results", "workers": 0, "quiet": True, "device": torch.device("cpu")},
        {"out": np.str_("results"), "workers": 0, "quiet": True, "limit": np.array(100)},
        {"executor": "inline", "quiet": True, "seed_offset": np.uint8(0), "retries": Decimal(1)},
    ):
        assert list(gl.run(b"spec.yaml", **given).cells["cell"]) == list(plain["cell"])  # type: ignore[arg-type]
    other = gl.run("spec.yaml", {"name": "u", "depth": [2, 3], "activation": ["relu", "tanh"]}, workers=0, quiet=True)
    for given in (["results/t", "results/u"], (Path("results/t"), b"results/u"), np.array(["results/t", "results/u"]),
                  pd.Series(["results/t", "results/u"]), (path for path in ("results/t", "results/u"))):  # fmt: skip
        assert gl.load(given).names == ("t", "u")  # type: ignore[arg-type]
    table = gl.compare(other.paths, by="depth,activation", top=3).table
    for by in (["depth", "activation"], ("depth", "activation"), pd.Index(["depth", "activation"])):
        pd.testing.assert_frame_equal(gl.compare(other, by=by, top=np.int64(3)).table, table)  # type: ignore[arg-type]
    for baseline in ("depth=2", {"depth": 2}, ["depth=2"], {"depth": np.int64(2)}):
        assert gl.compare(other, baseline=baseline).answer.baseline == {"depth": "2"}  # type: ignore[arg-type]
    assert len(gl.compare(other, where={"depth": 2}).answer.cells) == 2  # type: ignore[arg-type]
    for fail_on in (["survival<0"], pd.Series(["survival<0"]), "survival<0", (text for text in ["survival<0"])):
        assert len(gl.compare(other, fail_on=fail_on).checks) == 1  # type: ignore[arg-type]


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
