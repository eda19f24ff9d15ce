"""Training on sequences and ratings: losses over time, embeddings, and cells that do not depend on their bank."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from task_data import SEQUENCES
from torch.nn import functional as F

from gradlab.cell import Cell
from gradlab.components import TASKS, Named
from gradlab.families.chain import outputs
from gradlab.families.mlp.network import MLP
from gradlab.families.network import Architecture, Context
from gradlab.nn.parameters import Start
from gradlab.tasks.losses import cross_entropy, last_step, mse
from gradlab.training.loop import train_bank


def test_losses_over_time_are_those_of_torch() -> None:
    rng = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(3, 8, 6, 5, generator=rng), torch.randint(5, (3, 8, 6), generator=rng)
    expected = torch.stack([F.cross_entropy(a.movedim(-1, 1), b) for a, b in zip(logits, labels, strict=True)])
    torch.testing.assert_close(cross_entropy(logits, labels), expected)
    final = torch.stack([F.cross_entropy(a[:, -1], b[:, -1]) for a, b in zip(logits, labels, strict=True)])
    torch.testing.assert_close(last_step(cross_entropy)(logits, labels), final)
    other = torch.randn(3, 8, 6, 5, generator=rng)
    expected = torch.stack([F.mse_loss(a, b) for a, b in zip(logits, other, strict=True)])
    torch.testing.assert_close(mse(logits, other), expected)


def test_indices_go_through_embeddings_as_in_torch() -> None:
    arch = Architecture(
        Named("mlp", (("embedding", 3),)), 2, 1, 2, 5, Named("tanh"), Named("none"), "pre_activation", "none", 1.0, 0.0,
        vocabulary=(4, 6),
    )  # fmt: skip
    model = MLP(arch)
    flat = model.layout.initial([Start(seed, Named("xavier_normal"), 0.3) for seed in (0, 1)])
    params = model.layout.views(flat)
    index = torch.tensor([[[0, 5], [3, 0], [3, 0]], [[1, 1], [2, 2], [3, 5]]])
    output = outputs(model, params, index, Context("train"))
    for r in range(2):
        tables = params[0]["embedding"][r].split([4, 6])
        x = torch.cat([F.embedding(index[r, :, i], table) for i, table in enumerate(tables)], 1)
        for block in params[:-1]:
            x = torch.tanh(F.linear(x, block["weight"][r], block["bias"][r]))
        torch.testing.assert_close(output[r], F.linear(x, params[-1]["weight"][r], params[-1]["bias"][r]))
    assert model.layout.size == 10 * 3 + (6 * 5 + 5) + (5 * 5 + 5) + (5 + 1)
    wide = MLP(Architecture(
        Named("mlp", (("embedding_std", 0.5),)), 2, 1, 1, 5, Named("tanh"), Named("none"), "pre_activation", "none",
        1.0, 0.0, vocabulary=(300, 200),
    ))  # fmt: skip
    table = wide.layout.views(wide.layout.initial([Start(0, Named("he_normal"), "auto")]))[0]["embedding"]
    assert float(table.std()) == pytest.approx(0.5, rel=0.05)  # 4000 draws: 4 deviations are 4.5 %


@pytest.mark.parametrize("name", [*SEQUENCES, "ratings"])
def test_a_cell_of_any_task_does_not_depend_on_its_bank(name: str) -> None:
    lengths = TASKS[name].lengths
    settings = {} if lengths is None else {"model": Named("rnn"), "seq_len": min(lengths.only, default=lengths.low)}
    cells = [
        Cell(
            task=Named(name), depth=1, width=3, activation=Named("tanh"), lr=0.1, steps=2, batch_size=4, seed=seed,
            probe_batch_size=8, precision=Named("float64"), **settings,
        )
        for seed in (4, 9)
    ]  # fmt: skip
    together = train_bank(cells)
    for cell, one in zip(cells, together, strict=True):
        (alone,) = train_bank([cell])
        np.testing.assert_allclose(one.loss, alone.loss, rtol=1e-12)
        np.testing.assert_allclose(one.metric, alone.metric, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(one.log_grad_norm, alone.log_grad_norm, rtol=0, atol=1e-9)
        assert np.isfinite(one.log_grad_norm).all()
        assert one.log_grad_norm.shape[1] == cell.blocks
    assert together[0].loss[0] != together[1].loss[0]


def test_what_a_network_without_inputs_learns_is_the_baseline_of_adding() -> None:
    cell = Cell(
        model=Named("rnn", (("input_gain", 0.0),)), task=Named("adding"), depth=1, width=4, seq_len=6,
        activation=Named("relu"), init=Named("normal", (("std", 0.0),)), optimizer=Named("sgd"), lr=0.1, steps=60,
        probe_batch_size=4096, precision=Named("float64"),
    )  # fmt: skip
    (record,) = train_bank([cell])
    assert float(record.loss[-1]) == pytest.approx(1 / 6, abs=4 * math.sqrt(7 / 180 / 4096))
    assert abs(float(record.metric[-1])) < 0.05
    assert not record.learned
