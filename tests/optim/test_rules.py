"""Optimisers, clips, penalties and schedules are those of torch, step for step."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from contract import CLIPPED, STEP_BY_STEP, assert_same
from reference import agc, flat, network, torch_optimizer

from gradlab.cell import Cell
from gradlab.components import CLIPS, OPTIMIZERS, Named
from gradlab.training.batches import Batches
from gradlab.training.loop import Trainer, train_bank

CPU = torch.device("cpu")


def reference_run(cell: Cell) -> tuple[torch.Tensor, list[float], list[float]]:
    """Train one cell as a user would with torch.nn; return its parameters and the gradient norms before and after."""
    trainer = Trainer([cell], CPU)
    twin = network(trainer, 0)
    optimizer = torch_optimizer(cell, twin.parameters())
    rates = [group["lr"] for group in optimizer.param_groups]
    cosine = cell.lr_schedule.name == "cosine"
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, cell.steps) if cosine else None
    batches = Batches([cell.seed], trainer.train_samples.size, cell.batch_size, CPU)
    before, after = [], []
    for step in range(cell.steps):
        x, y = trainer.train_samples.gather(batches.next())
        weights = [block.linear.weight for block in twin.blocks] + [twin.readout.weight]
        loss = torch.nn.functional.mse_loss(twin(x[0])[0], y[0])
        loss = loss + cell.l1 * sum(w.abs().sum() for w in weights) + cell.l2 * sum(w.square().sum() for w in weights)
        optimizer.zero_grad()
        loss.backward()
        before.append(float(flat(trainer, twin, grad=True).norm()))
        params = dict(cell.clip.params)
        if cell.clip.name == "norm":
            torch.nn.utils.clip_grad_norm_(twin.parameters(), params["max"])
        elif cell.clip.name == "each":
            for parameter in twin.parameters():
                if (norm := float(parameter.grad.norm())) > params["max"]:  # tf.clip_by_norm
                    parameter.grad.mul_(params["max"] / norm)
        elif cell.clip.name == "value":
            torch.nn.utils.clip_grad_value_(twin.parameters(), params["max"])
        elif cell.clip.name == "agc":
            agc(twin, params["factor"], 1e-3)
        after.append(float(flat(trainer, twin, grad=True).norm()))
        if scheduler is None:
            for group, lr in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = lr * min((step + 1) / cell.warmup, 1) if cell.warmup else lr
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return flat(trainer, twin), before, after


OPTIONS = [
    Named("sgd", (("decay", "matrices"),)), Named("sgd", (("maximize", True), ("decay", "matrices"))),
    Named("momentum", (("dampening", 0.3), ("decay", "matrices"))), Named("nesterov", (("maximize", True),)),
    Named("adagrad", (("lr_decay", 0.1), ("initial_accumulator_value", 0.2), ("decay", "matrices"))),
    Named("rmsprop", (("momentum", 0.5), ("centered", True), ("decay", "matrices"))),
    Named("adam", (("beta1", 0.8), ("amsgrad", True), ("decay", "matrices"))),
    Named("adamw", (("beta2", 0.95), ("amsgrad", True))), Named("adamw", (("decay", "matrices"),)),
    Named("adamw", (("maximize", True), ("decay", "matrices"))),
    Named("nadam", (("momentum_decay", 0.01), ("decoupled_weight_decay", True), ("decay", "matrices"))),
    Named("nadam", (("decay", "matrices"),)), Named("radam", (("decoupled_weight_decay", True),)),
    Named("adamax", (("beta2", 0.9), ("decay", "matrices"))), Named("adadelta", (("decay", "matrices"),)),
    Named("adafactor", (("eps2", 0.01), ("d", 2.0), ("beta2_decay", -0.5), ("decay", "matrices"))),
    Named("lion", (("beta1", 0.95), ("maximize", True))),
    Named("muon", (("ns_steps", 3), ("adjust_lr_fn", "match_rms_adamw"), ("adamw_lr", 0.01), ("decay", "matrices"))),
    Named("muon", (("nesterov", False), ("momentum", 0.5))), Named("rprop", (("eta_plus", 1.5), ("step_max", 0.02))),
    Named("asgd", (("lambd", 0.1), ("t0", 2.0), ("decay", "matrices"))),
]  # fmt: skip


@pytest.mark.parametrize("named", [*map(Named, OPTIMIZERS), *OPTIONS], ids=str)
def test_every_optimizer_is_torch_optim_step_for_step(named):
    """With weight decay, l1, l2 and every clip, all in one bank against separate torch.optim loops."""
    assert {clip.name for clip in CLIPPED} == set(CLIPS)
    own_lr = OPTIMIZERS[named.name].params["lr"].default
    by_decay = 0.02 if OPTIMIZERS[named.name].weight_decay else 0.0
    cells = [
        dataclasses.replace(
            STEP_BY_STEP, optimizer=named, clip=clip, seed=seed, lr=lr, weight_decay=decay, l1=l1, l2=l2
        )
        for clip, (seed, lr, decay, l1, l2) in itertools.product(
            CLIPPED, [(0, own_lr, 0.0, 0.0, 0.0), (1, own_lr / 3, by_decay, 1e-3, 2e-3)]
        )
    ]
    trainer = Trainer(cells, CPU)
    records = trainer.train()
    for r, cell in enumerate(cells):
        parameters, before, after = reference_run(cell)
        torch.testing.assert_close(trainer.flat_RP[r], parameters, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(records[r].clip_before[:-1], before, rtol=1e-7)
        np.testing.assert_allclose(records[r].clip_after[:-1], after, rtol=1e-7)
        np.testing.assert_allclose(records[r].clip_coef[:-1], np.divide(after, before), rtol=1e-7)
        if cell.clip.name != "none":
            clipped = np.array(after) < np.array(before) * (1 - 1e-12)
            assert records[r].clip_rate == pytest.approx(clipped.mean())
            assert records[r].clip_rate > 0


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("model", ["mlp", "lstm"])
def test_clipping_each_tensor_leaves_small_ones_alone_and_bounds_the_others(model, precision):
    """One step of sgd: an update of at most lr*c in norm for every tensor of every replica, to 1e-6; one whose gradient
    is below c gets the bits that it gets without a clip, however large the others are."""
    lr, most = 0.5, {"mlp": 1.0, "lstm": 0.3}[model]
    cell = dataclasses.replace(
        STEP_BY_STEP, model=Named(model), norm=Named("none"), optimizer=Named("sgd"), lr=lr, steps=1, probe_at=(0, 1),
        precision=Named(precision),
    )  # fmt: skip
    if model != "mlp":
        cell = dataclasses.replace(cell, task=Named("adding"), seq_len=6, depth=2)
    clips = [Named("none"), Named("each", (("max", most),)), Named("each", (("max", most / 3),)), Named("none")]
    cells = [dataclasses.replace(cell, clip=clip, seed=seed) for clip in clips for seed in (0, 1)]
    trainer = Trainer(cells, CPU)
    before = trainer.flat_RP.clone()
    trainer.train()
    moved = trainer.flat_RP - before
    kinds = set()
    for slot in trainer.model.layout.slots:
        free, clipped, tight = (moved[r : r + 2, slot.columns] for r in (0, 2, 4))
        for seed in (0, 1):
            norm = float(free[seed].double().norm())
            assert float(tight[seed].double().norm()) <= lr * most / 3 * (1 + 1e-6) + 1e-7
            assert float(clipped[seed].double().norm()) <= lr * most * (1 + 1e-6) + 1e-7
            if norm < lr * most * (1 - 1e-6):
                assert torch.equal(free[seed], clipped[seed])
            elif norm > lr * most * (1 + 1e-6):
                expected = free[seed] * (lr * most / norm)
                torch.testing.assert_close(clipped[seed], expected, rtol=1e-4, atol=1e-7)
            kinds.add(norm < lr * most)
    assert kinds == {True, False}


@pytest.mark.parametrize(("schedule", "warmup"), [("cosine", 0), ("constant", 5)])
def test_learning_rate_schedules_are_torchs(schedule, warmup):
    cell = dataclasses.replace(STEP_BY_STEP, optimizer=Named("sgd"), lr_schedule=Named(schedule), warmup=warmup)
    trainer = Trainer([cell], CPU)
    trainer.train()
    torch.testing.assert_close(trainer.flat_RP[0], reference_run(cell)[0], rtol=1e-9, atol=1e-12)


def test_optimizers_of_different_kinds_share_a_bank():
    """Each replica of a bank with every optimiser ends where it ends alone."""
    cells = [
        dataclasses.replace(STEP_BY_STEP, optimizer=Named(name), lr=OPTIMIZERS[name].params["lr"].default)
        for name in OPTIMIZERS
    ]
    for cell, record in zip(cells, train_bank(cells), strict=True):
        assert_same(record, train_bank([cell])[0])
