"""Parameters of components as factors of a comparison, each with effects of its own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import gradlab as gl
from gradlab.analysis.compare.parameters import split_parameters
from gradlab.cell import REGISTRIES, Cell, settings_of
from gradlab.cli import invoke

CROSSED = ["adam", "adam(eps=0.0001)", "rmsprop", "rmsprop(eps=0.0001)"]


def frame(optimizers: list[str]) -> pd.DataFrame:
    plain = {key: value for key, value in settings_of(Cell()).items() if key in REGISTRIES}
    return pd.DataFrame([{**plain, "optimizer": optimizer} for optimizer in optimizers])


def split(optimizers: list[str], by: str | None = None, baseline: str | None = None) -> list[tuple[object, ...]]:
    cells = split_parameters(frame(optimizers), by, baseline)
    names = [name for name in ("optimizer", "optimizer.eps", "optimizer.beta1") if name in cells]
    return list(cells[names].itertuples(index=False, name=None))


def test_what_is_crossed_is_two_factors() -> None:
    assert split(CROSSED) == [("adam", 1e-8), ("adam", 1e-4), ("rmsprop", 1e-8), ("rmsprop", 1e-4)]
    reset = [text.replace(")", ", beta1=0.5)") for text in CROSSED if "(" in text]
    assert split(["adam(beta1=0.5)", *reset[:1], "radam(beta1=0.5)", "radam(beta1=0.5, eps=0.0001)"]) == [
        ("adam(beta1=0.5)", 1e-8), ("adam(beta1=0.5)", 1e-4), ("radam(beta1=0.5)", 1e-8), ("radam(beta1=0.5)", 1e-4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "optimizers",
    [
        CROSSED[:3],  # one combination is missing
        ["adam", "adam(eps=0.0001)", "adam(eps=0.01)", "adam(eps=0.1)"],  # one component
        ["adam", "adam(eps=0.0001)", "sgd", "momentum"],  # components that have none
        ["adam", "adam(eps=0.0001)", "rmsprop(eps=0.01)", "rmsprop(eps=0.1)"],  # other values
    ],
)
def test_what_is_not_crossed_stays_whole(optimizers: list[str]) -> None:
    assert split(optimizers) == [(text,) for text in optimizers]


def test_what_is_asked_for_is_split_and_what_is_named_stays_whole() -> None:
    assert split(["adam", "adam(eps=0.0001)", "sgd"], by="optimizer.eps")[:2] == [("adam", 1e-8), ("adam", 1e-4)]
    assert pd.isna(split(["adam", "sgd"], by="depth, optimizer.eps")[1][1])
    assert split(CROSSED[:2], baseline="optimizer.eps=1e-8") == [("adam", 1e-8), ("adam", 1e-4)]
    for by, baseline in (("optimizer", None), (None, "optimizer=adam(eps=0.0001)")):
        assert split(CROSSED, by, baseline) == [(text,) for text in CROSSED]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRADLAB_WORK", "fake_work:train")
    mapping = {"name": "a", "seeds": 3, "train.steps": 3, "optimizer": ["adam", "rmsprop"], "depth": [2, 4]}
    gl.run({**mapping, "optimizer.eps": [1e-8, 1e-4]}, workers=0, quiet=True)
    return tmp_path / "results"


def test_a_comparison_has_its_effects(runs: Path) -> None:
    comparison = gl.compare(runs)
    (analysis, *_) = comparison.answer.analyses
    assert [factor.name for factor in comparison.answer.design.factors] == ["depth", "optimizer", "optimizer.eps"]
    assert {effect.factor for effect in analysis.effects.levels} == {"depth"}
    assert analysis.effects.notes == ("the same at every level: optimizer, optimizer.eps",)  # before training
    assert "optimizer.eps" in comparison.report()
    by = gl.compare(runs, by=["depth", "optimizer.eps"])
    assert sorted(set(by.table["optimizer.eps"])) == [1e-8, 1e-4]
    pairs = gl.compare(runs, baseline="optimizer.eps=1e-8").answer.paired
    assert [(pair.settings, pair.target) for pair in pairs] == [(("optimizer.eps",), ("0.0001",))]
    assert len(gl.compare(runs, where="optimizer.eps<1e-6").answer.cells) == 12


def test_whole_components_keep_their_meaning(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["compare", str(runs), "--fail-on", "optimizer=adam(eps=0.0001)"]) == 3
    assert "holds for 2 configurations" in capsys.readouterr().err
    assert invoke(["compare", str(runs), "--fail-on", "optimizer.eps>1e-3"]) == 0
    assert invoke(["compare", str(runs), "--by", "optimizer.epz"]) == 2
    assert invoke(["compare", str(runs), "--by", "learning_rate"]) == 2
    assert "did you mean lr?" in capsys.readouterr().err
