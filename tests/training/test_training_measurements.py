"""What a bank measures of its training: the loss at the end, the last finite loss, how far the weights went."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fake_work import record
from scipy.stats import linregress

from gradlab.cell import Cell, Named
from gradlab.results.tables import tables
from gradlab.store import parts
from gradlab.tasks import load
from gradlab.training.loop import train_bank
from gradlab.training.loss_curve import LossCurve

LINE = Named("linear_regression")
SAMPLES = load(LINE, (0,)).train_x.shape[1]
FULL = {"task": LINE, "batch_size": SAMPLES, "probe_batch_size": SAMPLES, "depth": 2, "width": 8}
"""Training batch and probe batch are all samples: one is the other in another order."""
_PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0", "torch": "2"}


def curve_of(losses: np.ndarray) -> LossCurve:
    curve = LossCurve(losses.shape[1], len(losses), torch.device("cpu"))
    for step, loss_R in enumerate(losses):
        curve.at(step)
        curve.add(torch.from_numpy(loss_R))
    return curve


@pytest.mark.parametrize("steps", [64, 640, 6400])
def test_the_late_loss_is_the_mean_of_its_quarter_and_its_error_that_of_a_regression(steps: int) -> None:
    losses = 2 - np.arange(steps)[:, None] / steps + 0.1 * np.random.default_rng(7).normal(size=(steps, 3))
    late = curve_of(losses).late()
    quarters = losses.reshape(4, steps // 4, 3).mean(axis=1)
    np.testing.assert_allclose(late.third_quarter, quarters[2], rtol=1e-12)
    np.testing.assert_allclose(late.last_quarter, quarters[3], rtol=1e-12)
    bins = losses.reshape(64, steps // 64, 3).mean(axis=1)[32:]
    for replica in range(3):
        x = np.arange(32)
        fit = linregress(x, bins[:, replica])
        scatter = np.sqrt(np.square(bins[:, replica] - fit.intercept - fit.slope * x).sum() / 30)
        assert late.error[replica] == pytest.approx(scatter * np.sqrt(2 / 16), rel=1e-9)


def test_a_steady_fall_has_no_scatter_and_what_is_not_finite_or_too_short_has_no_late_loss() -> None:
    fall = curve_of(np.linspace(5, 1, 128)[:, None]).late()
    assert fall.error[0] == pytest.approx(0, abs=1e-12)
    assert fall.third_quarter[0] - fall.last_quarter[0] == pytest.approx(4 * 32 / 127)
    lost = np.ones((128, 2))
    lost[100:, 1] = np.inf
    late = curve_of(lost).late()
    assert np.isnan([late.third_quarter[1], late.last_quarter[1]]).all()
    assert (late.third_quarter[0], late.last_quarter[0], late.error[0]) == (1, 1, 0)
    for steps in range(4):
        assert np.isnan(curve_of(np.ones((steps, 1))).late().last_quarter).all()
    assert np.isnan(curve_of(np.ones((7, 1))).late().error).all()  # one bin a quarter: no scatter


def test_every_step_counts_once_when_they_do_not_fill_the_bins_evenly() -> None:
    losses = np.arange(100.0)[:, None]
    late = curve_of(losses).late()
    bins = np.arange(100) * 64 // 100
    means = np.array([losses[bins == index, 0].mean() for index in range(64)])
    assert late.third_quarter[0] == pytest.approx(means[32:48].mean())
    assert late.last_quarter[0] == pytest.approx(means[48:].mean())


def test_the_last_finite_loss_is_that_of_the_step_before_the_divergence() -> None:
    steps = tuple(range(41))
    records = train_bank(
        [Cell(**FULL, lr=0.5, steps=40, probe_at=steps), Cell(**FULL, lr=1e3, steps=40, probe_at=steps)]
    )
    fine, lost = records
    assert (fine.status, lost.status) == ("ok", "diverged")
    assert fine.loss_last_finite == pytest.approx(fine.loss[39], rel=1e-5)
    assert lost.loss_last_finite == pytest.approx(lost.loss[lost.diverged_at - 1], rel=1e-4)
    assert np.isfinite(lost.loss_last_finite)
    assert np.isnan([lost.train_loss_q3, lost.train_loss_q4]).all()
    assert fine.train_loss_q4 == pytest.approx(fine.loss[30:40].mean(), rel=1e-5)
    assert fine.train_loss_q3 == pytest.approx(fine.loss[20:30].mean(), rel=1e-5)


def test_the_displacement_after_one_step_is_that_of_its_update_and_without_a_rate_exactly_zero() -> None:
    cells = [Cell(**FULL, lr=lr, steps=4, probe_at=(0, 1, 2, 3, 4)) for lr in (0.05, 0.0)]
    moved, still = train_bank(cells)
    np.testing.assert_allclose(moved.displacement[0], 0)
    np.testing.assert_allclose(moved.displacement[1], moved.update_ratio[0], rtol=1e-6)
    assert (moved.displacement[4] > moved.displacement[1]).all()
    assert (still.displacement == 0).all()
    frame = tables(_measured(cells, [moved, still])).cells
    assert frame["unmoved_blocks"].tolist() == [0, 2]
    assert frame["displacement"].tolist() == [pytest.approx(moved.displacement[4].max()), 0]


def test_the_mean_square_of_the_targets_is_that_of_numbers_and_not_of_classes() -> None:
    number, classes = train_bank([Cell(**FULL, steps=1)])[0], train_bank([Cell(steps=1, depth=2, width=4)])[0]
    targets = load(LINE, (0,)).train_y
    assert number.target_mean_square == pytest.approx(float(targets.square().mean()))
    assert np.isnan(classes.target_mean_square)


def test_parts_of_an_older_version_are_read_without_the_new_columns() -> None:
    cells = [Cell(depth=2, seed=seed) for seed in range(2)]
    new = ["loss_last_finite", "target_mean_square", "train_loss_q3", "train_loss_q4", "train_loss_se", "displacement"]
    table = parts.to_table(cells, [record(cell) for cell in cells], _PROVENANCE).drop_columns(new)
    result = tables(parts.measured(table.append_column("bank", [["b"] * 2])))
    for name in (*new, "unmoved_blocks"):
        assert result.cells[name].isna().all(), name
    assert result.summary[["unmoved", "metric_lost"]].to_numpy().tolist() == [[0, 0]]
    assert result.summary["metric"].notna().all()


def _measured(cells, records):
    return parts.measured(parts.to_table(cells, records, _PROVENANCE).append_column("bank", [["b"] * len(cells)]))
