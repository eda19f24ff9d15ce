"""Predictions for recurrent networks against closed forms, plain autograd over many small networks, and the probe."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.mean_field import Prediction, predict
from gradlab.mean_field.gated_rnn import log_gate_path
from gradlab.mean_field.inputs import inputs_of
from gradlab.mean_field.matrix_powers import power_norms
from gradlab.tasks import load
from gradlab.training.loop import train_bank


def named(name: str, **params: float) -> Named:
    return Named(name, tuple(sorted(params.items())))


RNN = Cell(
    model=Named("rnn"), task=named("adding", samples=256), depth=1, width=64, seq_len=20, activation=Named("tanh"),
    init=Named("orthogonal"), optimizer=Named("sgd"), lr=0.1, steps=0, probe_batch_size=32,
    precision=Named("float64"),
)  # fmt: skip


def change(**settings: object) -> Cell:
    return dataclasses.replace(RNN, **settings)


def predicted(cell: Cell) -> Prediction:
    known = inputs_of(cell.task, cell.seq_len)
    return predict(
        cell, in_features=known.in_features, out_features=known.out_features, input_mean_square=known.mean_square
    )


def measured(cell: Cell, seeds: int, first: int = 0, column: str = "log_grad_norm") -> np.ndarray:
    """ln g_t - ln g_T at step 0 of each seed, [S, T]."""
    records = train_bank([dataclasses.replace(cell, seed=first + seed) for seed in range(seeds)])
    log_g = np.array([getattr(record, column)[0] for record in records])
    return log_g - log_g[:, -1:]


def by_autograd(
    activation: str, weights: torch.Tensor, *, inputs: str, steps: int, batch: int = 32, bias_std: float = 0.0
) -> np.ndarray:
    """ln g_t - ln g_T of R vanilla networks with these recurrent matrices `[R, H, H]`, by plain autograd, [R, T]."""
    function = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "erf": torch.erf,
                "linear": lambda x: x}[activation]  # fmt: skip
    rng = torch.Generator().manual_seed(1)
    networks, width, _ = weights.shape

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    if inputs == "numbers":
        x = torch.cat([torch.rand(networks, batch, steps, 1, generator=rng, dtype=torch.float64),
                       torch.zeros(networks, batch, steps, 1, dtype=torch.float64)], 3)  # fmt: skip
        x[..., 1].scatter_(2, torch.randint(steps, (networks, batch, 2), generator=rng), 1.0)
        brought = torch.einsum("rhi,rnti->rtnh", normal(networks, width, 2) / math.sqrt(2), x)
    else:
        letters = torch.randint(6, (networks, steps, batch), generator=rng)
        table = normal(networks, 6, width)
        brought = table[torch.arange(networks)[:, None, None], letters]
    bias = bias_std * normal(networks, 1, width)
    h = torch.zeros(networks, batch, width, dtype=torch.float64)
    states = []
    for t in range(steps):
        h = function(h @ weights.mT + brought[:, t] + bias)
        h.requires_grad_() if t == 0 else None
        states.append(h)
    output = (h * normal(networks, 1, width)).sum(2)
    loss = ((output / math.sqrt(width) - normal(networks, batch)) ** 2).mean(1).sum()
    grads = torch.autograd.grad(loss, states)
    log_g = torch.stack([grad.square().sum((1, 2)).log() / 2 for grad in grads], 1).numpy()
    return log_g - log_g[:, -1:]


def gaussian(networks: int, width: int, sigma: float, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return sigma / math.sqrt(width) * torch.randn(networks, width, width, generator=rng, dtype=torch.float64)


def orthogonal(networks: int, width: int, gain: float) -> torch.Tensor:
    return gain * torch.linalg.qr(gaussian(networks, width, 1.0)).Q


@pytest.mark.parametrize(("gain", "power"), [(0.9, 2.65614e-5), (1.1, 13780.6)])
@pytest.mark.parametrize("init", ["orthogonal", "identity"])
def test_a_linear_recurrence_that_keeps_lengths_is_exact(init, gain, power):
    cell = change(activation=Named("linear"), init=named(init, gain=gain), seq_len=101, width=8, probe_batch_size=4)
    prediction = predicted(cell)
    assert math.exp(prediction.log_survival) == pytest.approx(power, rel=3e-6)
    assert prediction.decay == pytest.approx(gain, rel=1e-12)
    assert 0 < prediction.log_survival_sd < 1e-5
    np.testing.assert_allclose(measured(cell, 2), np.tile(prediction.log_grad_norm, (2, 1)), atol=1e-9)


@pytest.mark.parametrize(("bias", "left"), [(0.0, 9.7656e-4), (1.0, 0.043604), (2.0, 0.281030)])
def test_the_cell_state_of_an_lstm_without_weights(bias, left):
    model = named("lstm", forget_bias=bias, input_gain=0.0)
    cell = change(model=model, init=named("normal", std=0.0), seq_len=11, width=8)
    prediction = predicted(cell)
    assert math.exp(prediction.log_cell_survival) == pytest.approx(left, rel=2e-5)
    assert "all weights are zero" in prediction.reason
    paths = measured(cell, 2, column="log_cell_grad_norm")
    np.testing.assert_allclose(paths[:, 0], prediction.log_cell_survival, rtol=1e-9)


@pytest.mark.parametrize("name", ["gru", "minimal_rnn"])
def test_the_state_of_other_gated_cells_without_weights(name):
    cell = change(model=named(name, input_gain=0.0), init=named("normal", std=0.0), seq_len=11, width=8)
    prediction = predicted(cell)
    assert math.exp(prediction.log_survival) == pytest.approx(9.7656e-4, rel=2e-5)
    np.testing.assert_allclose(measured(cell, 2), np.tile(prediction.log_grad_norm, (2, 1)), rtol=1e-9)


@pytest.mark.parametrize(("deviation", "longest"), [(0.7, 0), (0.0, 40)])
def test_gates_that_differ_between_units(deviation, longest):
    """The mean over units of σ(b)^2k, against a million units: long lags belong to those that forget least."""
    rng = np.random.default_rng(3)
    normal = 0.5 + deviation * rng.normal(size=1_000_000)
    b = np.log(rng.uniform(1, longest - 1, 1_000_000)) if longest else normal
    lag = 12
    expected = math.log(np.mean((1 / (1 + np.exp(-b))) ** (2 * lag))) / 2
    assert log_gate_path(0.5, deviation, longest, lag) == pytest.approx(expected, abs=0.01)


def test_an_identity_with_relu_keeps_the_gradient_of_active_units():
    """Of the first step down only the inactive units are missing; from there on it stays within a percent a step."""
    prediction = predicted(change(activation=Named("relu"), init=Named("identity")))
    assert (prediction.log_survival, prediction.decay, prediction.log_survival_sd) == (0, 1, None)
    assert "active at every step" in prediction.note
    log_g = measured(change(activation=Named("relu"), init=Named("identity")), 4)
    assert np.all(np.diff(log_g, axis=1) >= -1e-12)  # nothing is gained on the way back
    assert np.exp(np.polyfit(np.arange(18), log_g[:, 1:-1].mean(0), 1)[0]) == pytest.approx(1, abs=0.01)


def test_powers_of_a_gaussian_matrix():
    """Few steps against the theory of independent ones; many against networks of another generator."""
    mean, sd = power_norms(128, 64, 1)
    k = np.arange(1, 4)
    np.testing.assert_allclose(sd[1:4], np.sqrt(k / (2 * 128)), rtol=0.12)
    np.testing.assert_allclose(mean[1:4], -k / (2 * 128), atol=4 * sd[3] / 20)
    log_g = by_autograd("linear", gaussian(200, 32, 1.0, seed=5), inputs="numbers", steps=24, batch=4)
    mean, sd = power_norms(32, 24, 1)
    error = np.hypot(sd / math.sqrt(200), sd / math.sqrt(400))
    assert np.all(np.abs(log_g.mean(0)[::-1] - mean)[1:] < 4 * error[1:])
    np.testing.assert_allclose(log_g.std(0, ddof=1)[::-1][[4, 12, 23]], sd[[4, 12, 23]], rtol=0.25)


@pytest.mark.parametrize("init", [Named("lecun_normal"), named("spectral", radius=1.0)], ids=str)
def test_z_of_a_linear_recurrence_is_calibrated(init):
    cell = change(activation=Named("linear"), init=init, width=24, seq_len=12, probe_batch_size=8)
    prediction = predicted(cell)
    z = (measured(cell, 120, first=1000)[:, 0] - prediction.log_survival) / prediction.log_survival_sd
    assert abs(z.mean()) < 4 * math.sqrt(1 / 120 + 1 / 400)
    assert 0.75 < z.std(ddof=1) < 1.3


SIMULATED = [
    ("tanh", "orthogonal", 1.0, "numbers", 0.0), ("tanh", "lecun_normal", 1.0, "indices", 0.0),
    ("tanh", "lecun_normal", 1.5, "numbers", 0.0), ("relu", "lecun_normal", 1.4142135623730951, "numbers", 0.1),
    ("sigmoid", "orthogonal", 2.0, "indices", 0.0), ("erf", "orthogonal", 1.2, "numbers", 0.3),
]  # fmt: skip


@pytest.mark.parametrize(("activation", "init", "gain", "inputs", "bias_std"), SIMULATED)
def test_mean_field_against_a_hundred_networks_by_autograd(activation, init, gain, inputs, bias_std):
    """Width 96 and 10 steps: k²/n is below 1, where weights shared over time still act like fresh ones.

    The mean over networks lies within 4 standard errors, plus what the width leaves of order k/n, of theory.
    """
    steps, width = 10, 96
    weights = (orthogonal if init == "orthogonal" else gaussian)(100, width, gain)
    log_g = by_autograd(activation, weights, inputs=inputs, steps=steps, bias_std=bias_std)
    task = named("adding", samples=256) if inputs == "numbers" else named("temporal_order", samples=256)
    cell = change(
        activation=Named(activation), init=named(init, gain=gain), task=task, seq_len=steps, width=width,
        bias_std=bias_std,
    )  # fmt: skip
    prediction = predicted(cell)
    assert prediction.log_survival_sd is None
    error = log_g.std(0, ddof=1) / math.sqrt(len(log_g))
    lags = np.arange(steps)[::-1]
    assert np.all(np.abs(log_g.mean(0) - prediction.log_grad_norm) <= 4 * error + 1.5 * lags / width)


@pytest.mark.parametrize("task", ["adding", "temporal_order"])
def test_mean_field_against_the_probe(task):
    cell = change(task=named(task, samples=256), seq_len=12, width=96)
    log_g = measured(cell, 24)[:, 0]
    assert abs(log_g.mean() - predicted(cell).log_survival) < 4 * log_g.std(ddof=1) / math.sqrt(24) + 12 / 96


def test_a_gradient_never_grows_beyond_the_bound():
    cell = change(activation=Named("sigmoid"), init=named("orthogonal", gain=3.0))
    prediction = predicted(cell)
    assert prediction.bound == pytest.approx(0.75)
    assert np.all(-np.diff(measured(cell, 4), axis=1) < math.log(prediction.bound))
    assert prediction.decay < prediction.bound
    wide = predicted(change(init=Named("he_normal"))).bound
    largest = torch.linalg.matrix_norm(gaussian(20, 256, math.sqrt(2)), 2).mean()
    assert wide == pytest.approx(2 * math.sqrt(2))
    assert largest == pytest.approx(wide, rel=0.03)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model": Named("lstm")}, "there is no prediction for the gates of lstm"),
        ({"model": named("gru", input_gain=0.0, chrono=20), "init": named("normal", std=0.0)}, "at different rates"),
        ({"depth": 2}, "cover one layer, not 2"),
        ({"norm": Named("layer")}, "recurrent networks with layer norm"),
        ({"model": named("rnn", truncate=5)}, "beyond lag 4 the gradient is exactly zero"),
        ({"init": Named("identity")}, "identity weights with tanh"),
        ({"init": named("normal", std=0.0)}, "no gradient goes back from the last time step"),
        ({"model": named("rnn", input_gain=0.0)}, "nothing comes in"),
        ({"init": Named("identity"), "activation": Named("sigmoid")}, "at most 0.25 a time step (Pascanu's bound)"),
    ],
    ids=str,
)
def test_no_prediction_along_time_comes_with_its_reason(settings, words):
    prediction = predicted(change(**settings))
    assert words in prediction.reason
    assert (prediction.log_grad_norm, prediction.log_survival, prediction.decay, prediction.reach) == (None,) * 4


def test_truncation_beyond_the_sequence_changes_nothing():
    whole, cut = predicted(RNN), predicted(change(model=named("rnn", truncate=20)))
    np.testing.assert_array_equal(whole.log_grad_norm, cut.log_grad_norm)


def test_one_time_step_has_no_decay():
    prediction = predicted(change(seq_len=1))
    assert (prediction.log_survival, prediction.decay) == (0, None)


@pytest.mark.parametrize(("name", "steps"), [("adding", 20), ("sequential_digits", 16), ("temporal_order", 20),
                                             ("copy_memory", 40)])  # fmt: skip
def test_the_inputs_of_sequences_that_theory_takes_for_granted(name, steps):
    data, known = load(Named(name), range(2), steps), inputs_of(Named(name), steps)
    assert (data.in_features, data.out_features) == (known.in_features, known.out_features)
    assert bool(data.vocabulary) == math.isnan(known.mean_square)
    if not data.vocabulary:
        assert float(data.train_x.double().square().mean()) == pytest.approx(known.mean_square, rel=0.02)
