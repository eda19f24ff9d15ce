"""Ordinary values of a notebook, in every call: each is what it means."""

from __future__ import annotations

import enum
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
