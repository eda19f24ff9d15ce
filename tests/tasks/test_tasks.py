"""Tasks: real data as they are, generated data as their formulas say, and the user's table with its errors."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch

from gradlab.components import TASKS, Named
from gradlab.tasks import load
from gradlab.tasks.losses import cross_entropy, mse
from gradlab.thresholds import METRIC_FLOORS


@pytest.mark.parametrize("name", ["teacher", "linear_regression", "spirals", "images"])
def test_generated_tasks_depend_on_the_seed_alone(name):
    one, two = load(Named(name), (3, 5)), load(Named(name), (5,))
    assert torch.equal(one.train_x[1], two.train_x[0])
    assert torch.equal(one.train_y[1], two.train_y[0])
    assert not torch.equal(one.train_x[0], one.train_x[1])


def test_linear_regression_is_the_line():
    data = load(Named("linear_regression", (("samples", 4000), ("noise", 0.2))), (0,))
    design = torch.stack([data.train_x[0, :, 0], torch.ones(4000, dtype=torch.float64)], 1)
    fit = torch.linalg.lstsq(design, data.train_y[0]).solution.flatten()
    # standard errors: 0.2 / sqrt(4000 / 3) and 0.2 / sqrt(4000)
    assert float(fit[0]) == pytest.approx(3, abs=4 * 0.0055)
    assert float(fit[1]) == pytest.approx(2, abs=4 * 0.0032)
    residual = data.train_y[0] - design @ fit.unsqueeze(1)
    assert float(residual.std()) == pytest.approx(0.2, rel=0.05)
    torch.testing.assert_close(data.test_y, 3 * data.test_x + 2)


def test_teacher_targets_are_standardised():
    data = load(Named("teacher"), (0,))
    assert float(data.train_y.mean()) == pytest.approx(0, abs=1e-12)
    assert float(data.train_y.std(correction=0)) == pytest.approx(1)


def test_spirals_lie_on_two_arms_half_a_turn_apart():
    data = load(Named("spirals", (("noise", 0.0), ("turns", 1.0))), (0,))
    x, label = data.train_x[0], data.train_y[0]
    radius = x.norm(dim=1)
    along = radius / radius.max()
    scale = float(radius.max())
    angle = torch.atan2(x[:, 1], x[:, 0])
    expected = 2 * math.pi * radius / (scale / float(along.max())) * 1.0 + math.pi * label
    # the largest radius drawn is just below 1 before scaling; compare angles on the circle with that slack
    difference = torch.remainder(angle - expected + math.pi, 2 * math.pi) - math.pi
    assert float(difference.abs().max()) < 0.02
    assert torch.bincount(label).tolist() == [1024, 1024]


def test_losses_are_those_of_torch():
    rng = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(3, 8, 5, generator=rng), torch.randint(5, (3, 8), generator=rng)
    expected = torch.stack([torch.nn.functional.cross_entropy(a, b) for a, b in zip(logits, labels, strict=True)])
    torch.testing.assert_close(cross_entropy(logits, labels), expected)
    other = torch.randn(3, 8, 5, generator=rng)
    expected = torch.stack([torch.nn.functional.mse_loss(a, b) for a, b in zip(logits, other, strict=True)])
    torch.testing.assert_close(mse(logits, other), expected)


def test_every_task_judges_perfect_outputs_as_learned(tmp_path):
    frame = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) % 7, "y": np.arange(40) % 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).normal(size=(40, 50, 2)), y=np.arange(40) % 2)
    own = {"path": str(tmp_path / "d.npz"), "kind": "classification"}
    files = {"table": {**own, "path": str(tmp_path / "t.csv"), "target": "y"}, "arrays": own, "array_sequences": own}
    metrics = set()
    for name in TASKS:
        lengths = TASKS[name].lengths
        given = tuple(files.get(name, {}).items())
        data = load(Named(name, given), (0,), lengths.default if lengths else None)
        perfect = target = data.test_y
        if not target.is_floating_point():
            target = target.long()
            perfect = 100 * torch.nn.functional.one_hot(target, data.out_features).double()
        assert float(data.criterion.metric(perfect, target)) == 1
        assert data.criterion.learned_from < 1
        metrics.add(data.criterion.name)
        constant = torch.zeros_like(perfect)
        assert float(data.criterion.metric(constant, target)) < data.criterion.learned_from
        broken = data.criterion.metric(torch.full_like(perfect, torch.nan), target)
        assert not bool(broken >= data.criterion.learned_from)
        if data.criterion.name in METRIC_FLOORS:  # what knows nothing is not far above the floor, perfection is
            assert float(data.criterion.metric(constant, target)) < 0.6
    assert metrics >= METRIC_FLOORS.keys()
