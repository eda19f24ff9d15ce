"""The contract of the bank for transformers: numbers of a cell do not depend on its bank-mates, nor on a stop."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
import torch
from contract import CLIPPED, assert_independent, assert_same
from reference import torch_optimizer
from torch import Tensor
from transformer_cells import BASE, SHAPES, VARIANTS, bank, transformer
from transformer_twin import forward

from gradlab.cell import Cell
from gradlab.components import OPTIMIZERS, PRECISIONS, Named
from gradlab.training.batches import Batches
from gradlab.training.checkpoint import Checkpoint
from gradlab.training.loop import Trainer, train_bank

CPU = torch.device("cpu")


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_a_cell_does_not_depend_on_its_bank_mates(shape: tuple[str, str, str]) -> None:
    """Bank = alone, permuted = not permuted, after training with Adam. float64: what is left is the order of sums."""
    cells = bank(shape)
    assert_independent(cells, [len("".join(shape)) % len(cells)])


LONG = ("images, pixels", "a target for each token, seen from both sides", "dropout, images, sandwich")


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in VARIANTS])
def test_nor_does_one_with_other_options(name: str) -> None:
    """With several activations, rates and optimisers beside it."""
    cell = dataclasses.replace(BASE, **VARIANTS[name])
    names = ("relu", "gelu") if name != "gated, learned" else ("prelu",)
    several = itertools.product((Named(name) for name in names), (Named("sgd"), Named("muon")), (0, 1))
    cells = [
        dataclasses.replace(cell, activation=activation, optimizer=optimizer, seed=seed, lr=0.01)
        for activation, optimizer, seed in several
    ]
    assert_independent(cells, [1])


@pytest.mark.slow
def test_nor_does_one_with_any_optimizer_and_clip() -> None:
    rules = list(itertools.product(OPTIMIZERS, CLIPPED))
    cells = [
        dataclasses.replace(
            BASE, model=transformer(), optimizer=Named(optimizer), lr=OPTIMIZERS[optimizer].params["lr"].default,
            clip=clip, seed=i % 3, l2=1e-3 * (i % 2),
        )
        for i, (optimizer, clip) in enumerate(rules)
    ]  # fmt: skip
    assert_independent(cells, range(3, len(cells), 7))


def by_torch(cell: Cell) -> tuple[Trainer, Tensor]:
    """The bank trained, and the parameters that torch.optim makes of the same start on the same batches."""
    trainer = Trainer([cell], CPU)
    model = trainer.model
    theta = [slot.view(trainer.flat_RP)[0].clone().requires_grad_() for slot in model.layout.slots]
    optimizer = torch_optimizer(cell, theta)
    batches = Batches([cell.seed], trainer.train_samples.size, cell.batch_size, CPU)
    trainer.train()
    for _ in range(cell.steps):
        x, y = trainer.train_samples.gather(batches.next())
        optimizer.zero_grad()
        row = torch.cat([value.flatten() for value in theta])
        output = forward(model, row, x[0], cell.activation, []).output
        trainer.data.loss(output.unsqueeze(0), y).sum().backward()
        optimizer.step()
    return trainer, torch.cat([value.detach().flatten() for value in theta])


@pytest.mark.parametrize(
    ("optimizer", "weight_decay"),
    [
        (Named("sgd"), 0.0), (Named("adam", (("eps", 1e-6),)), 0.0),
        (Named("adamw", (("decay", "matrices"), ("eps", 1e-6))), 0.1), (Named("muon", (("adamw_eps", 1e-6),)), 0.1),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("name", ["indices", "gated", "no positions"])
def test_training_is_that_of_torch_nn_with_torch_optim(name: str, optimizer: Named, weight_decay: float) -> None:
    """Muon turns each matrix of q, k, v, o and the MLP by itself; decay acts on matrices and tables of vectors."""
    if optimizer.name not in OPTIMIZERS:
        pytest.skip(f"this torch has no {optimizer.name}")
    if optimizer.name == "muon" and name != "no positions":
        pytest.skip("a table of vectors is no matrix for muon, and the reference tells them by their axes")
    cell = dataclasses.replace(
        BASE, **VARIANTS[name], optimizer=optimizer, lr=0.01, weight_decay=weight_decay, steps=6, batch_size=16
    )
    trainer, expected = by_torch(cell)
    torch.testing.assert_close(trainer.flat_RP[0], expected, rtol=1e-7, atol=1e-9)


class Stopped(Exception):
    pass


class StopAt(Checkpoint):
    def due(self) -> bool:
        return True

    def save(self, cells, step, state) -> None:
        super().save(cells, step, state)
        if step == 2:
            raise Stopped


@pytest.mark.parametrize("name", ["dropout", "a target for each token", "images"])
def test_a_bank_that_was_stopped_goes_on_to_the_records_that_it_would_have_had(name: str, tmp_path: Path) -> None:
    cell = dataclasses.replace(BASE, **VARIANTS[name], optimizer=Named("muon" if "muon" in OPTIMIZERS else "adam"))
    cells = [dataclasses.replace(cell, seed=seed) for seed in range(2)]
    whole = train_bank(cells)
    with pytest.raises(Stopped):
        train_bank(cells, checkpoint=StopAt(tmp_path / "bank.ckpt"))
    again = Checkpoint(tmp_path / "bank.ckpt")
    resumed = train_bank(cells, checkpoint=again)
    assert again.resumed_at == 2
    for one, other in zip(whole, resumed, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_begins_alike_and_stays_near(precision: str) -> None:
    """The probe is float64; three steps of rounding leave 16-bit training near that of float64."""
    cell = dataclasses.replace(BASE, model=transformer(), optimizer=Named("sgd"), lr=0.01)
    (exact,) = train_bank([cell])
    (record,) = train_bank([dataclasses.replace(cell, precision=Named(precision))])
    # weights in float32 are those of float64, rounded
    assert record.log_grad_norm[0] == pytest.approx(exact.log_grad_norm[0], abs=1e-5)
    assert record.loss == pytest.approx(exact.loss, rel=0.02)
    assert record.status == "ok"
