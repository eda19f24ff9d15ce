"""Recurrent networks of a bank against torch.nn.RNN, LSTM and GRU, and against their papers' equations, in float64."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch
from recurrent_reference import (
    ORTHOGONAL,
    architecture,
    assert_is,
    by_torch,
    named,
    normal,
    outputs_and_gradient,
    step_by_step,
    stirred,
)  # fmt: skip

from gradlab.components import ACTIVATIONS, Named
from gradlab.families import FAMILIES
from gradlab.families.chain import outputs
from gradlab.families.network import Context
from gradlab.families.recurrent.cells import cuts
from gradlab.families.recurrent.network import Recurrent
from gradlab.families.recurrent.sequence import common
from gradlab.nn.embedding import embed
from gradlab.nn.parameters import Start

MODELS_IN_TIME = [name for name, model in FAMILIES.items() if model.axis.along == "seq_len"]


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize(("name", "activation"), [("rnn", "tanh"), ("rnn", "relu"), ("lstm", "tanh"), ("gru", "tanh")])
def test_each_replica_is_torchs_own_network(name, activation, depth, per_step):
    model = Recurrent(architecture(name, depth=depth, per_step=per_step, activation=Named(activation)))
    x = normal(2, 4, 7, 3)
    assert_is(model, lambda theta, x, _: by_torch(model, theta, x), x)


FORMS = list(
    itertools.product(MODELS_IN_TIME, FAMILIES["rnn"].allows["norm"], ["tanh", "prelu", "softplus"], ["none", "add"])
)


@pytest.mark.parametrize(("name", "norm", "activation", "residual"), FORMS, ids=["-".join(form) for form in FORMS])
def test_each_replica_is_the_network_of_the_papers(name, norm, activation, residual):
    """Norms, any activation, residual forms with dropout masks and truncation, all at once, layer upon layer."""
    learned = activation == "prelu"
    model = Recurrent(
        architecture(
            name, depth=2, norm=Named(norm), activation=Named(activation), residual=residual, per_step=not learned,
            residual_scale="learned_zero" if learned else 0.7,
        )
    )  # fmt: skip
    arch = dataclasses.replace(model.arch, model=Named(name, (("truncate", 3),)))
    for one in (model, Recurrent(arch)):
        masks = torch.randint(2, (2, 2, 4, 5), generator=torch.Generator().manual_seed(3)).double() / 0.5
        assert_is(one, lambda theta, x, m, one=one: step_by_step(one, theta, x, m).output, normal(2, 4, 7, 3), masks)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("cut", [frozenset(), cuts(6, 4), cuts(6, 1)], ids=["whole", "cut at 2", "all cut"])
@pytest.mark.parametrize("name", MODELS_IN_TIME)
def test_backward_by_hand_is_that_of_autograd_and_of_finite_differences(name, cut, last, monkeypatch):
    """One layer on inputs that want a gradient themselves; factors for two steps at a time, so that runs are met."""
    monkeypatch.setattr(common, "FACTOR_BYTES", 2 * 8 * 48 * 2)
    model = Recurrent(architecture(name, width=3))
    learned = {key: value.clone().requires_grad_() for key, value in model.layout.views(stirred(model, 2))[0].items()}
    x = normal(2, 6, 2, 3).requires_grad_()
    inputs = [x, *learned.values()]

    def by_hand(x, *values):
        return model.cell.by_hand(x, dict(zip(learned, values, strict=True)), (), cut, last, Context("train"))

    actual, expected = by_hand(*inputs), model.cell.stepwise(x, learned, (), cut, last, Context("train"))
    torch.testing.assert_close(actual, expected, rtol=1e-13, atol=1e-13)
    v = normal(*expected.shape, seed=8)
    grads = torch.autograd.grad((actual * v).sum(), inputs)
    torch.testing.assert_close(grads, torch.autograd.grad((expected * v).sum(), inputs), rtol=1e-12, atol=1e-13)
    if not cut:  # differences of the function know nothing of detached states
        for i, grad in enumerate(grads):
            step = 1e-6 * normal(*grad.shape, seed=9)
            up, down = ([value + sign * step if value is inputs[i] else value for value in inputs] for sign in (1, -1))
            difference = ((by_hand(*up) - by_hand(*down)) * v).sum() / 2
            torch.testing.assert_close(difference.detach(), (grad * step).sum(), rtol=1e-7, atol=1e-15)


def test_going_back_twice_through_one_graph_is_refused():
    """The gradient takes the place of what it is made of: the second time would be wrong, and is an error instead."""
    model = Recurrent(architecture("lstm"))
    params, leaves = model.layout.leaves(stirred(model))
    loss = outputs(model, params, normal(1, 4, 7, 3), Context("train")).sum()
    torch.autograd.grad(loss, leaves, retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, leaves)


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "prelu"])
def test_backward_by_hand_knows_every_activation(activation):
    model = Recurrent(architecture("rnn", activation=Named(activation), per_step=True))
    assert_is(model, lambda theta, x, _: step_by_step(model, theta, x).output, normal(1, 4, 7, 3))


@pytest.mark.parametrize("name", MODELS_IN_TIME)
def test_indices_are_one_hot_inputs(name):
    """Two features of 4 and 3 values: the network of the joined one-hot vectors, gradients of the tables included."""
    model = Recurrent(architecture(name, in_features=2, vocabulary=(4, 3), depth=2, per_step=True))
    twin = Recurrent(architecture(name, in_features=7, depth=2, per_step=True))
    places, theirs = ([(slot.layer, slot.name, slot.columns) for slot in net.layout.slots] for net in (model, twin))
    assert places == theirs
    generator = torch.Generator().manual_seed(0)
    index = torch.stack([torch.randint(v, (2, 4, 7), generator=generator) for v in (4, 3)], -1)
    one_hot = torch.cat([torch.nn.functional.one_hot(index[..., i], v) for i, v in enumerate((4, 3))], -1).double()
    flat_RP = stirred(model, 2)
    for ours, theirs in zip(
        outputs_and_gradient(model, flat_RP, index), outputs_and_gradient(twin, flat_RP, one_hot), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_embeddings_are_the_rows_that_the_indices_name():
    """Features of 4 and 3 values: each replica reads its own table, the second feature below the first."""
    table = torch.arange(2 * 7 * 2).view(2, 7, 2).double()
    rows = embed(torch.tensor([[[3, 0]], [[0, 2]]]), table, (4, 3))
    torch.testing.assert_close(rows[0, 0], table[0][[3, 4]])
    torch.testing.assert_close(rows[1, 0], table[1][[0, 6]])


@pytest.mark.parametrize("name", MODELS_IN_TIME)
def test_without_gradients_samples_are_taken_in_chunks_to_the_same_outputs(name, monkeypatch):
    model = Recurrent(architecture(name, depth=2, per_step=True))
    params, _ = model.layout.leaves(stirred(model, 2))
    x = normal(2, 11, 7, 3)
    whole = outputs(model, params, x, Context("train")).detach()
    monkeypatch.setattr("gradlab.families.recurrent.network.CHUNK_BYTES", 20_000)
    with torch.no_grad():
        torch.testing.assert_close(outputs(model, params, x, Context("eval")), whole, rtol=1e-13, atol=1e-13)


def test_truncation_counts_from_the_end():
    assert cuts(10, 4) == {6, 2}
    assert cuts(8, 4) == {4}
    assert cuts(3, 4) == cuts(9, 0) == frozenset()


def start_of(name: str, init: Named = ORTHOGONAL, seed: int = 0, params=(), bias_std="auto", **changes):
    model = Recurrent(dataclasses.replace(architecture(name, **changes), model=Named(name, params)))
    return named(model, model.layout.initial([Start(seed, init, bias_std)])[0])


def test_each_block_of_the_recurrent_matrix_is_drawn_by_itself():
    for name, blocks in [("lstm", 4), ("gru", 3), ("minimal_rnn", 1), ("rnn", 1)]:
        pieces = start_of(name, width=16)[0]["weight"].split(16)
        assert len(pieces) == blocks
        for piece in pieces:
            torch.testing.assert_close(piece @ piece.T, torch.eye(16, dtype=torch.float64), rtol=0, atol=1e-12)
        assert len({float(piece[0, 0]) for piece in pieces}) == blocks
    for piece in start_of("lstm", Named("identity"), width=16)[0]["weight"].split(16):
        assert torch.equal(piece, torch.eye(16, dtype=torch.float64))


def test_common_random_numbers():
    """A seed's deeper network begins with the shallower one's layers, its LSTM with the vanilla network's matrix; the
    init changes nothing but the recurrent matrices, and a seed's indices begin where its numbers would."""
    shallow, deep = start_of("gru", bias_std=0.2), start_of("gru", bias_std=0.2, depth=3)
    for name, value in shallow[0].items():
        assert torch.equal(value, deep[0][name])
    assert torch.equal(shallow[-1]["weight"], deep[-1]["weight"])
    assert torch.equal(start_of("lstm")[0]["weight"][-5:], start_of("rnn")[0]["weight"])
    he, lecun = start_of("rnn", Named("he_normal")), start_of("rnn", Named("lecun_normal"))
    torch.testing.assert_close(he[0]["weight"], math.sqrt(2) * lecun[0]["weight"])
    assert torch.equal(he[0]["input_weight"], lecun[0]["input_weight"])
    assert torch.equal(he[1]["weight"], lecun[1]["weight"])
    assert not torch.isclose(he[0]["weight"], start_of("rnn", Named("he_normal"), seed=1)[0]["weight"]).any()


def test_input_and_readout_matrices_have_variance_one_over_fan_in():
    """20,000 draws: the relative error of a mean square is 1 %; indices count the ones of their one-hot vectors."""
    for gain in (1.0, 0.25):
        scaled = start_of("lstm", width=100, in_features=50, params=(("input_gain", gain),))
        assert float(scaled[0]["input_weight"].square().mean()) == pytest.approx(gain**2 / 50, rel=0.05)
    looked_up = start_of("rnn", width=100, in_features=2, vocabulary=(100, 100))[0]["input_weight"]
    assert float(looked_up.square().mean()) == pytest.approx(1 / 2, rel=0.05)
    readout = start_of("rnn", Named("identity"), width=100, out_features=200)[1]["weight"]
    assert float(readout.square().mean()) == pytest.approx(1 / 100, rel=0.05)


def test_forget_bias_and_chrono_initialisation():
    """Tallec & Ollivier 2018: forget biases are ln U(1, T_max - 1), input biases their negatives."""
    _, _, forget, _ = start_of("lstm", width=8, params=(("forget_bias", 2.5),))[0]["bias"].split(8)
    assert forget.tolist() == [2.5] * 8
    assert start_of("lstm", width=8)[0]["bias"].split(8)[2].tolist() == [1.0] * 8
    both = [start_of("lstm", Named("identity"), width=8, params=(("chrono", 50),), bias_std=s) for s in ("auto", 0.5)]
    assert torch.equal(both[0][0]["bias"].split(8)[2], both[1][0]["bias"].split(8)[2])
    chrono = start_of("lstm", Named("identity"), width=400, params=(("chrono", 50),))[0]["bias"]
    output, input_, forget, candidate = chrono.split(400)
    assert torch.equal(input_, -forget)
    assert not output.any()
    assert not candidate.any()
    assert 1 <= float(forget.exp().min()) < 2
    assert 47 < float(forget.exp().max()) <= 49
    # uniform on [1, 49]: mean 25, of 400 draws with a standard error of 0.7
    assert float(forget.exp().mean()) == pytest.approx(25, abs=2.5)
    update = start_of("gru", Named("identity"), width=400, params=(("chrono", 50),))[0]["bias"].split(400)[1]
    assert float(update.exp().mean()) == pytest.approx(25, abs=2.5)


@pytest.mark.parametrize("radius", [0.5, 1.3])
def test_spectral_init_has_the_radius_that_was_asked_for(radius):
    weight = start_of("rnn", Named("spectral", (("radius", radius),)), width=40)[0]["weight"]
    assert float(torch.linalg.eigvals(weight).abs().max()) == pytest.approx(radius, rel=1e-12)
    assert weight.std() > 0.1 * radius / math.sqrt(40)
