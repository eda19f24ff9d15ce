"""Targets, inputs and metrics of any scale: what a run says of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from trained import number_after, said, seeds, sentence, trained

import gradlab as gl
from gradlab.cell import Named
from gradlab.tasks.base import R2, Data, regression

SMALL = {"depth": 4, "width": 16}


def samples(seeds_: list[int], unit: float, spread: float, inputs: float) -> Data:
    parts = []
    for seed in seeds_:
        rng = torch.Generator().manual_seed(seed)
        x = torch.randn(64, 3, generator=rng, dtype=torch.float64)
        y = unit * (2 + x[:, :1])
        parts.append((inputs * x, y, inputs * x, y.mean() + spread * (y - y.mean())))
    x, y, test_x, test_y = (torch.stack(part) for part in zip(*parts, strict=True))
    return regression((x, test_x), (y, test_y), R2(0.9))


def scaled(seeds, unit: float = 1.0, spread: float = 1.0, inputs: float = 1.0) -> Data:
    """Linear targets of any scale; the held-out ones may hardly differ."""
    return samples(seeds, unit, spread, inputs)


@pytest.fixture(scope="module", autouse=True)
def _task() -> None:
    gl.task("scaled_line", scaled)


@pytest.mark.parametrize(("spread", "words"), [(0.0, "r2 -"), (1e-9, "r2 -")])
def test_a_metric_that_measures_nothing_is_named_with_its_step_and_kept_out(spread: float, words: str) -> None:
    task = Named("scaled_line", (("spread", spread),))
    fine = seeds(**SMALL, task=Named("scaled_line"), lr=0.05, steps=20)
    made = trained([*seeds(**SMALL, task=task, lr=0.05, steps=20), *fine])
    absurd, plain = made.summary["metric"].tolist()
    assert np.isnan(absurd)
    assert -10 < plain <= 1
    assert made.summary["metric_lost"].tolist() == [2, 0]
    text = sentence(made, "no measure of anything, left out of the means")
    assert words in text
    assert "from step 0 on, 2 of 2 seeds" in text
    assert number_after(text, "r2") == pytest.approx(made.cells["metric"].min(), rel=0.06)
    assert not [other for other in said(made) if other.startswith("not learned") and "spread" in other]


@pytest.mark.parametrize(("unit", "optimizer"), [(1e5, "adam"), (1e4, "adam"), (1e5, "sgd")])
def test_targets_far_from_unit_scale_are_why_it_did_not_learn(unit: float, optimizer: str) -> None:
    task = Named("scaled_line", (("unit", unit),))
    made = trained(seeds(**SMALL, task=task, optimizer=Named(optimizer), lr=0.01, steps=40))
    text = " ".join(said(made))
    square = made.cells["target_mean_square"]
    assert number_after(text, "mean square of the targets") == pytest.approx(square.min(), rel=0.01)
    assert square.between(3 * unit**2, 8 * unit**2).all()  # of 2 + x it is 5
    if optimizer == "sgd":
        assert "diverged" in text
    else:
        assert "not learned, with targets far from unit scale" in text
        assert number_after(text, "first loss") == pytest.approx(made.cells["loss_first"].min(), rel=0.01)
    assert "stalled" not in text


def test_scaled_targets_that_are_learned_are_no_matter() -> None:
    task = Named("scaled_line", (("unit", 12.0),))
    made = trained(seeds(depth=1, width=16, task=task, optimizer=Named("adam"), lr=0.1, steps=600))
    assert made.cells["learned"].all()
    assert "unit scale" not in " ".join(said(made))


def test_inputs_far_from_unit_scale_are_named_too() -> None:
    task = Named("scaled_line", (("inputs", 1e3),))
    made = trained(seeds(**SMALL, task=task, activation=Named("sigmoid"), lr=1e-4, steps=40))
    text = sentence(made, "not learned, with inputs far from unit scale")
    assert number_after(text, "mean square of the inputs") == pytest.approx(
        made.cells["input_mean_square"].min(), rel=0.01
    )
