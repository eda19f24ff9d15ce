"""Residual forms and the start of their branches, against the formulas of their papers."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from contract import SMALL

from gradlab import grid, spec
from gradlab.cell import Cell
from gradlab.components import BRANCH_INITS, Named
from gradlab.errors import SpecError
from gradlab.mean_field import predict
from gradlab.training.loop import Trainer, train_bank

CPU = torch.device("cpu")
DIGITS = {"in_features": 64, "out_features": 10, "input_mean_square": 1.0}
BASE = Cell(depth=6, width=32, lr=0.1, steps=0, residual=Named("add"), precision=Named("float64"))


def weights(cell: Cell) -> list[torch.Tensor]:
    trainer = Trainer([cell], CPU)
    return [slot.view(trainer.flat_RP)[0] for slot in trainer.model.layout.profiled()]


@pytest.mark.parametrize("init", [Named("he_normal"), Named("orthogonal"), Named("torch_default")])
def test_the_branches_begin_as_asked_and_the_first_block_is_none(init):
    plain, zero, scaled = (weights(dataclasses.replace(BASE, init=init, branch_init=Named(n))) for n in BRANCH_INITS)
    assert torch.equal(plain[0], zero[0])
    assert torch.equal(plain[0], scaled[0])
    for block in range(1, BASE.depth):
        assert not zero[block].any()
        expected = plain[block] / math.sqrt(2 * (block + 1))
        torch.testing.assert_close(scaled[block], expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("depth", [6, 24])
def test_deepnorm_has_the_constants_of_the_paper(depth):
    """DeepNet, table 1, an encoder of N layers: α = (2N)^(1/4), β = (8N)^(-1/4); 1.861210 and 0.379918 for N = 6."""
    cell = dataclasses.replace(BASE, depth=depth, residual=Named("deepnorm"), norm=Named("layer"))
    model = Trainer([cell], CPU).model
    plain = weights(dataclasses.replace(cell, residual=Named("post_norm")))
    alpha, beta = (2 * depth) ** 0.25, (8 * depth) ** -0.25
    assert (model.arch.stream_gain, model.arch.branch_gain) == pytest.approx((alpha, beta), rel=1e-14)
    if depth == 6:
        assert (alpha, beta) == pytest.approx((1.861210, 0.379918), abs=1e-6)
    for block, weight in enumerate(weights(cell)):
        torch.testing.assert_close(weight, plain[block] * (beta if block else 1.0), rtol=1e-14, atol=0)


@pytest.mark.parametrize(
    "form",
    [
        {"activation": Named("softplus")}, {"norm": Named("layer"), "residual": Named("pre_norm")},
        {"activation": Named("sigmoid")}, {"norm": Named("layer"), "residual": Named("sandwich")},
        {"bias_std": 0.3, "activation": Named("tanh")},
        {"residual": Named("layer_scale", (("start", 0.0),)), "branch_init": Named("none")},
    ],
    ids=str,
)  # fmt: skip
def test_branches_that_begin_at_zero_keep_every_gradient_and_then_move(form):
    form = {"branch_init": Named("zero"), "activation": Named("gelu"), **form}
    cell = dataclasses.replace(BASE, **form, steps=2, probe_at=(0, 2))
    (record,) = train_bank([cell])
    np.testing.assert_allclose(record.log_grad_norm[0], record.log_grad_norm[0, -1], rtol=0, atol=1e-12)
    assert not np.allclose(record.log_grad_norm[1], record.log_grad_norm[1, -1], rtol=0, atol=1e-9)
    prediction = predict(cell, **DIGITS)
    if cell.residual.name == "sandwich":
        assert "does not know residual sandwich" in prediction.reason
    else:
        assert prediction.log_survival == pytest.approx(0, abs=1e-9)


def test_theory_refuses_what_it_has_no_formula_for():
    scaled = dataclasses.replace(BASE, branch_init=Named("depth_scaled"))
    assert "one variance of the weights" in predict(scaled, **DIGITS).reason
    moved = {"residual": Named("post_norm"), "norm": Named("layer"), "branch_init": Named("zero"), "bias_std": 0.1}
    assert "move a stream" in predict(dataclasses.replace(BASE, **moved), **DIGITS).reason
    still = dataclasses.replace(BASE, **{**moved, "bias_std": 0.0})
    # the first norm below the loss takes 2 of 32 directions out of the gradient, those below it no other
    assert predict(still, **DIGITS).log_survival == pytest.approx(math.log(1 - 2 / 32) / 2, rel=0.05)


def test_branches_of_relu_that_begin_at_zero_never_move():
    """Its slope at 0 is 0 in torch: no gradient reaches their weights."""
    (record,) = train_bank([dataclasses.replace(BASE, branch_init=Named("zero"), steps=3, probe_at=(0, 3))])
    assert np.exp(record.log_weight_grad_norm[:, 1:]).max() == 0
    assert np.exp(record.log_weight_grad_norm[0, 0]) > 0


def test_both_norms_of_a_sandwich_keep_running_statistics():
    cell = dataclasses.replace(SMALL, norm=Named("batch"), residual=Named("sandwich"))
    trainer = Trainer([cell], CPU)
    assert len(trainer.running) == 2 * cell.depth
    trainer.train()
    moved = [bool((running[:, 0] != 0).any()) for running in trainer.running]
    assert moved == [False, True, True, False, True, True]


def test_settings_of_branches_mean_nothing_without_them_and_recurrent_networks_have_none():
    cells = grid.expand(spec.loads("name: x\ngrid: {branch_init: [none, zero]}")).cells
    assert len(cells) == 1
    two = grid.expand(spec.loads("name: x\nresidual: add\ngrid: {branch_init: [none, zero]}")).cells
    assert len({cell.branch_init for cell in two}) == 2
    deep = "name: x\nresidual: deepnorm\nnorm: layer\ngrid: {residual_scale: [1, 0.5]}"
    assert len(grid.expand(spec.loads(deep)).cells) == 1
    with pytest.raises(SpecError, match="lstm cannot have branch_init zero"):
        spec.loads("name: x\nmodel: lstm\nresidual: add\nbranch_init: zero")
