"""The contract of the bank for recurrent networks, and their training against torch.nn and torch.optim."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from contract import CLIPPED, STARTS, assert_independent
from recurrent_reference import by_torch
from reference import torch_optimizer

from gradlab.cell import Cell
from gradlab.components import CLIPS, OPTIMIZERS, PRECISIONS, Named
from gradlab.families import FAMILIES
from gradlab.training.batches import Batches
from gradlab.training.loop import Trainer, train_bank

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
MODELS_IN_TIME = [name for name, model in FAMILIES.items() if model.axis.along == "seq_len"]
SMALL = Cell(
    task=Named("adding", (("samples", 32),)), depth=1, width=5, seq_len=6, activation=Named("tanh"),
    init=Named("orthogonal"), bias_std=0.1, precision=Named("float64"), steps=3, batch_size=8, probe_batch_size=8,
    optimizer=Named("adam"), lr=0.01,
)  # fmt: skip
RULES = list(itertools.product(OPTIMIZERS, CLIPPED))


def cells_of(name: str, **changes) -> list[Cell]:
    """One cell for each optimizer and clip, with inits, seeds and penalties mixed."""
    base = dataclasses.replace(SMALL, model=Named(name), **changes)
    return [
        dataclasses.replace(
            base, optimizer=Named(optimizer), lr=OPTIMIZERS[optimizer].params["lr"].default, clip=clip,
            init=STARTS[i % len(STARTS)], seed=i % 3, l2=1e-3 * (i % 2),
        )
        for i, (optimizer, clip) in enumerate(RULES)
    ]  # fmt: skip


@pytest.mark.parametrize("name", MODELS_IN_TIME)
def test_a_cell_does_not_depend_on_its_bank_mates(name):
    """Every optimizer with every clip in one bank: = permuted, and each optimizer alone with one of the clips."""
    assert {clip.name for clip in CLIPPED} == set(CLIPS)
    own = MODELS_IN_TIME.index(name)
    alone = [i for i, (_, clip) in enumerate(RULES) if CLIPPED.index(clip) == (own + i // len(CLIPPED)) % len(CLIPPED)]
    assert {RULES[i][0] for i in alone} == set(OPTIMIZERS)
    assert_independent(cells_of(name), alone)


FORMS = [
    (name, norm, residual)
    for name in MODELS_IN_TIME
    for norm, residual in itertools.product(*(FAMILIES[name].allows[key] for key in ("norm", "residual")))
]


@pytest.mark.parametrize(("name", "norm", "residual"), FORMS, ids=["-".join(form) for form in FORMS])
def test_nor_does_one_with_norms_layers_dropout_and_truncation(name, norm, residual):
    cells = cells_of(
        name, norm=Named(norm), residual=Named(residual), residual_scale="learned_zero", depth=2, dropout=0.2
    )
    model = Named(name, (("truncate", 4),) if norm == "none" else ())
    cells = [dataclasses.replace(cell, model=model) for cell in cells[::7]]
    assert_independent(cells, [FORMS.index((name, norm, residual)) % len(cells)])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_training_is_that_of_torch_nn_with_torch_optim_and_its_clipping(name, optimizer):
    cell = dataclasses.replace(
        SMALL, model=Named(name), optimizer=Named(optimizer), clip=Named("norm", (("max", 0.5),)), steps=12, depth=2,
        lr=0.05, probe_at=tuple(range(13)),
    )  # fmt: skip
    trainer = Trainer([cell], CPU)
    theta = trainer.flat_RP[0].clone().requires_grad_()
    rule = torch_optimizer(cell, [theta])
    batches = Batches([cell.seed], trainer.train_samples.size, cell.batch_size, CPU)
    norms = []
    for _ in range(cell.steps):
        x, y = trainer.train_samples.gather(batches.next())
        rule.zero_grad()
        torch.nn.functional.mse_loss(by_torch(trainer.model, theta, x[0]), y[0]).backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_([theta], 0.5)))
        rule.step()
    record = trainer.train()[0]
    torch.testing.assert_close(trainer.flat_RP[0], theta.detach(), rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(record.clip_before[:-1], norms, rtol=1e-7)
    np.testing.assert_allclose(record.clip_coef[:-1], np.minimum(1, 0.5 / np.array(norms)), rtol=1e-5)
    assert 0 < record.clip_rate <= 1


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", MODELS_IN_TIME)
def test_every_precision_trains(name, precision):
    """The loss on the probe batch goes the way it goes in float64, to the digits that the format has."""
    cell = dataclasses.replace(SMALL, model=Named(name), steps=20, width=16)
    # a loss scale that overflows nowhere: otherwise the first steps are left out
    format_ = Named(precision, (("loss_scale", 256.0),) if precision == "float16" else ())
    exact, found = (train_bank([dataclasses.replace(cell, precision=one)])[0] for one in (cell.precision, format_))
    assert exact.loss[-1] < 0.9 * exact.loss[0]
    tolerance = {"float64": 1e-12, "float32": 1e-3}.get(precision, 0.05)
    np.testing.assert_allclose(found.loss, exact.loss, rtol=tolerance)
    np.testing.assert_allclose(found.log_grad_norm[0], exact.log_grad_norm[0], atol=1e-5)


@pytest.mark.parametrize("name", MODELS_IN_TIME)
def test_truncation_changes_what_is_learned_and_cuts_the_profile(name):
    whole = dataclasses.replace(SMALL, model=Named(name), optimizer=Named("sgd"), lr=0.1)
    cut = dataclasses.replace(whole, model=Named(name, (("truncate", 2),)))
    full, short = train_bank([whole])[0], train_bank([cut])[0]
    assert full.loss[0] == short.loss[0]
    assert full.loss[-1] != short.loss[-1]
    assert np.isfinite(full.log_grad_norm).all()
    assert np.isneginf(short.log_grad_norm[:, :4]).all()
    np.testing.assert_array_equal(short.log_grad_norm[0, 4:], full.log_grad_norm[0, 4:])


def test_penalties_act_on_matrices_of_inputs_and_recurrence_alone():
    """With a learning rate of 1 and no loss to speak of, l2 = 0.5 takes a step of exactly the weights."""
    trainer = Trainer([dataclasses.replace(SMALL, model=Named("minimal_rnn"), l2=0.5)], CPU)
    trainer.grad_RP.zero_()
    trainer.penalty.add(trainer.grad_RP, trainer.flat_RP)
    for slot in trainer.model.layout.slots:
        expected = slot.view(trainer.flat_RP) if slot.parameter.role == "matrix" else 0 * slot.view(trainer.flat_RP)
        torch.testing.assert_close(slot.view(trainer.grad_RP), expected)
