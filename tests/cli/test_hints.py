"""Flags as other tools have them: parameters of components, and what a command line that is none is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlab import grid, spec
from gradlab.cell import cell_id
from gradlab.cli import invoke

SWEEP = ["sweep", "--depth", "2,4", "--activation", "relu", "--seeds", "1"]


def saved(tmp_path: Path, *flags: str) -> set[str]:
    """Return the ids of the cells of a sweep."""
    path = tmp_path / "saved.yaml"
    path.unlink(missing_ok=True)
    assert invoke([*SWEEP, *flags, "--save", str(path)]) == 0
    return set(map(cell_id, grid.expand(spec.load(path)).cells))


SAME = {
    ("--optimizer", "adam", "--optimizer.eps", "1e-8,1e-4"): ["--optimizer", "adam,{name: adam, eps: 1e-4}"],
    ("--optimizer.eps=1e-4", "--optimizer=adam"): ["--optimizer", "{name: adam, eps: 1e-4}"],
    ("--optimizer", "adam", "--parameter", "optimizer.eps=1e-4"): ["--optimizer", "{name: adam, eps: 1e-4}"],
    ("--optimizer", "adam", "--optimizer.lr", "0.1,0.2"): ["--optimizer", "adam", "--lr", "0.1,0.2"],
    ("--init", "normal", "--init.std", "0.1..0.3:0.1"): ["--init", "{normal: 0.1},{normal: 0.2},{normal: 0.3}"],
    ("--task", "teacher", "--task.noise", "0 0.5"): ["--task", "teacher,{name: teacher, noise: 0.5}"],
    ("--clip", "off", "--norm", "LayerNorm"): ["--clip", "none", "--norm", "layer"],
    ("--width=2", "4", "8", "--l2", "0"): ["--width", "2,4,8", "--l2", "0"],
    ("--width", "2", "4..8*2", "--quiet"): ["--width", "2,4,8"],
    ("--train.steps", "2", "3", "--batch-size", "8", "16"): ["--train.steps=2,3", "--train.batch_size=8,16"],
    ("--norm", "layer", "rms", "--l1", "0"): ["--norm", "layer,rms", "--l1", "0"],
    ("--optimizer", "adam", "--optimizer.eps", "1e-8", "1e-4"): ["--optimizer", "adam,{name: adam, eps: 1e-4}"],
}  # fmt: skip


@pytest.mark.parametrize("flags", SAME)
def test_a_parameter_of_a_component_is_a_flag(flags: tuple[str, ...], tmp_path: Path) -> None:
    assert saved(tmp_path, *flags) == saved(tmp_path, *SAME[flags])


def test_theory_has_a_row_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--activation", "leaky_relu", "--activation.negative_slope", "0.1,0.2", "--depth", "4"]
    assert invoke(["theory", *flags]) == 0
    shown = capsys.readouterr().out
    assert "leaky_relu(negative_slope=0.1)" in shown
    assert "leaky_relu(negative_slope=0.2)" in shown


TOLD = {
    "sweep --learning-rate 0.1": "did you mean --lr?",
    "sweep --hidden_size 64": "did you mean --width?",
    "sweep --epochs 5": "did you mean --steps?; training is counted in updates",
    "sweep --random-state 5": "did you mean --seeds?",
    "theory --nLayers 5": "did you mean --depth?",
    "sweep --loss mse": "the loss comes with the task",
    "run spec.yaml --epochs 5": "a setting of a spec is overridden by -s train.steps=VALUE",
    "run spec.yaml --seed 5": "a setting of a spec is overridden by -s seeds=VALUE; a list, seeds: [7], names them",
    "run spec.yaml --depth 5": "a setting of a spec is overridden by -s depth=VALUE",
    "plan spec.yaml --optimizer.eps 5": "a setting of a spec is overridden by -s optimizer.eps=VALUE",
    "sweep --depth --width 3": "depth",
    "sweep --name a b": "see gradlab sweep --help",
    "sweep 2 4": "see gradlab sweep --help",
    "sweep --depth 2 width=3": "a setting is a flag: --width 3",
    "sweep depth=2,4": "a setting is a flag: --depth 2,4",
    "sweep +train.batch_size=2": "a setting is a flag: --batch-size 2",
    "run depth=2,4": "a setting is overridden by -s depth=2,4",
    "sweep --optimizer.epz 3": "--optimizer.epz: no component has such a parameter",
    "sweep --parameter depth=3": "write --optimizer.eps 1e-8,1e-4",
    "sweep --optimizer.eps": "it needs a value: --optimizer.eps VALUES",
    "sweep --optimizer sgd --optimizer.eps 1": "sgd has no parameter 'eps'",
    "plan --device": "see gradlab plan --help",
    "compare results --metrics loss": "did you mean --metric?",
}  # fmt: skip


@pytest.mark.parametrize("line", TOLD)
def test_the_message_says_what_is_meant(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text("name: x\n")
    assert invoke(line.split()) == 2
    error = capsys.readouterr().err
    assert TOLD[line] in error
    assert "bug" not in error
