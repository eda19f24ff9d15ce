"""The convolutional network: torch.nn's own for one replica, and the contract of the bank."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from contract import CLIPPED, SMALL, STARTS, assert_independent, named
from conv_reference import twin_of
from pairwise import full_product
from reference import flat

from gradlab import spec
from gradlab.cell import Cell
from gradlab.components import NORM_POSITIONS, NORMS, OPTIMIZERS, Named
from gradlab.errors import SpecError, UsageError
from gradlab.families import FAMILIES
from gradlab.probing import probe
from gradlab.streams import generator
from gradlab.training.loop import Trainer, train_bank

CPU = torch.device("cpu")
CONV = FAMILIES["conv"]
OPTIONS: dict[str, dict[str, object]] = {
    "plain": {},
    "strided": {"stages": 2, "widen": 2},
    "average": {"stages": 2, "pool": "average", "head": "flatten"},
    "max": {"stages": 2, "pool": "max", "padding": "circular"},
    "separable": {"separable": True, "padding": "replicate", "kernel": 5},
    "line": {"dims": 1, "stages": 3, "stride": 3, "head": "flatten", "padding": "reflect"},
    "three": {"convs": 3, "kernel": 1},
}
BASE = dataclasses.replace(SMALL, task=Named("digits"), depth=4, width=4, batch_size=8, probe_batch_size=6)
FACTORS = (OPTIONS, NORMS, CONV.allows["residual"], NORM_POSITIONS)
FEW = ("relu", "tanh", "prelu", "gelu")
SHAPES = full_product(*FACTORS, FEW)
"""Activations are those of the feed-forward network, function by function."""


def cells_of(shape: tuple[str, ...], starts: list[Named] = STARTS) -> list[Cell]:
    options, norm, residual, place, activation = shape
    if residual == "fixup":
        norm = "none"
    model = Named("conv", tuple(OPTIONS[options].items()))
    base = dataclasses.replace(
        BASE, model=model, norm=named(NORMS, norm), residual=Named(residual), norm_position=Named(place),
        activation=Named(activation), residual_scale="learned_zero" if activation == "gelu" else 0.7,
    )  # fmt: skip
    return [dataclasses.replace(base, init=init, seed=i % 2, lr=0.01 * (1 + i % 3)) for i, init in enumerate(starts)]


@pytest.mark.parametrize("shape", SHAPES)
def test_one_replica_is_the_network_of_torch_nn(shape: tuple[str, ...]) -> None:
    """Loss, every parameter's gradient, and the gradient norms at the blocks by torch.autograd.grad."""
    trainer = Trainer(cells_of(shape, [Named("he_normal"), Named("xavier_uniform")]), CPU)
    trainer.flat_RP += 0.1 * torch.randn(trainer.flat_RP.shape, generator=torch.manual_seed(0), dtype=torch.float64)
    profile = probe(trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, trainer.data.loss)
    for r in range(2):
        twin = twin_of(trainer, r)
        y, states = twin(trainer.probe_x[r])
        loss = torch.nn.functional.cross_entropy(y, trainer.probe_y[r])
        grads = torch.autograd.grad(loss, states, retain_graph=True)
        loss.backward()
        torch.testing.assert_close(profile.loss_R[r], loss.detach(), rtol=1e-11, atol=0)
        norms = torch.stack([grad.norm() for grad in grads])
        torch.testing.assert_close(profile.log_grad_norm_RL[r].exp(), norms, rtol=1e-9, atol=1e-14)
        slots = trainer.model.layout.slots
        of_parameters = flat(trainer, twin, grad=True)
        torch.testing.assert_close(profile.log_grad_norm_total_R[r].exp(), of_parameters.norm(), rtol=1e-9, atol=1e-14)
        for block in range(trainer.shared.depth):
            weights = [s.columns for s in slots if s.parameter.profiled and s.parameter.block == block]
            joint = torch.cat([of_parameters[columns] for columns in weights]).norm()
            torch.testing.assert_close(profile.log_weight_grad_norm_RL[r, block].exp(), joint, rtol=1e-9, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [param for i, param in enumerate(SHAPES) if param.marks or i % 4 == 0])
def test_a_cell_does_not_depend_on_its_bank_mates(shape: tuple[str, ...]) -> None:
    cells = cells_of(shape, STARTS[:4])
    assert_independent(cells, [len("".join(shape)) % 4])


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_keeps_replicas_apart(optimizer: str) -> None:
    cells = [
        dataclasses.replace(BASE, model=Named("conv"), optimizer=Named(optimizer), lr=0.01, seed=seed)
        for seed in range(3)
    ]
    assert_independent(cells, [1])


@pytest.mark.parametrize("clip", CLIPPED, ids=lambda clip: clip.name)
def test_every_clip_keeps_replicas_apart(clip: Named) -> None:
    cells = [dataclasses.replace(BASE, model=Named("conv"), clip=clip, seed=seed) for seed in range(3)]
    assert_independent(cells, [1])


def test_muon_and_agc_see_a_convolution_as_the_matrix_of_its_outputs() -> None:
    """One update of torch.optim.Muon on the weights as [O, I k k]; agc by the norm of each filter."""
    cell = dataclasses.replace(BASE, model=Named("conv"), optimizer=Named("muon"), lr=0.02, steps=1)
    trainer = Trainer([cell], CPU)
    twin = twin_of(trainer, 0)
    trainer.step(0)
    x, y = trainer.train_samples.gather(trainer.index_SN)
    torch.nn.functional.cross_entropy(twin(x[0])[0], y[0]).backward()
    weight = twin.blocks[1].convs[0].conv.weight
    matrix = weight.detach().flatten(1).clone().requires_grad_()
    matrix.grad = weight.grad.flatten(1)
    params = cell.optimizer.resolve(OPTIMIZERS)
    torch.optim.Muon([matrix], lr=0.02, weight_decay=0.0, momentum=params["momentum"]).step()
    slot = next(s for s in trainer.model.layout.slots if (s.layer, s.name) == (1, "weight0"))
    torch.testing.assert_close(slot.view(trainer.flat_RP)[0].flatten(1), matrix.detach(), rtol=1e-6, atol=1e-9)


def test_batch_norm_keeps_the_running_statistics_of_torch() -> None:
    cell = dataclasses.replace(
        BASE, model=Named("conv"), norm=Named("batch"), residual=Named("add"), optimizer=Named("sgd"), steps=2
    )
    trainer = Trainer([cell], CPU)
    twin = twin_of(trainer, 0).train()
    trainer.step(0)
    twin(trainer.train_samples.gather(trainer.index_SN)[0][0])
    expected = [
        torch.stack([norm.running_mean, norm.running_var])
        for norm in twin.modules()
        if isinstance(norm, torch.nn.BatchNorm2d) and norm.num_batches_tracked
    ]
    assert len(expected) == len(trainer.running)
    for running, statistics in zip(trainer.running, expected, strict=True):
        torch.testing.assert_close(running[0], statistics)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": 5, "pool": "max"}, "5 stages of pooling leave nothing of images of 8 x 8"),
        ({"kernel": 19, "padding": "circular"}, "needs 9 positions, images of 8 x 8 leave 8"),
        ({"kernel": 17, "padding": "reflect"}, "needs 9 positions, images of 8 x 8 leave 8"),
    ],
)
def test_images_that_are_too_small_are_refused(options: dict[str, object], message: str) -> None:
    params = ", ".join(f"{key}: {value}" for key, value in options.items())
    with pytest.raises(SpecError, match=message):
        spec.loads(f"name: x\nmodel: {{name: conv, {params}}}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: adding", "adding is a task of sequences, conv takes none"),
        ("task: teacher", "conv needs a task of images, teacher is none"),
        ("residual: pre_norm\nnorm: layer", "conv cannot have residual pre_norm"),
        ("model: {name: conv, stages: 3}\ndepth: 2", "3 stages in 2 blocks"),
        ("norm: {group: 3}\nwidth: 8", "each group has the same number of units"),
        (
            "task: {name: images, channels: 6}\nwidth: 4\ninit: delta_orthogonal",
            "6 channels of images go to a width of 4",
        ),
    ],
)
def test_what_a_convolution_cannot_have_is_refused_with_its_line(text: str, message: str) -> None:
    model = "" if "model" in text else "model: conv\n"
    with pytest.raises(SpecError, match=message):
        spec.loads(f"name: x\n{model}{text}")


def test_delta_orthogonal_refuses_a_convolution_to_fewer_channels() -> None:
    images = Named("images", (("channels", 6), ("samples", 64)))
    cell = dataclasses.replace(BASE, model=Named("conv"), task=images, init=Named("delta_orthogonal"))
    with pytest.raises(UsageError, match="6 inputs and 4 outputs"):
        Trainer([cell], CPU)


@pytest.mark.parametrize("residual", ["add", "fixup"])
def test_branches_that_begin_at_zero_hand_the_gradient_on_as_it_is(residual: str) -> None:
    """SkipInit and Fixup: survival is 1 exactly."""
    scale = {"residual_scale": "learned_zero"} if residual == "add" else {}
    cell = dataclasses.replace(BASE, model=Named("conv"), residual=Named(residual), steps=0, depth=6, **scale)
    (record,) = train_bank([cell])
    log_g = record.log_grad_norm[0]
    np.testing.assert_allclose(log_g, log_g[-1], rtol=0, atol=1e-12)


def test_fixup_draws_its_branches_as_the_paper_has_it() -> None:
    cell = dataclasses.replace(BASE, model=Named("conv"), residual=Named("fixup"), depth=9, init=Named("he_normal"))
    trainer = Trainer([cell], CPU)
    weights = {(slot.layer, slot.name): slot.view(trainer.flat_RP)[0] for slot in trainer.model.layout.slots}
    draws = generator(cell.seed, "blocks")
    for block in range(9):
        shape = weights[block, "weight0"].shape
        z = torch.randn(shape, generator=draws, dtype=torch.float64)
        expected = math.sqrt(2 / shape[1:].numel()) * z * (8**-0.5 if block else 1)
        torch.testing.assert_close(weights[block, "weight0"], expected)
        if block:
            torch.randn(shape, generator=draws, dtype=torch.float64)
            assert not weights[block, "weight1"].any()


@pytest.mark.parametrize("init", ["delta_orthogonal", "orthogonal", "identity", "spectral"])
def test_inits_of_matrices_keep_replicas_apart(init: str) -> None:
    cells = [dataclasses.replace(BASE, model=Named("conv"), init=Named(init), seed=seed) for seed in range(3)]
    assert_independent(cells, [1])
