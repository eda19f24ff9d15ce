"""The contract of the bank: a cell's numbers do not depend on its bank-mates, and one replica is torch.nn's network."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from contract import FEED_FORWARD_NORMS, FORMS, SMALL, STARTS, STEP_BY_STEP, assert_independent, assert_same, named
from pairwise import full_product, pairwise
from reference import flat, network, torch_optimizer

from gradlab.cell import Cell
from gradlab.components import ACTIVATIONS, NORM_POSITIONS, Named
from gradlab.nn.activations import activations
from gradlab.probing import probe
from gradlab.training.batches import Batches
from gradlab.training.loop import Trainer, train_bank

CPU = torch.device("cpu")
FACTORS = (FEED_FORWARD_NORMS, NORM_POSITIONS, FORMS, ACTIVATIONS)
SHAPES = full_product(*FACTORS)
"""Of blocks: every pair of values always, the others with ``GRADLAB_LONG=1``. The tests of many activations in one bank
have every norm and position, and every residual form, together with every activation; all of them together likewise."""


def cells_of(shape: tuple[str, str, str, str]) -> list[Cell]:
    """A bank with every init, two seeds, mixed learning rates and dropout, for one shape of block."""
    norm, place, residual, activation = shape
    base = dataclasses.replace(
        SMALL, norm=named(FEED_FORWARD_NORMS, norm), norm_position=Named(place), residual=Named(residual),
        activation=Named(activation),
        residual_scale="learned_zero" if activation == "prelu" else 0.7, dropout=0.2 if activation == "tanh" else 0.0,
    )  # fmt: skip
    return [
        dataclasses.replace(base, init=init, seed=i % 2, lr=0.01 * (1 + i % 3), l2=1e-3 * (i % 2))
        for i, init in enumerate(STARTS)
    ]


def test_the_shapes_have_every_pair_of_registered_names():
    rows = pairwise(*FACTORS)
    assert rows == pairwise(*FACTORS)
    for (i, left), (j, right) in itertools.combinations(enumerate(FACTORS), 2):
        assert {(row[i], row[j]) for row in rows} == set(itertools.product(left, right))
    assert len(rows) < 1.2 * max(len(left) * len(right) for left, right in itertools.combinations(FACTORS, 2))


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_a_cell_does_not_depend_on_its_bank_mates(shape):
    """Bank = alone, permuted = not permuted, after training with Adam. float64: what is left is the order of sums."""
    cells = cells_of(shape)
    assert_independent(cells, [len("".join(shape)) % len(cells)])


MIXED = [name for name, component in ACTIVATIONS.items() if not component.learned]
BLOCKS = [
    (norm, place, residual)
    for norm, place, residual in itertools.product(FEED_FORWARD_NORMS, NORM_POSITIONS, FORMS)
    if place == "pre_activation"
    or (norm not in ("none", "weight") and residual in ("none", "add"))  # elsewhere it means nothing
]


def cells_of_all_activations(block: tuple[str, str, str]) -> list[Cell]:
    """A bank with every activation that learns nothing, each twice, with mixed inits, rates and optimisers."""
    cells = cells_of((*block, "tanh"))
    named = [Named(name) for name in MIXED] + [Named("leaky_relu", (("negative_slope", 0.3),))]
    return [
        dataclasses.replace(
            cells[i % len(cells)], activation=one, seed=seed, optimizer=Named(("momentum", "sgd")[i % 2])
        )
        for i, one in enumerate(named)
        for seed in (0, 1)
    ]


MANY = pytest.mark.parametrize(
    "block",
    [
        pytest.param(
            block,
            id="-".join(block),
            marks=() if block[2] == "add" or block[0] == "layer" else pytest.mark.slow_full,
        )
        for block in BLOCKS
    ],
)


@pytest.mark.slow
@MANY
def test_a_cell_does_not_depend_on_the_activations_of_its_bank_mates(block):
    """As above, with all activations in one bank, in runs and in any order."""
    cells = cells_of_all_activations(block)
    assert_independent(cells, range(BLOCKS.index(block) % 10, len(cells), 10))


def test_activations_that_cannot_share_a_bank_are_refused():
    with pytest.raises(ValueError, match="agree in activation"):
        train_bank([SMALL, dataclasses.replace(SMALL, activation=Named("prelu"))])
    with pytest.raises(ValueError, match="learned parameter"):
        activations([Named("relu"), Named("prelu")])
    rnn = dataclasses.replace(SMALL, model=Named("rnn"), task=Named("adding"), seq_len=10)
    with pytest.raises(ValueError, match="agree in activation"):
        train_bank([rnn, dataclasses.replace(rnn, activation=Named("tanh"))])


@pytest.mark.parametrize("shape", SHAPES)
def test_one_replica_is_the_network_of_torch_nn(shape):
    """Outputs, every parameter's gradient, and the probe's gradient norms by torch.autograd.grad, to 1e-12."""
    assert_torch_nn([dataclasses.replace(cell, dropout=0.0) for cell in cells_of(shape)])


@MANY
def test_replicas_of_many_activations_are_networks_of_torch_nn(block):
    assert_torch_nn([dataclasses.replace(cell, dropout=0.0) for cell in cells_of_all_activations(block)])


def assert_torch_nn(cells: list[Cell]) -> None:
    trainer = Trainer(cells, CPU)
    trainer.flat_RP += 0.1 * torch.randn(trainer.flat_RP.shape, generator=torch.manual_seed(0), dtype=torch.float64)
    profile = probe(trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, trainer.data.loss)
    for r in range(len(cells)):
        twin = network(trainer, r)
        y, outputs = twin(trainer.probe_x[r])
        loss = torch.nn.functional.mse_loss(y, trainer.probe_y[r])
        grads = torch.autograd.grad(loss, outputs, retain_graph=True)
        loss.backward()
        torch.testing.assert_close(profile.loss_R[r], loss.detach(), rtol=1e-12, atol=0)
        norms = torch.stack([g.norm() for g in grads])
        torch.testing.assert_close(profile.log_grad_norm_RL[r].exp(), norms, rtol=1e-10, atol=1e-14)
        weights = torch.stack([block.linear.weight.grad.norm() for block in twin.blocks])
        torch.testing.assert_close(profile.log_weight_grad_norm_RL[r].exp(), weights, rtol=1e-10, atol=1e-14)
        total = flat(trainer, twin, grad=True).norm()
        torch.testing.assert_close(profile.log_grad_norm_total_R[r].exp(), total, rtol=1e-10, atol=1e-14)
        torch.testing.assert_close(
            profile.act_mean_RL[r], torch.stack([x.mean() for x in outputs]), rtol=1e-9, atol=1e-14
        )
        deviations = torch.stack([x.std(correction=0) for x in outputs])
        torch.testing.assert_close(profile.act_std_RL[r], deviations, rtol=1e-9, atol=1e-14)
        zeros = torch.stack([(g == 0).double().mean() for g in grads])
        torch.testing.assert_close(profile.zero_grad_RL[r], zeros)


def test_batch_norm_keeps_the_running_statistics_of_torch():
    cell = dataclasses.replace(STEP_BY_STEP, norm=Named("batch"), optimizer=Named("sgd"), clip=Named("none"))
    trainer = Trainer([cell], CPU)
    twin = network(trainer, 0)
    batches = Batches([cell.seed], trainer.train_samples.size, cell.batch_size, CPU)
    optimizer = torch_optimizer(cell, twin.parameters())
    record = trainer.train()[0]
    for _ in range(cell.steps):
        x, y = trainer.train_samples.gather(batches.next())
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(twin(x[0])[0], y[0]).backward()
        optimizer.step()
    for block, running in zip(twin.blocks, [statistics[0] for statistics in trainer.running], strict=True):
        torch.testing.assert_close(running[0], block.norm.running_mean, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(running[1], block.norm.running_var, rtol=1e-10, atol=1e-12)
    with torch.no_grad():
        error = torch.nn.functional.mse_loss(twin.eval()(trainer.test_x[0])[0], trainer.test_y[0])
    spread = trainer.test_y[0].var(correction=0)
    assert record.metric[-1] == pytest.approx(float(1 - error / spread), rel=1e-8)


def test_a_diverging_replica_does_not_touch_its_mates():
    """One replica overflows within a few steps; the other's numbers are those it has alone, and the step is noted."""
    calm = dataclasses.replace(SMALL, activation=Named("linear"), optimizer=Named("sgd"), lr=0.01, steps=40)
    wild = dataclasses.replace(calm, lr=1e6)
    diverged, ok = train_bank([wild, calm])
    assert_same(ok, train_bank([calm])[0])
    assert (ok.status, ok.diverged_at) == ("ok", None)
    assert diverged.status == "diverged"
    assert 1 < diverged.diverged_at < 40
    assert diverged.steps == diverged.diverged_at
    assert np.isfinite(diverged.log_grad_norm[0]).all()
    assert np.isnan(diverged.log_grad_norm[-1]).all()
    assert not diverged.learned


def test_probing_changes_nothing_in_training():
    """A run probed at every step (with dropout and batch norm) ends with the bits of a run probed at its ends."""
    often = dataclasses.replace(
        SMALL, norm=Named("batch"), dropout=0.3, steps=9, probe_at=tuple(range(10)), precision=Named("float32")
    )
    ends = [Trainer([dataclasses.replace(often, probe_at=at)], CPU) for at in (often.probe_at, (0, 9))]
    for trainer in ends:
        trainer.train()
    assert torch.equal(ends[0].flat_RP, ends[1].flat_RP)
    assert all(map(torch.equal, ends[0].running, ends[1].running))


def test_cells_that_differ_in_a_shared_field_are_refused():
    with pytest.raises(ValueError, match="agree in depth"):
        train_bank([SMALL, dataclasses.replace(SMALL, depth=4)])
