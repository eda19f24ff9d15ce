"""The halves of the held-out samples: disjoint, the same for all seeds, and each metric of its own half alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gradlab.cell import Cell, Named
from gradlab.results.tables import tables
from gradlab.store import parts
from gradlab.tasks import load
from gradlab.tasks.halves import held_out_halves
from gradlab.training import loop
from gradlab.training.loop import Trainer, train_bank

_PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0", "torch": "2"}


@pytest.mark.parametrize("samples", [2, 3, 101, 450])
def test_the_halves_are_disjoint_and_together_all_samples(samples: int) -> None:
    validation, test = held_out_halves(samples)
    assert sorted([*validation.tolist(), *test.tolist()]) == list(range(samples))
    assert (len(validation), len(test)) == (samples // 2, samples - samples // 2)
    assert all(torch.equal(a, b) for a, b in zip(held_out_halves(samples), (validation, test), strict=True))


def test_a_single_sample_leaves_nothing_to_choose_by() -> None:
    validation, test = held_out_halves(1)
    assert (len(validation), test.tolist()) == (0, [0])


def test_classes_that_stand_by_turns_are_in_both_halves() -> None:
    turns = load(Named("spirals"), (0, 1)).test_y
    for half in held_out_halves(turns.shape[1]):
        share = turns[:, half].double().mean(1)
        # of a random half of M alternating labels the share of ones has deviation 1/2/sqrt(M)
        assert (share - 0.5).abs().max() < 4 * 0.5 / turns.shape[1] ** 0.5


@pytest.mark.parametrize("task", ["digits", "teacher"])
def test_each_metric_depends_on_the_targets_of_its_half_alone(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [Cell(task=Named(task), depth=2, width=8, lr=0.1, steps=3, seed=seed) for seed in (0, 1)]
    plain = train_bank(cells)
    halves = held_out_halves(load(Named(task), (0, 1)).test_y.shape[1])
    for changed, kept, half in zip(("validation", "test"), ("test", "validation"), halves, strict=True):

        def other(*given: object, half: torch.Tensor = half) -> object:
            data = load(*given)  # type: ignore[arg-type]
            y = data.test_y.clone()
            y[:, half] = (y[:, half] + 1) % 10
            return replace(data, test_y=y)

        monkeypatch.setattr(loop, "load", other)
        for left, right in zip(plain, train_bank(cells), strict=True):
            np.testing.assert_array_equal(getattr(left, f"{kept}_metric"), getattr(right, f"{kept}_metric"))
            assert (getattr(left, f"{changed}_metric") != getattr(right, f"{changed}_metric")).all()
            np.testing.assert_array_equal(left.loss, right.loss)


def test_the_accuracies_of_the_halves_average_to_the_metric() -> None:
    cells = [Cell(depth=2, width=16, lr=0.1, steps=20, seed=seed) for seed in (0, 1)]
    trainer = Trainer(cells, torch.device("cpu"))
    records = trainer.train()
    right = (trainer._judged().argmax(2) == trainer.test_y).double().numpy()
    for record, by_sample in zip(records, right, strict=True):
        for name, half in zip(("validation_metric", "test_metric"), held_out_halves(450), strict=True):
            assert getattr(record, name)[-1] == pytest.approx(by_sample[half.numpy()].mean(), rel=1e-6)
        both = (record.validation_metric + record.test_metric) / 2
        np.testing.assert_allclose(both, record.metric, rtol=1e-6)
        assert record.test_learned == (record.test_metric[-1] >= 0.8)


def test_the_tables_have_both_metrics_after_training() -> None:
    cells = [Cell(depth=2, width=16, lr=0.1, steps=20, seed=seed) for seed in (0, 1)]
    records = train_bank(cells)
    table = parts.to_table(cells, records, _PROVENANCE).append_column("bank", [["b", "b"]])
    result = tables(parts.measured(table))
    for name in ("validation_metric", "test_metric"):
        values = [getattr(record, name) for record in records]
        assert result.cells[name].tolist() == [of_cell[-1] for of_cell in values]
        assert result.steps[name].tolist() == [value for of_cell in values for value in of_cell]
        assert result.summary[name].tolist() == pytest.approx([np.mean([of_cell[-1] for of_cell in values])])
    assert result.cells["test_learned"].tolist() == [record.test_learned for record in records]
