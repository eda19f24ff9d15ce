"""Replicas of modules: the same numbers in any bank, by one vmap or one after another, and as plain torch has them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from contract import assert_independent
from torch.nn import functional as F
from user_modules import Attention, Checkpointed, Gated, Recurrent, cell, parametrized, register, stack

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.families import FAMILIES
from gradlab.module_banks.building import build, seeded
from gradlab.tasks import load
from gradlab.training.batches import Batches
from gradlab.training.loop import Trainer, architecture, train_bank

SEQUENCES = {"task": Named("adding", (("samples", 32),)), "seq_len": 5, "depth": 5}


@pytest.fixture(autouse=True)
def modules() -> None:
    register("stack", stack)
    register("gated", Gated, blocks="Residual")
    register("recurrent", Recurrent, length=5)
    register("checkpointed", Checkpointed)
    register("attention", Attention, blocks="TransformerEncoderLayer")
    register("parametrized", parametrized)


CASES = {
    "plain": {}, "batch norm": {"norm": True}, "dropout": {"drop": 0.3}, "both": {"norm": True, "drop": 0.3},
    "branches": {"name": "gated"}, "recurrent": {"name": "recurrent", **SEQUENCES},
    "checkpointed": {"name": "checkpointed"}, "parametrized": {"name": "parametrized"},
    "attention": {"name": "attention", **SEQUENCES, "depth": 2},
}  # fmt: skip


def bank(case: str) -> list[Cell]:
    """Two seeds, two learning rates, two clips."""
    clips = [Named("none"), Named("norm", (("max", 0.3),))]
    return [
        cell(seed=seed, lr=lr, clip=clip, **CASES[case]) for seed in range(2) for lr in (0.05, 0.01) for clip in clips
    ]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_replica_does_not_depend_on_its_bank_mates(case: str) -> None:
    assert_independent(bank(case), (0, 5))


@pytest.mark.parametrize(
    ("case", "draws", "batched"),
    [
        ("plain", False, True), ("batch norm", False, True), ("dropout", True, False), ("branches", False, False),
        ("recurrent", False, False), ("checkpointed", False, True), ("parametrized", False, False),
        ("attention", False, True),
    ],
)  # fmt: skip
def test_replicas_are_batched_where_that_is_the_same(case: str, draws: bool, batched: bool) -> None:
    how = Trainer(bank(case)[:1], torch.device("cpu")).model.stacking
    assert (how.draws, how.in_training) == (draws, batched)


@pytest.mark.parametrize("case", ["plain", "batch norm"])
def test_batched_replicas_are_those_one_after_another(case: str) -> None:
    batched, looped = (Trainer(bank(case), torch.device("cpu")) for _ in range(2))
    looped.model.stacking = dataclasses.replace(looped.model.stacking, in_training=False, in_evaluation=False)
    for one, other in zip(batched.train(), looped.train(), strict=True):
        np.testing.assert_allclose(one.log_grad_norm, other.log_grad_norm, rtol=1e-9)
        np.testing.assert_allclose(one.metric, other.metric, rtol=1e-8)
    for one, other in zip(batched.running, looped.running, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", ["both", "branches", "recurrent", "checkpointed", "attention", "parametrized"])
def test_training_is_that_of_a_loop_in_torch(case: str) -> None:
    one = cell(seed=7, optimizer=Named("adam"), lr=0.01, **CASES[case])
    trainer = Trainer([one], torch.device("cpu"))
    record = trainer.train()[0]
    data = load(one.task, (7,), one.seq_len)
    arch = architecture([one], data)
    module = build(arch, FAMILIES[one.model.name].target, 7).double()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    batches = Batches((7,), data.train_x.shape[1], one.batch_size, torch.device("cpu"))
    x, y = data.train_x[0].double(), data.train_y[0].double()
    with seeded(7, "train"):
        for _ in range(one.steps):
            index = batches.next()[0]
            optimizer.zero_grad()
            F.mse_loss(module(x[index]), y[index]).backward()
            optimizer.step()
    # Adam's first steps are a gradient over its size: near zero that is not smooth, but 1e-9 of rounding stays small
    for slot, parameter in zip(trainer.model.layout.slots, module.parameters(), strict=True):
        torch.testing.assert_close(slot.view(trainer.flat_RP)[0], parameter.detach(), rtol=1e-7, atol=1e-8)
    for kept, (name, buffer) in zip(trainer.running, module.named_buffers(), strict=False):
        torch.testing.assert_close(kept[0].double(), buffer.double(), rtol=1e-7, atol=1e-8, msg=name)
    module.eval()
    with torch.no_grad():
        output, target = module(data.test_x[0].double()), data.test_y[0].double()
    metric = 1 - F.mse_loss(output, target) / target.var(correction=0)
    assert record.metric[-1] == pytest.approx(float(metric), rel=1e-6)


def test_a_seed_draws_the_weights_that_the_module_draws_by_itself() -> None:
    cells = [cell(seed=seed) for seed in (3, 4, 3)]
    trainer = Trainer([*cells], torch.device("cpu"))
    assert torch.equal(trainer.flat_RP[0], trainer.flat_RP[2])
    with seeded(4, "init"):
        module = stack(6, 1, 3, 6)
    expected = torch.cat([parameter.flatten() for parameter in module.parameters()]).double()
    assert torch.equal(trainer.flat_RP[1], expected.detach())


def test_nothing_touches_the_random_streams_of_the_process() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    train_bank([cell(drop=0.3)])
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
