"""The probe against theory: the factors of mean-field theory at width 512, and numbers beyond float64's range."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from walked import walked

from gradlab.cell import Cell, probe_steps
from gradlab.components import Named
from gradlab.families.network import Context
from gradlab.probing import probe
from gradlab.training.loop import Trainer, train_bank

AT_START = Cell(steps=0, lr=0.1, init=Named("xavier_normal"))


def log10_survival(record) -> float:
    return float(record.log_grad_norm[0, 0] - record.log_grad_norm[0, -1]) / math.log(10)


# The factor sqrt(chi) at the fixed point, sigma_b = 0. One block scatters by sqrt(v)/2 with v = 2/n to 5/n and more,
# so the slope over 28 blocks of width 512, five seeds, has a standard deviation of 0.2 to 0.4 %: tolerances are 2 to 3.
# selu starts at its fixed point with LeCun's rule only: Xavier's counts the 512 outputs of a block with 64 inputs.
FACTORS = [
    ("linear", "xavier_normal", 1.0, 0.006), ("linear", "he_normal", 1.414214, 0.006),
    ("relu", "xavier_normal", 0.707107, 0.006), ("relu", "he_normal", 1.0, 0.006),
    ("sigmoid", "xavier_normal", 0.236052, 0.006), ("sigmoid", "he_normal", 0.317769, 0.006),
    ("tanh", "he_normal", 1.051441, 0.006), ("selu", "lecun_normal", 1.035169, 0.008),
    ("erf", "he_normal", 1.094242, 0.006), ("softplus", "xavier_normal", 0.537328, 0.006),
    ("gelu", "xavier_normal", 0.5, 0.006), ("silu", "xavier_normal", 0.5, 0.006),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "init", "factor", "tolerance"), FACTORS)
def test_factor_per_block_is_that_of_mean_field_theory(activation, init, factor, tolerance):
    cells = [
        dataclasses.replace(
            AT_START,
            depth=30,
            width=512,
            activation=Named(activation),
            init=Named(init),
            seed=seed,
            probe_batch_size=64,
        )
        for seed in range(5)
    ]
    profile = np.mean([record.log_grad_norm[0] for record in train_bank(cells)], axis=0)
    interior = np.arange(1, 29)
    # the factor counts downwards from the loss, the blocks upwards
    measured = math.exp(-np.polyfit(interior, profile[1:-1], 1)[0])
    assert measured == pytest.approx(factor, rel=tolerance)


def test_two_hundred_sigmoid_blocks():
    """0.236052^199 is 10^-124.7; the first blocks are steeper, as q starts away from its fixed point."""
    record = train_bank([dataclasses.replace(AT_START, depth=200, activation=Named("sigmoid"))])[0]
    assert log10_survival(record) == pytest.approx(-125, abs=2)
    assert not record.zero_grad.any()


def test_a_thousand_sigmoid_blocks_lie_beyond_float64_and_are_still_measured():
    """10^-627 is below the smallest float64, 5e-324: the profile must go on as straight as before."""
    record = train_bank([dataclasses.replace(AT_START, depth=1000, width=16, activation=Named("sigmoid"))])[0]
    log_g = record.log_grad_norm[0]
    assert np.isfinite(log_g).all()
    assert log10_survival(record) < -500
    upper, lower = (np.polyfit(np.arange(400), part, 1)[0] for part in (log_g[500:900], log_g[100:500]))
    assert lower == pytest.approx(upper, rel=0.05)
    assert np.isfinite(record.log_weight_grad_norm[0]).all()


def test_a_thousand_he_relu_blocks_run():
    record = train_bank([dataclasses.replace(AT_START, depth=1000, init=Named("he_normal"), steps=1)])[0]
    assert record.log_grad_norm.shape == (2, 1000)
    assert np.isfinite(record.log_grad_norm[0]).all()


def test_explosion_beyond_float64():
    """Orthogonal linear blocks with gain 10^2: the gradient grows by exactly 100 a block, to 10^398."""
    cell = dataclasses.replace(
        AT_START, depth=200, width=8, activation=Named("linear"), init=Named("orthogonal", (("gain", 10.0),)),
        task=Named("teacher", (("inputs", 8),)),
    )  # fmt: skip
    trainer = Trainer([cell], torch.device("cpu"))
    profile = probe(trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, trainer.data.loss)
    drop = profile.log_grad_norm_RL[0].diff() / math.log(10)
    torch.testing.assert_close(drop, torch.full_like(drop, -1.0), rtol=1e-6, atol=0)


def test_a_dead_network_is_an_exact_zero():
    """ReLU blocks whose biases are far below zero pass nothing: -inf, all units dead, all gradients zero below."""
    trainer = Trainer([dataclasses.replace(AT_START, depth=4, activation=Named("relu"))], torch.device("cpu"))
    trainer.model.layout.views(trainer.flat_RP)[2]["bias"].fill_(-1e3)
    profile = probe(trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, trainer.data.loss)
    # block 4 gets zeros, where the slope of a ReLU is 0: only its own output still has a gradient
    assert profile.log_grad_norm_RL[0, :3].tolist() == [-math.inf] * 3
    assert profile.log_grad_norm_RL[0, 3].isfinite()
    assert profile.dead_RL[0].tolist()[2:] == [1, 1]
    assert profile.zero_grad_RL[0].tolist()[:3] == [1, 1, 1]
    assert profile.log_weight_grad_norm_RL[0, :3].tolist() == [-math.inf] * 3


def test_saturated_and_dead_fractions():
    """tanh: slope below 1/20 means |tanh| > sqrt(0.95). ReLU: dead means negative for every sample."""
    for name, expected in [("tanh", None), ("relu", None)]:
        cell = dataclasses.replace(AT_START, depth=2, activation=Named(name), init=Named("he_normal", (("gain", 3.0),)))
        trainer = Trainer([cell], torch.device("cpu"))
        profile = probe(trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, trainer.data.loss)
        first = trainer.model.layout.views(trainer.flat_RP.double())[0]
        h = trainer.probe_x[0] @ first["weight"][0].T + first["bias"][0]
        if name == "tanh":
            expected = (torch.tanh(h).abs() > math.sqrt(0.95)).double().mean()
        else:
            expected = (h <= 0).double().mean()
            assert float(profile.dead_RL[0, 0]) == float((h <= 0).all(0).double().mean())
        assert float(profile.saturated_RL[0, 0]) == pytest.approx(float(expected), abs=1e-12)


def test_update_ratio_is_what_the_step_did():
    """Plain gradient descent moves a weight by lr times its gradient."""
    cell = dataclasses.replace(AT_START, depth=3, steps=1, lr=0.5, precision=Named("float64"), probe_batch_size=64)
    trainer = Trainer([cell], torch.device("cpu"))
    before = trainer.flat_RP.clone()
    record = trainer.train()[0]
    for block, slot in enumerate(trainer.model.layout.profiled()):
        moved = (slot.view(trainer.flat_RP) - slot.view(before)).norm()
        expected = float(moved / slot.view(before).norm())
        assert record.update_ratio[0, block] == pytest.approx(expected, rel=1e-10)
    assert np.isnan(record.update_ratio[1]).all()


def test_probe_steps():
    assert probe_steps(0, "log") == (0,)
    assert probe_steps(1, "log") == (0, 1)
    assert probe_steps(300, "log") == (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300)
    assert probe_steps(9, (5,)) == (0, 5, 9)


def test_underflow_is_what_falls_below_the_smallest_number_kept():
    """Against plain autograd's gradients, element by element, with a bound of its own for each replica."""
    cells = [dataclasses.replace(AT_START, depth=12, activation=Named("sigmoid"), seed=seed) for seed in range(2)]
    trainer = Trainer(cells, torch.device("cpu"))
    smallest_R = torch.tensor([1e-7, 1e-9], dtype=torch.float64)
    profile = probe(
        trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, trainer.data.loss, smallest_R=smallest_R
    )
    params, _ = trainer.model.layout.leaves(trainer.flat_RP.double())
    output, outputs = walked(trainer.model, params, trainer.probe_x, Context("probe"))
    grads = torch.autograd.grad(trainer.data.loss(output, trainer.probe_y).sum(), outputs)
    bound = smallest_R.view(2, 1, 1)
    shares = torch.stack([((g != 0) & (g.abs() < bound)).double().mean((1, 2)) for g in grads], 1)
    torch.testing.assert_close(profile.underflow_RL, shares, rtol=0, atol=1e-4)
    assert 0 < float(shares[1].mean()) < float(shares[0].mean()) < 1


def test_underflow_of_gradients_beyond_float64():
    """Of a thousand sigmoid blocks the lowest have nothing left that float64 itself could hold."""
    cell = dataclasses.replace(AT_START, depth=1000, width=16, activation=Named("sigmoid"))
    trainer = Trainer([cell], torch.device("cpu"))
    smallest_R = torch.tensor([1e-45], dtype=torch.float64)
    shares = probe(
        trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, trainer.data.loss, smallest_R=smallest_R
    ).underflow_RL[0]
    assert shares[:500].tolist() == [1.0] * 500
    assert not shares[-20:].any()


def test_a_loss_of_the_probes_own_makes_the_profile_and_nothing_else():
    """The profile is that of the other loss; the loss and the gradient over all parameters stay those of training."""
    trainer = Trainer([dataclasses.replace(AT_START, depth=3, activation=Named("tanh"))], torch.device("cpu"))

    def first_sample(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return trainer.data.loss(output[:, :1], target[:, :1])

    args = trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y
    both = probe(*args, trainer.data.loss, probe_loss=first_sample)
    training, own = probe(*args, trainer.data.loss), probe(*args, first_sample)
    for name in ("loss_R", "log_grad_norm_total_R", "act_mean_RL"):
        torch.testing.assert_close(getattr(both, name), getattr(training, name), rtol=1e-12, atol=0)
    for name in ("log_grad_norm_RL", "log_weight_grad_norm_RL", "zero_grad_RL"):
        torch.testing.assert_close(getattr(both, name), getattr(own, name), rtol=1e-12, atol=0)
    assert not torch.isclose(both.log_grad_norm_RL, training.log_grad_norm_RL).any()
