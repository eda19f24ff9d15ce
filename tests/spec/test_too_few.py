"""Norms over so few numbers that their output is constant: refused before anything runs, wherever the number stands."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import gradlab as gl
from gradlab import grid, spec
from gradlab.cell import Cell
from gradlab.cli import invoke
from gradlab.components import NORMS, Named
from gradlab.errors import DataError, GradlabError, SpecError
from gradlab.nn.norms import WeightStandardisation, norm
from gradlab.training.loop import Trainer

BATCH = "norm: batch with train.batch_size: 1 gives the same output whatever comes in"

REFUSED = {
    "train: {steps: 20, batch_size: 1}\nnorm: batch": (3, BATCH),
    "norm: batch\ngrid: {train.batch_size: [1, 32]}": (3, BATCH),
    "train.batch_size: 1\ngrid: {norm: [none, {batch: 1e-3}]}": (3, BATCH),
    "zip: {norm: [batch, layer], train.batch_size: [1, 8]}": (2, BATCH),
    "norm: batch\ninclude: [{train.batch_size: 1}]": (3, BATCH),
    "norm: batch\ngrids: [{train.batch_size: 1}, {depth: 3}]": (3, BATCH),
    "norm: batch\nprobe: {batch_size: 1}": (3, BATCH.replace("train", "probe")),
    "norm: layer\nwidth: 1": (3, "norm: layer with width: 1 gives the same output whatever comes in"),
    "norm: rms\ngrid: {width: 1..4}": (3, "norm: rms with width: 1 gives the same output whatever comes in"),
    "model: lstm\nnorm: layer\nwidth: 1": (4, "norm: layer with width: 1 gives the same output whatever comes in"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_too_few_are_refused_with_both_settings(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec.loads(f"name: x\n{text}", "spec.yaml")
    (problem,) = caught.value.problems
    assert (problem.line, problem.message) == REFUSED[text]
    assert "of at least 2" in problem.hint


ALLOWED = (
    "norm: batch\ntrain.batch_size: 3",
    "norm: layer\ntrain.batch_size: 1",
    "norm: none\nwidth: 1\ntrain.batch_size: 1",
    "grid: {norm: [batch, none], train.batch_size: [1, 32]}\nexclude: [{norm: batch, train.batch_size: 1}]",
    "zip: {norm: [batch, none], train.batch_size: [32, 1]}",
)


@pytest.mark.parametrize("text", ALLOWED)
def test_what_is_enough_is_neither_refused_nor_warned_of(text: str) -> None:
    loaded = spec.loads(f"name: x\n{text}", "spec.yaml")
    assert loaded.warnings == ()
    assert grid.expand(loaded).cells


def test_two_are_a_warning() -> None:
    for text in ("norm: batch\ngrid: {train.batch_size: [2, 32]}", "norm: layer\nwidth: 2"):
        (warning,) = spec.loads(f"name: x\n{text}", "spec.yaml").warnings
        assert "almost no gradient comes through" in warning
    assert spec.loads("name: x\nnorm: rms\nwidth: 2").warnings == ()


def test_every_command_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text("name: x\nnorm: batch\n")
    Path("bad.yaml").write_text("name: x\nnorm: batch\ntrain: {batch_size: 1}\n")
    commands = (
        ["run", "bad.yaml"], ["plan", "bad.yaml"], ["run", "spec.yaml", "-s", "train.batch_size=1,32"],
        ["plan", "spec.yaml", "-s", "train.batch_size=1"], ["sweep", "--norm", "batch", "--train.batch_size", "1"],
        ["sweep", "--norm", "batch,none", "--batch-size", "1..4", "--dry-run"],
        ["theory", "--norm", "layer", "--width", "1"],
    )  # fmt: skip
    for command in commands:
        assert invoke(command) == 2, command
        assert "gives the same output whatever comes in" in capsys.readouterr().err
    assert not Path("results").exists()
    for call in (
        lambda: gl.run({"name": "x", "norm": "batch", "train.batch_size": 1}),
        lambda: gl.plan("spec.yaml", {"train.batch_size": [1, 2]}),
        lambda: gl.sweep(norm="batch", batch_size=1),
        lambda: gl.theory(norm="layer", width=1),
    ):
        with pytest.raises(GradlabError, match="gives the same output whatever comes in"):
            call()


@pytest.mark.parametrize("name", [name for name, known in NORMS.items() if known.least and name != "weight"])
def test_the_bound_is_where_the_output_begins_to_depend_on_the_input(name: str) -> None:
    """Against a plain loop: x of shape [R, N, O], whose N or O is the bound less one, and the bound."""
    layer = norm(Named(name, (*((("groups", 1),) if "groups" in NORMS[name].params else ()), ("eps", 0.0))))
    assert layer is not None
    over_batch = "train.batch_size" in NORMS[name].least
    for size, constant in ((1, True), (3, False)):
        shape = (1, size, 4) if over_batch else (1, 4, size)
        learned = {key: torch.full((1, shape[2]), start, dtype=torch.float64) for key, start in layer.starts.items()}
        outputs = [layer(torch.rand(shape, dtype=torch.float64) + 1, learned, None, "train") for _ in range(2)]
        assert bool(torch.allclose(outputs[0].nan_to_num(), outputs[1].nan_to_num())) is constant
    assert set(NORMS[name].least.values()) == {2}


def test_weights_of_one_input_have_no_deviation() -> None:
    layer = norm(Named("weight"))
    assert isinstance(layer, WeightStandardisation)
    for inputs, constant in ((1, True), (2, False)):
        weight = torch.rand(1, 4, inputs, dtype=torch.float64) + 1
        standardised = layer.standardised(weight, {"norm_weight": torch.ones(1, 4, dtype=torch.float64)})
        assert bool((standardised == 0).all()) is constant
    cell = Cell(task=Named("teacher", (("inputs", 1), ("samples", 64))), norm=Named("weight"), lr=0.1)
    with pytest.raises(DataError, match="one input"):
        Trainer([cell], torch.device("cpu"))


def test_two_samples_leave_almost_no_gradient() -> None:
    """torch.nn.BatchNorm1d itself: of a batch of 2 the gradient is that of eps alone."""
    torch.manual_seed(0)
    layer = torch.nn.BatchNorm1d(8, dtype=torch.float64)
    sizes = {}
    for n in (2, 3):
        x = torch.randn(n, 8, dtype=torch.float64, requires_grad=True)
        (layer(x) * torch.randn(n, 8, dtype=torch.float64)).sum().backward()
        assert x.grad is not None
        sizes[n] = x.grad.abs().median()
    assert sizes[2] < 1e-3 * sizes[3]


def test_a_task_of_one_sample_is_refused_where_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradlab.tasks import base
    from gradlab.training import loop

    def load(*arguments: object) -> base.Data:
        one = torch.ones(1, 1, 2, dtype=torch.float64)
        return base.regression((one, one), (one, one), base.R2(0.5))

    monkeypatch.setattr(loop, "load", load)
    with pytest.raises(DataError, match="norm: batch over 1 sample: task digits has no more"):
        Trainer([Cell(norm=Named("batch"), lr=0.1)], torch.device("cpu"))
