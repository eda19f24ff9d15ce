"""One replica of a transformer is the network that torch.nn makes, gradient for gradient; and so are its probes."""

from __future__ import annotations

import dataclasses
import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from transformer_cells import ALLOWED, BASE, IMAGES, SHAPES, VARIANTS, bank, transformer
from transformer_twin import forward, variant
from transformer_twin import named as by_layer

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.families.chain import outputs
from gradlab.families.network import Context
from gradlab.probing import probe
from gradlab.training.loop import Trainer

CPU = torch.device("cpu")


def stirred(cells: list[Cell]) -> Trainer:
    """A bank with noise on all parameters, so that none is at a special value."""
    trainer = Trainer(cells, CPU)
    trainer.flat_RP += 0.1 * torch.randn(trainer.flat_RP.shape, generator=torch.manual_seed(0), dtype=torch.float64)
    return trainer


def assert_twins(cells: list[Cell]) -> None:
    """Outputs, every parameter's gradient, and all that a probe says of the gradient."""
    trainer = stirred(cells)
    model, loss = trainer.model, trainer.data.loss
    masks = trainer.probe_masks
    profile = probe(model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, loss, masks)
    params, leaves = model.layout.leaves(trainer.flat_RP)
    whole = outputs(model, params, trainer.probe_x, Context("train", masks=masks))
    loss_R = loss(whole, trainer.probe_y)
    grads = torch.autograd.grad(loss_R.sum(), leaves)
    grad_RP = torch.cat([grad.flatten(1) for grad in grads], 1)
    for r in range(len(cells)):
        theta = trainer.flat_RP[r].clone().requires_grad_()
        run = forward(model, theta, trainer.probe_x[r], cells[r].activation, [mask[r] for mask in masks])
        twin_loss = loss(run.output.unsqueeze(0), trainer.probe_y[r].unsqueeze(0))
        torch.testing.assert_close(whole[r].detach(), run.output.detach(), rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(profile.loss_R[r], twin_loss[0].detach(), rtol=1e-11, atol=0)
        grad, *at = torch.autograd.grad(twin_loss.sum(), [theta, *run.streams[1:]])
        # of a bias of keys it is zero but for the rounding of others, which relu_squared without a norm makes millions
        torch.testing.assert_close(grad_RP[r], grad, rtol=1e-9, atol=1e-11 * max(1.0, float(grad.abs().max())))
        norms = torch.stack([g.norm() for g in at])
        torch.testing.assert_close(profile.log_grad_norm_RL[r].exp(), norms, rtol=1e-10, atol=1e-14)
        torch.testing.assert_close(profile.log_grad_norm_total_R[r].exp(), grad.norm(), rtol=1e-10, atol=1e-14)
        by_block = [
            torch.cat([
                grad[slot.columns] for slot in model.layout.profiled() if slot.parameter.block == block
            ]).norm()
            for block in range(model.length)
        ]  # fmt: skip
        torch.testing.assert_close(
            profile.log_weight_grad_norm_RL[r].exp(), torch.stack(by_block), rtol=1e-10, atol=1e-14
        )
        assert_numbers_of_tokens(profile, r, run, at, variant(model.arch)["causal"])


def assert_numbers_of_tokens(profile, r: int, run, at: list[Tensor], causal: bool) -> None:
    """Cosines pair by pair, the share of the mean in the gradient, and entropies, straight from their definitions."""
    for block, (x, g) in enumerate(zip(run.streams[1:], at, strict=True)):
        tokens = x.shape[1]
        pairs = [torch.cosine_similarity(x[:, i], x[:, j], -1) for i, j in itertools.permutations(range(tokens), 2)]
        torch.testing.assert_close(profile.token_cosine_RL[r, block], torch.stack(pairs).mean(), rtol=1e-9, atol=1e-12)
        common = g.mean(1, keepdim=True).expand_as(g).square().sum() / g.square().sum()
        torch.testing.assert_close(profile.common_RL[r, block], common, rtol=1e-8, atol=1e-12, equal_nan=True)
    for block, a in enumerate(run.weights):
        entropies = []
        for i in range(a.shape[-1]):
            seen = i + 1 if causal else a.shape[-1]
            if seen > 1:
                row = a[:, :, i, :seen]
                entropies.append((-torch.xlogy(row, row).sum(-1) / math.log(seen)).mean())
        torch.testing.assert_close(
            profile.attn_entropy_RL[r, block], torch.stack(entropies).mean(), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize(("norm", "residual"), list(itertools.product(ALLOWED["norm"], ALLOWED["residual"])))
def test_one_replica_is_the_network_of_torch_nn_with_each_norm_in_each_form(norm: str, residual: str) -> None:
    assert_twins(bank((norm, residual, "tanh"))[::4])


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_one_replica_is_the_network_of_torch_nn(shape: tuple[str, str, str]) -> None:
    assert_twins(bank(shape))


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "a single token"])
def test_every_option_is_that_of_torch_nn(name: str) -> None:
    cell = dataclasses.replace(BASE, **VARIANTS[name])
    assert_twins([dataclasses.replace(cell, seed=seed) for seed in range(2)])


def test_an_activation_of_each_replica_is_its_own() -> None:
    assert_twins(
        [dataclasses.replace(BASE, model=transformer(), activation=Named(name)) for name in ("relu", "tanh", "gelu")]
    )


@pytest.mark.parametrize("form", ["post_norm", "pre_norm"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("causal", [False, True])
def test_a_block_is_the_encoder_layer_of_torch(form: str, activation: str, causal: bool) -> None:
    """torch.nn.TransformerEncoderLayer with the same parameters, and torch's own mask."""
    cell = dataclasses.replace(
        BASE, model=transformer(heads=2, ff=3, causal=causal, final_norm=False), depth=1, residual=Named(form),
        activation=Named(activation),
    )  # fmt: skip
    trainer = stirred([cell])
    layer = nn.TransformerEncoderLayer(
        8, 2, 24, 0.0, activation, batch_first=True, norm_first=form == "pre_norm", dtype=torch.float64
    )
    enter, attention, mlp, _ = by_layer(trainer.model, trainer.flat_RP[0])
    weights = {
        "self_attn.in_proj_weight": torch.cat([attention[name] for name in ("query", "key", "value")]),
        "self_attn.in_proj_bias": torch.cat([attention[f"{name}_bias"] for name in ("query", "key", "value")]),
        "self_attn.out_proj.weight": attention["output"], "self_attn.out_proj.bias": attention["output_bias"],
        "norm1.weight": attention["norm_weight"], "norm1.bias": attention["norm_bias"],
        "linear1.weight": mlp["first"], "linear1.bias": mlp["first_bias"],
        "linear2.weight": mlp["second"], "linear2.bias": mlp["second_bias"],
        "norm2.weight": mlp["norm_weight"], "norm2.bias": mlp["norm_bias"],
    }  # fmt: skip
    layer.load_state_dict(weights)
    params, ctx = trainer.model.layout.views(trainer.flat_RP), Context("train")
    x = trainer.probe_x
    (tokens,) = trainer.model.enter(params, x, ctx)
    mask = nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64) if causal else None
    (ours,), _ = trainer.model.block(0, params, (tokens,), x, ctx)
    torch.testing.assert_close(ours[0], layer(tokens[0], src_mask=mask).detach(), rtol=1e-11, atol=1e-13)
    assert enter


def test_a_pass_without_gradients_in_chunks_is_the_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = stirred([dataclasses.replace(BASE, model=transformer(), **IMAGES, seed=seed) for seed in range(2)])
    params, x = trainer.model.layout.views(trainer.flat_RP), trainer.test_x
    with torch.no_grad():
        pieces = outputs(trainer.model, params, x, Context("eval"))
        monkeypatch.setattr("gradlab.families.transformer.network.CHUNK_BYTES", 2**40)
        whole = outputs(trainer.model, params, x, Context("eval"))
    torch.testing.assert_close(pieces, whole, rtol=1e-12, atol=1e-12)


def test_a_probe_that_makes_its_graphs_anew_is_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = stirred([dataclasses.replace(BASE, model=transformer(), depth=3, seed=seed) for seed in range(2)])
    batch = (trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, trainer.data.loss)
    unchanged = probe(*batch)
    monkeypatch.setattr("gradlab.families.transformer.network.GRAPH_BYTES", 0)
    assert trainer.model.recompute(trainer.probe_x)
    again = probe(*batch)
    for name in ("log_grad_norm_RL", "log_weight_grad_norm_RL", "saturated_RL", "token_cosine_RL", "attn_entropy_RL"):
        torch.testing.assert_close(getattr(again, name), getattr(unchanged, name), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(again.log_grad_norm_total_R, unchanged.log_grad_norm_total_R, rtol=1e-12, atol=1e-14)
