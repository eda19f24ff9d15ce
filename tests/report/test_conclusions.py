"""What a run concludes, of networks that were trained to different ends: each number is that of the table `cells`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from page_runs import Parsed, column
from trained import number_after, said, seeds, sentence, trained

from gradlab.cell import Named
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.causes import causes
from gradlab.report.model.marks import mark_of
from gradlab.report.model.outcomes import outcomes_by
from gradlab.report.model.rows import rows_of
from gradlab.report.page import build_page

SMALL = {"depth": 4, "width": 16}


def test_a_divergence_at_the_first_step_has_its_step_and_its_last_finite_loss() -> None:
    made = trained(seeds(depth=10, width=64, init=Named("normal", (("std", 1.0),)), lr=0.01, steps=10))
    assert made.cells["diverged_at"].tolist() == [1, 1]
    text = sentence(made, "diverged")
    assert "at step 1 (2 of 2 seeds; last finite loss " in text
    assert number_after(text, "last finite loss") == pytest.approx(made.cells["loss_last_finite"].min(), rel=0.01)
    assert number_after(text, " to") == pytest.approx(made.cells["loss_last_finite"].max(), rel=0.01)
    # before the first update it is the loss of the network as it was initialised, of another batch than the probe's
    np.testing.assert_allclose(made.cells["loss_last_finite"], made.cells["loss_first"], rtol=0.3)
    assert not sentence(made, "healthy")


def test_a_late_divergence_of_some_seeds_has_the_range_of_its_steps() -> None:
    made = trained(seeds(3, **SMALL, lr=3.0, steps=40))
    at = made.cells["diverged_at"].dropna()
    assert at.min() > 2
    text = sentence(made, "diverged")
    when = f"at step {at.min()}" if at.min() == at.max() else f"at steps {at.min()} to {at.max()}"
    assert f"{when} ({len(at)} of 3 seeds; last finite loss" in text
    assert np.isfinite(made.cells["loss_last_finite"]).all()


@pytest.mark.parametrize("settings", [{"lr": 0.0}, {"lr": 1e-12, "activation": Named("sigmoid")}])
def test_weights_that_never_moved_are_said_and_not_healthy(settings: dict) -> None:
    made = trained(seeds(**SMALL, steps=12, **settings))
    assert (made.cells["unmoved_blocks"] == 4).all()
    assert (made.layers["update_ratio"].dropna() == 0).all()
    text = sentence(made, "the weights never moved")
    assert "(not one bit in 12 steps" in text
    assert ("lr is 0" in text) == (settings["lr"] == 0)
    assert not sentence(made, "healthy")
    assert not sentence(made, "not learned")  # it is said already


def test_a_gradient_that_is_exactly_zero_is_why_nothing_moved() -> None:
    """Weights below the smallest float32 are exactly zero, and so is all that goes back through them."""
    made = trained(seeds(**SMALL, init=Named("normal", (("std", 1e-60),)), lr=0.1, steps=5))
    assert (made.cells["verdict"] == "dead").all()
    text = sentence(made, "the weights never moved")
    assert "the gradient is exactly zero before training" in text
    assert not sentence(made, "healthy")


def test_a_loss_that_still_falls_asks_for_more_steps_and_a_level_one_does_not() -> None:
    falling = trained(seeds(**SMALL, lr=0.003, steps=64))
    q3, q4 = (falling.cells[f"train_loss_{name}"].mean() for name in ("q3", "q4"))
    text = sentence(falling, "not learned, still falling, more steps may do")
    assert number_after(text, "training loss") == pytest.approx(q3, rel=0.005)
    assert number_after(text, " to") == pytest.approx(q4, rel=0.005)
    assert not sentence(falling, "not learned, stalled")


@pytest.mark.parametrize(
    ("third", "last", "errors", "trend"),
    [
        ((2.0, 2.0), (1.5, 1.6), (0.01, 0.01), "falling"),
        ((2.0, 2.0), (2.5, 2.6), (0.01, 0.01), "rising"),
        ((2.3, 2.3), (2.299, 2.302), (0.002, 0.001), "level"),
        ((2.0, 2.0), (1.9, 1.95), (0.1, 0.1), "unclear"),  # a fall of 0.075 whose error is 0.071
        ((2.0, 2.0), (1.995, 1.995), (1e-6, 1e-6), "level"),  # certain, and a quarter of a percent
        ((1.43e11,), (1.30e11,), (1e9,), "falling"),
        ((2.0,), (1.9,), (float("nan"),), "unmeasured"),
    ],
)
def test_the_trend_of_the_loss(third: tuple, last: tuple, errors: tuple, trend: str) -> None:
    rows = [
        {"status": "ok", "train.steps": 100, "train_loss_q3": q3, "train_loss_q4": q4, "train_loss_se": error}
        for q3, q4, error in zip(third, last, errors, strict=True)
    ]
    frame = pd.DataFrame(rows)
    (outcome,) = outcomes_by(frame, ["x"] * len(rows)).values()
    assert outcome.trend == trend


def test_a_loss_at_chance_stands_still_with_the_evidence_looked_at() -> None:
    made = trained(seeds(depth=30, width=16, activation=Named("sigmoid"), lr=0.1, steps=64))
    text = sentence(made, "vanishing")
    assert "not learned: training loss" in text
    assert "at the end, chance: ln 10, the weights of " in text
    numbers = made.cells["unmoved_blocks"]
    span = f"{numbers.min()}" if numbers.nunique() == 1 else f"{numbers.min()} to {numbers.max()}"
    assert 0 < numbers.min() <= numbers.max() < 30
    assert text.endswith(f"the weights of {span} blocks never moved.")
    # they are those at the input, where the gradient is smallest
    last = made.layers[made.layers["step"] == 64]
    for cell, still in zip(made.cells["cell"], numbers, strict=True):
        own = last[last["cell"] == cell].sort_values("layer")
        assert (own["displacement"].to_numpy() == 0).sum() == still
        assert own["displacement"].iloc[-1] > 0
    assert number_after(text, "training loss") == pytest.approx(np.log(10), rel=0.02)
    assert not sentence(made, "not learned")
    assert not sentence(made, "healthy")


def test_a_clipped_network_that_stands_still_names_the_clipping() -> None:
    made = trained(seeds(**SMALL, clip=Named("norm", (("max", 1e-4),)), lr=0.1, steps=320))
    text = sentence(made, "not learned, stalled")
    assert "clipped at every step, to " in text
    assert number_after(text, "clipped at every step, to") == pytest.approx(
        made.cells["clip_coef_mean"].mean(), rel=0.06
    )
    assert number_after(text, "survival") == pytest.approx(10 ** made.summary["log10_survival"].iloc[0], rel=0.06)
    moved = made.cells["displacement"].mean()
    assert number_after(text, "weights moved by at most") == pytest.approx(100 * moved, rel=0.06)


def test_vanishing_before_training_and_learned_is_said_with_the_survival_after_it() -> None:
    made = trained(seeds(depth=4, width=32, activation=Named("tanh"), init=Named("torch_default"), vanish=0.5, lr=0.5,
                         steps=300))  # fmt: skip
    assert (made.cells["verdict"] == "vanishing").all()
    assert made.cells["learned"].all()
    text = sentence(made, "beyond a threshold before training, learned")
    assert number_after(text, "survival") == pytest.approx(10 ** made.summary["log10_survival"].iloc[0], rel=0.06)
    assert not sentence(made, "healthy")


def test_healthy_before_training_and_vanished_after_it_is_not_healthy() -> None:
    made = trained(seeds(**SMALL, l2=1.0, lr=0.1, steps=64))
    assert (made.cells["verdict"] == "healthy").all()
    assert (made.cells["verdict_final"] == "vanishing").all()
    text = sentence(made, "healthy before training, not after it")
    before, after = (made.summary[f"log10_survival{end}"].iloc[0] for end in ("", "_final"))
    assert number_after(text, "survival") == pytest.approx(10**before, rel=0.06)
    assert np.log10(number_after(text, "before and")) == pytest.approx(after, abs=0.06)
    assert not [text for text in said(made) if text.startswith("healthy gradient")]


def test_a_row_with_any_mark_is_not_healthy() -> None:
    """Over random outcomes of the small networks above: what is called healthy has no sign before or after training."""
    cells = [
        *seeds(depth=4, width=16, steps=20, lr=0.05),
        *seeds(depth=6, width=16, steps=20, activation=Named("sigmoid"), lr=0.05),
        *seeds(depth=6, width=16, steps=20, init=Named("normal", (("std", 0.6),)), lr=1e-3),
        *seeds(depth=4, width=16, steps=64, l2=1.0, lr=0.1),
    ]
    group = rows_of(trained(cells))
    healthy = next((text for text in causes(group) if text.startswith("healthy gradient")), "")
    assert healthy
    for row in group.rows:
        for point in row.points.values():
            signs = UNICODE.sign(mark_of(point).sign) + UNICODE.sign(mark_of(point, final=True).sign)
            assert signs.strip() == "" or f" {row.name} (" not in healthy


@pytest.mark.parametrize("steps", [20, 40, 80])
def test_a_loss_without_a_clear_trend_changes_by_less_than_the_error_shown(steps: int) -> None:
    made = trained(seeds(**SMALL, task=Named("spirals"), activation=Named("tanh"), lr=0.02, steps=steps, batch_size=8))
    text = sentence(made, "not learned, no clear trend of the loss")
    before, after = number_after(text, "training loss"), number_after(text, " to")
    error = np.sqrt(np.square(made.cells["train_loss_se"]).sum()) / len(made.cells)
    shown = number_after(text, "within 3 standard errors:")
    assert shown == pytest.approx(3 * error, rel=0.06)
    assert abs(before - after) <= shown + 0.002  # both losses are rounded


def test_a_gradient_that_fades_before_training_and_vanishes_in_it_was_never_healthy() -> None:
    made = trained(seeds(**SMALL, l2=1.0, lr=0.1, steps=64, vanish=0.01, init=Named("torch_default")))
    assert mark_of(made.summary.iloc[0].to_dict()).sign == "fading"
    assert (made.cells["verdict_final"] == "vanishing").all()
    assert sentence(made, "near a threshold before training, beyond one after it")
    assert not sentence(made, "healthy")


NAN_WHEN = """
name: nan_when
depth: 10
width: 64
init: {name: normal, std: 1}
train: {steps: 10}
seeds: 2
grid:
  optimizer: [{name: sgd, lr: 0.01}, {name: rmsprop, lr: 0.001}]
  clip: [none, {norm: 1}]
"""


def test_when_a_loss_became_nan_stands_in_the_reports_of_run_and_compare_and_on_the_page(
    command_line: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The problem of https://github.com/pytorch/pytorch/issues/143658: NaN, but since when?"""
    monkeypatch.delenv("GRADLAB_WORK")
    Path("nan_when.yaml").write_text(NAN_WHEN)
    code, report, _ = command_line("run", "nan_when.yaml", "--no-plots", "--executor", "inline", "-v")
    assert code == 0
    cells = pd.read_csv("results/nan_when/cells.csv")
    lost = cells[cells["status"] == "diverged"]
    assert lost["diverged_at"].tolist() == [1, 1]
    compared = command_line("compare", "results", "--verbose")[1]
    low, high = lost["loss_last_finite"].min(), lost["loss_last_finite"].max()
    for text in (report, compared):
        assert "diverged at step 1" in text
        assert f"at step 1 (2 of 2 seeds; last finite loss {low:.2e} to {high:.2e})" in text
    table = report[report.index("After 10 steps") :].splitlines()[1:6]
    columns = [[match.start() for match in re.finditer(r"\S+(?: \S+)*", line)] for line in table]
    assert len({len(starts) for starts in columns}) == 1  # no blank field
    data = Parsed(build_page([Path("results/nan_when")]).html).data
    became = column(data, "training")
    assert became[0] == f"diverged at step 1, last finite loss {low:.2e} to {high:.2e}"
    assert not any(text.startswith("diverged") for text in became[1:])
