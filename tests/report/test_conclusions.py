"""What a run concludes, of networks that were trained to different ends: each number is that of the table `cells`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from compared import asked, publish, text_of
from fake_work import record
from page_runs import Parsed, column
from trained import number_after, said, seeds, sentence, tables_of, trained

import gradlab as gl
from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Question, compare
from gradlab.analysis.compare.judgement import judged
from gradlab.cell import Cell, Named
from gradlab.record import Record
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.causes import causes
from gradlab.report.model.comparison_rows import comparison_rows
from gradlab.report.model.conclusions import conclusions
from gradlab.report.model.labels import name_of, short_labels
from gradlab.report.model.marks import judged_verdict, mark_of, verdict_of
from gradlab.report.model.outcomes import outcomes_by
from gradlab.report.model.rows import rows_of
from gradlab.report.page import build_page
from gradlab.results.directories import open_runs
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


@pytest.mark.parametrize(
    ("pairs", "name"),
    [
        ([("activation", "relu"), ("lr", "0.1"), ("clip", "none"), ("l2", "0")], "relu lr 0.1"),
        ([("inputs.scale", "1000"), ("train.steps", "50"), ("width", "64")], "inputs scale 1000 steps 50 width 64"),
        ([("residual_scale", "1"), ("precision", "float32"), ("norm", "layer")], "norm layer"),
        ([("clip", "none")], "clip none"),
        ([], ""),
    ],
)
def test_a_name_has_what_is_not_usual(pairs: list, name: str) -> None:
    assert name_of(pairs) == name


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (["norm(max=1)", "none"], ["norm(max=1)", "none"]),
        (["table(path=/a/very/long/way/10-prices.csv,target=price,standardize=False)", "digits"], ["table", "digits"]),
        (
            ["table(path=/a/long/way/x.csv,target=price)", "table(path=/a/long/way/y.csv,target=price)"],
            ["table(path=x.csv)", "table(path=y.csv)"],
        ),
        (["table(path=/one/way/x.csv,target=y)", "table(path=/other/way/x.csv,target=y)"], None),  # else they are alike
        (["leaky_relu(negative_slope=0.123456)", "leaky_relu(negative_slope=0.2)"], None),
    ],
)
def test_labels_are_short_and_different_ones_stay_different(texts: list, labels: list | None) -> None:
    short = short_labels(texts)
    assert list(short) == texts
    assert list(short.values()) == (texts if labels is None else labels)


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


def test_a_stacked_network_is_judged_by_its_layers() -> None:
    cells = [
        Cell(model=Named("rnn"), task=Named("adding"), depth=3, width=8, seq_len=24, activation=Named("tanh"),
             init=Named("spectral", (("radius", 0.5),)), lr=0.01, steps=2, seed=seed)
        for seed in range(2)
    ]  # fmt: skip
    made = trained(cells)
    first = made.stacked[made.stacked["step"].eq(0) & made.stacked["layer"].eq(1)]
    by_layer = first.pivot(index="cell", columns="stacked_layer", values="log10_survival").loc[made.cells["cell"]]
    furthest = by_layer.abs().to_numpy().argmax(axis=1)
    assert made.cells["worst_layer"].tolist() == (furthest + 1).tolist()
    expected = by_layer.to_numpy()[np.arange(2), furthest]
    np.testing.assert_allclose(made.cells["log10_survival_by_layer"], expected)
    assert made.summary["log10_survival_by_layer"].iloc[0] == pytest.approx(expected.mean())


def test_one_layer_beyond_the_threshold_marks_the_row_and_is_why() -> None:
    """All layers together keep 0.3 of the gradient along time, the lowest by itself a ten-thousandth."""
    cells = [
        Cell(model=Named("lstm"), task=Named("adding"), depth=2, width=8, seq_len=20, activation=Named("tanh"), lr=0.1,
             seed=seed)
        for seed in range(2)
    ]  # fmt: skip

    def spoiled(cell: Cell) -> Record:
        plain = record(cell)
        along = np.linspace(1, 0, 20)
        layers = np.stack([along * np.log(1e-4), along * np.log(0.3)], axis=-1)
        return plain.with_values(
            log_grad_norm=np.broadcast_to(along * np.log(0.3), plain.log_grad_norm.shape).copy(),
            log_grad_norm_by_layer=np.broadcast_to(layers, (len(plain.probe_steps), *layers.shape)).copy(),
        )

    made = tables_of(cells, [spoiled(cell) for cell in cells])
    (row,) = rows_of(made).rows
    (point,) = row.points.values()
    assert made.summary["verdict"].tolist() == ["healthy"]
    assert (mark_of(point).sign, mark_of(point).text) == ("vanished", "-0.5")
    assert made.cells["worst_layer"].tolist() == [1, 1]
    text = sentence(made, "vanishing")
    assert text.startswith("vanishing: layer 1 of this network is down to 10^-4.0 over 20 time steps")
    assert "(all layers together: 0.3)" in text
    assert not sentence(made, "healthy")


def test_a_comparison_marks_a_stacked_network_by_its_layer_too(tmp_path: Path) -> None:
    cells = [
        Cell(model=Named("lstm"), task=Named("adding"), depth=2, width=8, seq_len=length, activation=Named("tanh"),
             lr=0.1, seed=seed)
        for length in (10, 20)
        for seed in range(2)
    ]  # fmt: skip

    def spoiled(cell: Cell) -> Record:
        plain = record(cell)
        along = np.linspace(1, 0, cell.seq_len)
        layers = np.stack([along * 0, along * np.log(1e-5 if cell.seq_len == 20 else 1)], axis=-1)
        return plain.with_values(
            log_grad_norm=np.zeros_like(plain.log_grad_norm),
            log_grad_norm_by_layer=np.broadcast_to(layers, (len(plain.probe_steps), *layers.shape)).copy(),
        )

    found = asked(tmp_path / "r", cells, spoiled)
    (group,) = comparison_rows(found)
    assert {length: mark_of(point).sign for length, point in group.rows[0].points.items()} == {10: "", 20: "vanished"}
    said_there = "\n".join(conclusions(found))
    assert "vanishing: 1 of 2 configurations" in said_there
    assert "at seq_len 20 (10^-5.0 in one layer, 1 in all together)" in said_there
    after = compare(collect(open_runs([tmp_path / "r"])), Question(metric="survival_final"))
    line = next(line for line in text_of(after).splitlines() if UNICODE.sign("vanished").strip() in line)
    assert line.split()[:5] == ["0.0", "±0.00", "0.0", "±0.00", UNICODE.sign("vanished").strip()]
    data = Parsed(build_page([tmp_path / "r"]).html).data
    assert column(data, "verdict_name") == ["healthy", "vanished"]
    assert column(data, "mark") == ["", UNICODE.sign("vanished").strip()]
    assert data["counts"]["verdicts"] == {"healthy": 1, "vanishing": 1}


@pytest.mark.parametrize("steps", [20, 40, 80])
def test_a_loss_without_a_clear_trend_changes_by_less_than_the_error_shown(steps: int) -> None:
    made = trained(seeds(**SMALL, task=Named("spirals"), activation=Named("tanh"), lr=0.02, steps=steps, batch_size=8))
    text = sentence(made, "not learned, no clear trend of the loss")
    before, after = number_after(text, "training loss"), number_after(text, " to")
    error = np.sqrt(np.square(made.cells["train_loss_se"]).sum()) / len(made.cells)
    shown = number_after(text, "within 3 standard errors:")
    assert shown == pytest.approx(3 * error, rel=0.06)
    assert abs(before - after) <= shown + 0.002  # both losses are rounded


def test_a_gradient_that_is_exactly_zero_after_training_is_said_so_by_a_comparison(tmp_path: Path) -> None:
    def emptied(cell: Cell) -> Record:
        log_g = record(cell).log_grad_norm.copy()
        log_g[-1, 0] = -np.inf
        return record(cell).with_values(log_grad_norm=log_g)

    publish(tmp_path / "r", [Cell(depth=4, lr=0.1, seed=seed) for seed in range(2)], emptied)
    found = compare(collect(open_runs([tmp_path / "r"])), Question(metric="survival_final"))
    assert found.table["verdict_final"].tolist() == ["dead"]
    text = text_of(found)
    assert f"zero {UNICODE.sign('dead').strip()}" in text
    assert "exactly zero" in text
    assert "not finite" not in text


@pytest.mark.parametrize("seed", range(3))
def test_a_comparison_judges_as_marks_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = 300
    table = pd.DataFrame(
        {
            "log10_survival": rng.uniform(-6, 6, size),
            "log10_survival_by_layer": np.where(rng.random(size) < 0.5, np.nan, rng.uniform(-6, 6, size)),
        }
    )
    table.loc[:4, "log10_survival_by_layer"] = -np.inf
    vanish, explode = 10 ** rng.uniform(-5, 0.5, size), 10 ** rng.uniform(-0.5, 5, size)
    table = table.assign(**{"thresholds.vanish": vanish, "thresholds.explode": explode})
    limits = list(zip(vanish, explode, strict=True))
    table["verdict"] = [verdict_of(at, *own) for at, own in zip(table["log10_survival"], limits, strict=True)]
    judgement = judged(table)
    for row, point in enumerate(table.to_dict("records")):
        assert judgement.verdict[row] == judged_verdict(point)
        assert judgement.healthy[row] == (mark_of(point).sign == "")


@pytest.mark.parametrize(("factor", "healthy"), [(0.95, 1), (0.8, 0)])
def test_a_change_that_leaves_a_gradient_fading_makes_none_healthy(tmp_path: Path, factor: float, healthy: int) -> None:
    cells = [
        Cell(depth=16, lr=0.1, seed=seed, activation=Named(name)) for name in ("sigmoid", "tanh") for seed in range(4)
    ]

    def faded(cell: Cell) -> Record:
        plain = record(cell)
        pace = np.log(factor if cell.activation.name == "tanh" else 0.3) * (1 + cell.seed / 100)
        return plain.with_values(log_grad_norm=np.broadcast_to(pace * np.arange(15, -1, -1), plain.log_grad_norm.shape))

    found = asked(tmp_path / "r", cells, faded)
    assert sum(improvement.healthy for improvement in found.improvements["vanishing"]) == healthy
    said_there = "\n".join(conclusions(found))
    assert ("1 of 1 becomes healthy" in said_there) == bool(healthy)
    assert ("no change of a single setting that was varied here makes one of them healthy" in said_there) != healthy


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
    code, report, _ = command_line("run", "nan_when.yaml", "--no-plots", "--executor", "inline")
    assert code == 0
    cells = pd.read_csv("results/nan_when/cells.csv")
    lost = cells[cells["status"] == "diverged"]
    assert lost["diverged_at"].tolist() == [1, 1]
    compared = command_line("compare", "results")[1]
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
