"""The walk along a chain: by hand as by autograd, link by link as by the faster form, backward as forward."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from recurrent_reference import architecture

from gradlab.components import ACTIVATIONS, Named
from gradlab.families import FAMILIES, chain
from gradlab.families.mlp.network import MLP
from gradlab.families.network import Architecture, Context, Network
from gradlab.families.recurrent.network import Recurrent
from gradlab.nn.parameters import Start

ALONG_TIME = [name for name, family in FAMILIES.items() if family.axis.along == "seq_len"]
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
        with torch.enable_grad():
            leaf = output.detach().requires_grad_()
            loss_R = (leaf - target).square().flatten(1).mean(1)
            return loss_R.detach(), torch.autograd.grad(loss_R.sum(), leaf)[0]

    return loss


def gradients(
    network: Network, flat_RP: torch.Tensor, x: torch.Tensor, ctx: Context, target: torch.Tensor, calls: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the losses, `[R]`, and the gradients, laid out as the parameters are, of the last of some equal calls."""
    params, leaves = network.layout.leaves(flat_RP)
    grad_RP = torch.full_like(flat_RP, torch.nan)
    trained = chain.Gradients(network, params, leaves, network.layout.views(grad_RP))
    for _ in range(calls):
        loss_R = trained(x, ctx, objective(target))
    return loss_R, grad_RP


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "dropout"])
@pytest.mark.parametrize(("residual", "scale"), FORMS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_by_hand_are_those_of_autograd(activation, residual, scale, masked, monkeypatch):
    """Twice in the same memory: what the first call left behind does not count."""
    network = mlp(activation, residual, scale)
    flat_RP = stirred(network)
    views = network.layout.views(flat_RP)
    assert network.by_hand(views, views, 6) is not None
    masks = [(normal(2, 6, 5, seed=i) > 0).double() * 2 for i in range(4)] if masked else []
    args = flat_RP, normal(2, 6, 3), Context("train", masks=masks), normal(2, 6, 2, seed=7)
    loss_R, grad_RP = gradients(network, *args, calls=2)
    monkeypatch.setattr(MLP, "by_hand", lambda *_: None)
    expected_R, expected_RP = gradients(network, *args)
    torch.testing.assert_close(loss_R, expected_R, rtol=1e-14, atol=0)
    torch.testing.assert_close(grad_RP, expected_RP, rtol=1e-12, atol=1e-15)
    assert all(bool(slot.view(grad_RP).any()) for slot in network.layout.slots[:2])


def test_batches_of_another_size_have_memory_of_their_own():
    network = mlp("tanh", "add")
    flat_RP = stirred(network)
    params, leaves = network.layout.leaves(flat_RP)
    grad_RP = torch.empty_like(flat_RP)
    trained = chain.Gradients(network, params, leaves, network.layout.views(grad_RP))
    for size in (6, 4, 6):
        x, target = normal(2, size, 3), normal(2, size, 2, seed=7)
        trained(x, Context("train"), objective(target))
        assert torch.equal(grad_RP, gradients(network, flat_RP, x, Context("train"), target)[1])


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
def test_what_has_no_backward_pass_by_hand_is_trained_by_autograd(norm):
    network = mlp("tanh", norm=norm)
    flat_RP = stirred(network)
    views = network.layout.views(flat_RP)
    assert network.by_hand(views, views, 6) is None
    x, target = normal(2, 6, 3), normal(2, 6, 2, seed=7)
    params, leaves = network.layout.leaves(flat_RP)
    output = chain.outputs(network, params, x, Context("train"))
    expected = torch.autograd.grad((output - target).square().flatten(1).mean(1).sum(), leaves)
    _, grad_RP = gradients(network, flat_RP, x, Context("train"), target)
    torch.testing.assert_close([slot.view(grad_RP) for slot in network.layout.slots], list(expected))


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
    _, together_RP = gradients(mixed, flat_RP, x, Context("train"), target)
    for r, name in enumerate(named):
        alone = MLP(dataclasses.replace(plain, activation=name, activations=(name,)))
        replica = slice(r, r + 1)
        _, grad_RP = gradients(alone, flat_RP[replica], x[replica], Context("train"), target[replica])
        torch.testing.assert_close(together_RP[replica], grad_RP, rtol=1e-12, atol=1e-15)
