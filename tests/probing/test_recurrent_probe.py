"""The probe through time: against torch.autograd.grad at every state, against closed forms, and beyond float64."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from recurrent_reference import architecture, named, step_by_step
from torch import Tensor

from gradlab.components import Named
from gradlab.families import FAMILIES
from gradlab.families.chain import outputs
from gradlab.families.network import Context
from gradlab.families.recurrent import network
from gradlab.families.recurrent.network import Recurrent
from gradlab.nn.buffers import Buffers
from gradlab.nn.parameters import Start
from gradlab.probing import Profile, probe, weight_norms

MODELS_IN_TIME = [name for name, model in FAMILIES.items() if model.axis.along == "seq_len"]


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mse(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).square().flatten(1).mean(1)


def last_mse(output: Tensor, target: Tensor) -> Tensor:
    return mse(output[:, :, -1], target[:, :, -1])


def stirred(model: Recurrent, replicas: int) -> Tensor:
    flat_RP = model.layout.initial([Start(seed, Named("orthogonal"), 0.3) for seed in range(replicas)])
    return flat_RP + 0.1 * normal(*flat_RP.shape)


def close(found: Tensor, expected: Tensor | list, tolerance: float = 1e-10) -> None:
    expected = expected if isinstance(expected, Tensor) else torch.stack(expected)
    torch.testing.assert_close(found, expected.detach(), rtol=tolerance, atol=1e-14)


@pytest.mark.parametrize("form", ["plain", "stacked", "per_step", "last_of_all"])
@pytest.mark.parametrize("name", MODELS_IN_TIME)
def test_every_number_is_that_of_plain_autograd(name, form):
    """Two replicas, each against autograd on the network written step by step; stacked ones with norm and dropout."""
    stacked = form == "stacked"
    model = Recurrent(
        architecture(
            name, depth=2 if stacked else 1, per_step=form in ("per_step", "last_of_all"), residual="add" if stacked
            else "none", norm=Named("layer" if stacked else "none"), activation=Named("relu" if stacked else "tanh"),
        )
    )  # fmt: skip
    flat_RP, x = stirred(model, 2), 2 * normal(2, 4, 7, 3)
    masks = torch.randint(2, (2, 2, 4, 5), generator=torch.Generator().manual_seed(3)).double() / 0.5
    masks = masks if stacked else ()
    target = normal(2, 4, 7, 2, seed=4) if model.arch.per_step else normal(2, 4, 2, seed=4)
    probe_loss = last_mse if form == "last_of_all" else None
    smallest_R = torch.tensor([3e-3, 1e-3], dtype=torch.float64)
    profile = probe(model, flat_RP, x, target, mse, masks, smallest_R, probe_loss)
    for r in range(2):
        theta = flat_RP[r].clone().requires_grad_()
        walk = step_by_step(model, theta, x[r], masks[:, r] if stacked else None)
        loss = (walk.output - target[r]).square().mean()
        watched = loss if probe_loss is None else (walk.output[:, -1] - target[r, :, -1]).square().mean()
        close(profile.loss_R[r], loss)
        (whole,) = torch.autograd.grad(loss, theta, retain_graph=True)
        close(profile.log_grad_norm_total_R[r].exp(), whole.norm())
        at_h = [torch.stack(torch.autograd.grad(watched, h, retain_graph=True)) for h in walk.h]
        close(profile.log_grad_norm_RL[r].exp(), [g.norm() for g in at_h])
        layers = [torch.stack([g[layer].norm() for g in at_h]) for layer in range(2)] if stacked else []
        assert profile.log_grad_norm_by_layer_RLD.shape == (2, 7, len(layers))
        for layer, norms in enumerate(layers):
            close(profile.log_grad_norm_by_layer_RLD[r, :, layer].exp(), norms)
        close(profile.zero_grad_RL[r], [(g == 0).double().mean() for g in at_h])
        close(profile.underflow_RL[r], [((g != 0) & (g.abs() < smallest_R[r])).double().mean() for g in at_h])
        if name == "lstm":
            at_c = [torch.stack(torch.autograd.grad(watched, c, retain_graph=True)) for c in walk.c]
            close(profile.log_cell_grad_norm_RL[r].exp(), [g.norm() for g in at_c])
        else:
            assert profile.log_cell_grad_norm_RL[r].isnan().all()
        h = [torch.stack(layers) for layers in walk.h]
        close(profile.act_mean_RL[r], [state.mean() for state in h])
        close(profile.act_std_RL[r], [state.std(correction=0) for state in h])
        gates = [torch.stack(layers) for layers in walk.gates]
        if name != "rnn":
            close(profile.saturated_RL[r], [(g * (1 - g) < 0.25 / 20).double().mean() for g in gates])
        elif not stacked:
            close(profile.saturated_RL[r], [(state.square() > 0.95).double().mean() for state in h])
        matrices = torch.cat([layer["weight"] for layer in named(model, theta)[:-1]])
        close(profile.weight_norm_RL[r], matrices.norm().expand(7))
        block = named(model, theta)[-2]["weight"].detach().split(5)[-1].numpy()
        assert float(profile.spectral_radius_R[r]) == pytest.approx(np.abs(np.linalg.eigvals(block)).max(), rel=1e-10)
        assert float(profile.recurrent_norm_R[r]) == pytest.approx(np.linalg.norm(block, 2), rel=1e-10)
    assert float(profile.underflow_RL.max()) > 0
    assert torch.equal(weight_norms(model, flat_RP), profile.weight_norm_RL)


@pytest.mark.parametrize("name", MODELS_IN_TIME)
def test_what_each_step_adds_to_the_gradient_of_the_recurrent_matrix(name):
    """The network with a matrix of its own for each step: the gradient of each is what that step adds."""
    model = Recurrent(architecture(name))
    flat_RP, x, target = stirred(model, 1), normal(1, 4, 7, 3), normal(1, 4, 2, seed=4)
    profile = probe(model, flat_RP, x, target, mse)
    params, _ = model.layout.leaves(flat_RP)
    weights = [params[0]["weight"].detach().clone().requires_grad_() for _ in range(7)]
    ctx = Context("probe")
    states = model.enter(params, x, ctx)
    for t in range(7):
        mine = [{**params[0], "weight": weights[t]}, params[1]]
        states, top = model.block(t, mine, states, x, ctx)
    grads = torch.autograd.grad(mse(model.leave(params, top), target).sum(), weights)
    close(profile.log_weight_grad_norm_RL[0].exp(), [grad.norm() for grad in grads])
    assert profile.log_weight_grad_norm_RL[0, 0] == -math.inf  # the state before the first step is zero
    close(sum(grads), torch.autograd.grad(_loss_of(model, params, x, target), params[0]["weight"])[0])


def _loss_of(model: Recurrent, params, x: Tensor, target: Tensor) -> Tensor:
    return mse(outputs(model, params, x, Context("train")), target).sum()


def at_start(
    name: str, activation: str, init: Named, steps: int, params: tuple = (), bias: float = 0.0, width: int = 16, **more
) -> Profile:
    """The profile of an untrained network on positive inputs, biases of the recurrent layer set to `bias`."""
    arch = architecture(
        name, activation=Named(activation), seq_len=steps, width=width, model=Named(name, params), **more
    )
    model = Recurrent(arch)
    flat_RP = model.layout.initial([Start(0, init, 0.0)])
    if bias:
        model.layout.views(flat_RP)[0]["bias"].fill_(bias)
    return probe(model, flat_RP, normal(1, 8, steps, 3).abs(), normal(1, 8, 2, seed=2), mse)


def log10_survival(logs_RL: Tensor) -> float:
    return float(logs_RL[0, 0] - logs_RL[0, -1]) / math.log(10)


@pytest.mark.parametrize(("gain", "expected"), [(0.9, 2.65614e-5), (1.1, 13780.6), (1.0, 1.0)])
def test_a_linear_orthogonal_recurrence_is_a_power_of_its_gain(gain, expected):
    """Lag 100: g^100, for every step on the way as well."""
    profile = at_start("rnn", "linear", Named("orthogonal", (("gain", gain),)), 101)
    assert 10 ** log10_survival(profile.log_grad_norm_RL) == pytest.approx(expected, rel=1e-5)
    slope = profile.log_grad_norm_RL[0].diff()
    close(slope, torch.full_like(slope, -math.log(gain)), 1e-9)


@pytest.mark.parametrize("log10_gain", [-2, -3, 2, 3])
def test_powers_beyond_float64_are_numbers(log10_gain):
    """0.01^160 is 1e-320, 0.001^160 1e-480: neither zero nor infinite, nor is what the steps add to the gradient.

    Growing states would overflow by themselves: there the inputs are left out, and the states are zero.
    """
    params = () if log10_gain < 0 else (("input_gain", 0.0),)
    profile = at_start("rnn", "linear", Named("orthogonal", (("gain", 10.0**log10_gain),)), 161, params)
    assert log10_survival(profile.log_grad_norm_RL) == pytest.approx(160 * log10_gain, abs=1e-9)
    assert profile.log_grad_norm_RL.isfinite().all()
    assert not profile.zero_grad_RL.any()
    if log10_gain < 0:
        assert profile.log_weight_grad_norm_RL[0, 1:].isfinite().all()


def test_underflow_beyond_float64():
    """Elements fall by exactly 1000 a step, so with the bound at 1e-30 all are lost twelve steps below it."""
    model = Recurrent(architecture("rnn", activation=Named("linear"), seq_len=161, width=16))
    flat_RP = model.layout.initial([Start(0, Named("orthogonal", (("gain", 1e-3),)), 0.0)])
    x, target = normal(1, 8, 161, 3), normal(1, 8, 2, seed=2)
    shares = probe(model, flat_RP, x, target, mse, smallest_R=torch.tensor([1e-30])).underflow_RL[0]
    assert shares[-5:].tolist() == [0.0] * 5
    assert shares[:145].tolist() == [1.0] * 145
    growing = model.layout.initial([Start(0, Named("orthogonal", (("gain", 1e3),)), 0.0)])
    large = probe(model, growing, 0 * x, target, mse, smallest_R=torch.tensor([1e-30]))
    assert log10_survival(large.log_grad_norm_RL) == pytest.approx(480, abs=1e-9)
    assert not large.underflow_RL.any()


def test_identity_and_relu_hand_the_gradient_on_unchanged_while_units_are_active():
    """Le 2015: exactly 1.0 at every lag, for any depth of time."""
    profile = at_start("rnn", "relu", Named("identity"), 120, bias=10.0)
    assert log10_survival(profile.log_grad_norm_RL) == 0.0
    assert profile.log_grad_norm_RL[0].unique().numel() == 1
    assert not profile.dead_RL.any()


@pytest.mark.parametrize(("bias", "expected"), [(0.0, 9.7656e-4), (1.0, 0.043604), (2.0, 0.281030)])
def test_the_cell_path_of_an_lstm_without_weights(bias, expected):
    """sigmoid(b)^10 at lag 10; h leads nowhere, so its gradient is an exact zero before the last step."""
    params = (("forget_bias", bias), ("input_gain", 0.0))
    profile = at_start("lstm", "tanh", Named("normal", (("std", 0.0),)), 11, params)
    assert 10 ** log10_survival(profile.log_cell_grad_norm_RL) == pytest.approx(expected, rel=1e-4)
    slope = profile.log_cell_grad_norm_RL[0].diff()
    close(slope, torch.full_like(slope, math.log(1 + math.exp(-bias))), 1e-12)
    assert profile.log_grad_norm_RL[0, :-1].tolist() == [-math.inf] * 10
    assert profile.zero_grad_RL[0, :-1].tolist() == [1.0] * 10


@pytest.mark.parametrize("name", MODELS_IN_TIME)
def test_truncation_leaves_exact_zeros_beyond_it_and_the_same_numbers_before(name):
    whole = at_start(name, "tanh", Named("orthogonal"), 20)
    cut = at_start(name, "tanh", Named("orthogonal"), 20, params=(("truncate", 6),))
    assert torch.equal(cut.log_grad_norm_RL[0, 14:], whole.log_grad_norm_RL[0, 14:])
    assert cut.log_grad_norm_RL[0, :14].tolist() == [-math.inf] * 14
    assert whole.log_grad_norm_RL.isfinite().all()
    assert cut.zero_grad_RL[0, :14].tolist() == [1.0] * 14
    assert torch.equal(cut.loss_R, whole.loss_R)
    # the first of the six steps still reads the state before it, and so adds to the gradient of the matrix
    assert cut.log_weight_grad_norm_RL[0, 14:].isfinite().all()
    assert cut.log_weight_grad_norm_RL[0, :14].tolist() == [-math.inf] * 14


def test_losses_at_every_step_meet_a_gradient_that_has_nearly_vanished():
    """With a gain of 1e-3 what comes from later steps is a thousandth of what each step's own loss adds."""
    model = Recurrent(architecture("rnn", activation=Named("linear"), seq_len=150, per_step=True))
    flat_RP = model.layout.initial([Start(0, Named("orthogonal", (("gain", 1e-3),)), 0.0)])
    x, target = normal(1, 4, 150, 3), normal(1, 4, 150, 2, seed=2)
    counts = torch.ones(150, 1, dtype=torch.float64)
    counts[50:-1] = 0

    def sparse(output: Tensor, target: Tensor) -> Tensor:
        return ((output - target).square() * counts).flatten(1).mean(1)

    profile = probe(model, flat_RP, x, target, sparse)
    walk = step_by_step(model, flat_RP[0].clone().requires_grad_(), x[0])
    at_h = torch.autograd.grad(sparse(walk.output[None], target).sum(), [h[0] for h in walk.h])
    norms = torch.stack([g.norm() for g in at_h])
    close(profile.log_grad_norm_RL[0, :50].exp(), norms[:50], 1e-12)
    # where steps have no loss, what is left of the last one's falls by 1000 a step until it is met
    falling = (profile.log_grad_norm_RL[0, 50:] - profile.log_grad_norm_RL[0, -1]) / math.log(10)
    close(falling, -3.0 * torch.arange(99, -1, -1, dtype=torch.float64), 1e-6)


def test_a_replica_that_is_not_finite_leaves_its_mates_alone():
    model = Recurrent(architecture("lstm", seq_len=5))
    flat_RP = stirred(model, 2)
    flat_RP[0] = torch.nan
    x, target = normal(2, 4, 5, 3), normal(2, 4, 2, seed=2)
    both, alone = probe(model, flat_RP, x, target, mse), probe(model, flat_RP[1:], x[1:], target[1:], mse)
    assert both.log_grad_norm_RL[0].isnan().all()
    assert both.spectral_radius_R[0].isnan()
    for name in ("log_grad_norm_RL", "log_cell_grad_norm_RL", "spectral_radius_R", "log_grad_norm_total_R"):
        close(getattr(both, name)[1:], getattr(alone, name), 1e-12)


def test_probing_reads_and_never_writes():
    model = Recurrent(architecture("gru"))
    flat_RP = stirred(model, 2).float()
    before, state = flat_RP.clone(), torch.get_rng_state()
    probe(model, flat_RP, normal(2, 4, 7, 3), normal(2, 4, 2, seed=2), mse)
    assert torch.equal(flat_RP, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("name", MODELS_IN_TIME)
def test_graphs_that_are_made_again_give_the_numbers_of_those_that_are_kept(name, per_step, monkeypatch):
    model = Recurrent(architecture(name, depth=2, per_step=per_step))
    flat_RP, x = stirred(model, 2), normal(2, 4, 7, 3)
    target = normal(2, 4, 7, 2, seed=4) if per_step else normal(2, 4, 2, seed=4)
    probe_loss = last_mse if per_step else None
    assert not model.recompute(x)
    profile = probe(model, flat_RP, x, target, mse, probe_loss=probe_loss)
    monkeypatch.setattr(network, "GRAPH_BYTES", 0)
    assert model.recompute(x)
    again = probe(model, flat_RP, x, target, mse, probe_loss=probe_loss)
    for field in dataclasses.fields(Profile):
        torch.testing.assert_close(
            getattr(again, field.name), getattr(profile, field.name), rtol=0, atol=0, equal_nan=True
        )


def test_a_probe_in_the_memory_of_the_last_one_leaves_its_profile_alone():
    model, buffers = Recurrent(architecture("lstm")), Buffers()
    x, target = normal(2, 4, 7, 3), normal(2, 4, 2, seed=4)
    first = probe(model, stirred(model, 2), x, target, mse, buffers=buffers)
    copies = {field.name: getattr(first, field.name).clone() for field in dataclasses.fields(Profile)}
    second = probe(model, 2 * stirred(model, 2), x, target, mse, buffers=buffers)
    fresh = probe(model, 2 * stirred(model, 2), x, target, mse)
    for name, copy in copies.items():
        torch.testing.assert_close(getattr(first, name), copy, rtol=0, atol=0, equal_nan=True)
        torch.testing.assert_close(getattr(second, name), getattr(fresh, name), rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(second.log_grad_norm_RL, first.log_grad_norm_RL)
