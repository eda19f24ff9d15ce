"""The walk along a chain: by hand as by autograd, link by link as by the faster form, backward as forward."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from recurrent_reference import architecture

from gradlab.components import ACTIVATIONS, Named
from gradlab.families import FAMILIES, chain
from gradlab.families.mlp.network import MLP
from gradlab.families.network import Architecture, Context
from gradlab.families.recurrent.network import Recurrent
from gradlab.nn.parameters import Start

ALONG_TIME = [name for name, family in FAMILIES.items() if "sequences" in family.inputs]
FORMS = [("none", 1.0), ("add", 0.7), ("add", "learned_zero"), ("add", "1/sqrt(depth)")]


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mlp(activation: str, residual: str = "none", scale: float | str = 1.0, norm: str = "none") -> MLP:
    return MLP(
        Architecture(
            Named("mlp"), 3, 2, 4, 5, Named(activation), Named(norm), "pre_activation", residual, scale, 0.0
        )
    )  # fmt: skip


def stirred(network, replicas: int = 2) -> torch.Tensor:
    flat_RP = network.layout.initial([Start(seed, Named("he_normal"), 0.3) for seed in range(replicas)])
    return flat_RP + 0.1 * normal(*flat_RP.shape)


def objective(target: torch.Tensor):
    def loss(output: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        loss_R = (output - target).square().flatten(1).mean(1)
        return loss_R, loss_R.sum()

    return loss


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "dropout"])
@pytest.mark.parametrize(("residual", "scale"), FORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_by_hand_are_those_of_autograd(activation, residual, scale, masked, monkeypatch):
    network = mlp(activation, residual, scale)
    assert network.by_hand
    params, leaves = network.layout.leaves(stirred(network))
    masks = [(normal(2, 6, 5, seed=i) > 0).double() * 2 for i in range(4)] if masked else []
    x, target = normal(2, 6, 3), normal(2, 6, 2, seed=7)
    args = network, params, leaves, x, Context("train", masks=masks), objective(target)
    loss_R, grads = chain.gradients(*args)
    monkeypatch.setattr(MLP, "by_hand", False)
    expected_R, expected = chain.gradients(*args)
    torch.testing.assert_close(loss_R, expected_R, rtol=1e-14, atol=0)
    assert all(bool(grad.any()) for grad in grads[:2])
    torch.testing.assert_close(grads, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
def test_what_has_no_backward_pass_by_hand_says_so_and_is_trained_by_autograd(norm):
    network = mlp("tanh", norm=norm)
    assert not network.by_hand
    params, leaves = network.layout.leaves(stirred(network))
    _, grads = chain.gradients(
        network, params, leaves, normal(2, 6, 3), Context("train"), objective(normal(2, 6, 2, seed=7))
    )
    assert [grad.shape for grad in grads] == [leaf.shape for leaf in leaves]


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("name", ALONG_TIME)
def test_walking_link_by_link_is_the_faster_form(name, per_step):
    """The whole sequence, layer by layer, against all layers, step by step: outputs and gradients."""
    network = Recurrent(
        architecture(name, depth=2, per_step=per_step, residual="add", model=Named(name, (("truncate", 3),)))
    )
    params, leaves = network.layout.leaves(stirred(network))
    x, ctx = normal(2, 4, 7, 3), Context("train", masks=[(normal(2, 4, 5, seed=i) > 0).double() for i in range(2)])
    whole = chain.outputs(network, params, x, ctx)
    walked = network.leave(params, chain.forward(network, params, x, ctx)[1])
    torch.testing.assert_close(whole, walked, rtol=1e-13, atol=1e-13)
    v = normal(*whole.shape, seed=3)
    grads = [torch.autograd.grad((y * v).sum(), leaves) for y in (whole, walked)]
    torch.testing.assert_close(grads[0], grads[1], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("cuts", "expected"), [((), [0, 1, 2, 3]), ((2,), [0, 1, 2, 3])])
def test_the_way_back_visits_every_link_once_and_stops_at_cuts(cuts, expected):
    network = mlp("tanh")
    network.cut = lambda i: i in cuts  # type: ignore[method-assign]
    seen = []

    def visit(i, coming, above):
        seen.append((i, coming, above is not None))
        return i

    direct = [None, None, None, normal(1)]
    assert chain.back(network, direct, visit) == 0
    assert [i for i, _, _ in seen] == expected[::-1]
    assert [coming for _, coming, _ in seen] == [None, 3, None if 2 in cuts else 2, 1]
    assert [direct for _, _, direct in seen] == [True, False, False, False]


def test_a_mixture_goes_back_through_each_of_its_activations():
    named = [Named("tanh"), Named("tanh"), Named("gelu"), Named("linear")]
    plain = mlp("tanh").arch
    mixed = MLP(dataclasses.replace(plain, activations=tuple(named)))
    flat_RP, x, target = stirred(mixed, 4), normal(4, 6, 3), normal(4, 6, 2, seed=7)
    params, leaves = mixed.layout.leaves(flat_RP)
    _, together = chain.gradients(mixed, params, leaves, x, Context("train"), objective(target))
    for r, name in enumerate(named):
        alone = MLP(dataclasses.replace(plain, activation=name, activations=(name,)))
        own, own_leaves = alone.layout.leaves(flat_RP[r : r + 1])
        slices = x[r : r + 1], Context("train"), objective(target[r : r + 1])
        _, grads = chain.gradients(alone, own, own_leaves, *slices)
        for one, other in itertools.zip_longest(together, grads):
            torch.testing.assert_close(one[r : r + 1], other, rtol=1e-12, atol=1e-15)
