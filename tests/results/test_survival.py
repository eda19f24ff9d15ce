from __future__ import annotations

import csv
from math import log
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_work import record
from numpy.testing import assert_allclose

from gradlab.cell import SETTINGS, Cell, Named, cell_id
from gradlab.results.tables import tables
from gradlab.results.theory import deviations
from gradlab.store import parts
from gradlab.store.records import Failure, Records

PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0", "torch": "2"}


def measured(cells: list[Cell], changes: list[dict[str, Any]] | None = None) -> Records:
    records = [record(cell, **change) for cell, change in zip(cells, changes or [{}] * len(cells), strict=True)]
    table = parts.to_table(cells, records, PROVENANCE)
    return parts.measured(table.append_column("bank", [["b"] * len(cells)]))


def profile(log_g: list[float], **settings: Any) -> pd.Series[Any]:
    """Return the row of cells of one cell with this profile at every step."""
    cell = Cell(depth=len(log_g), lr=0.1, **settings)
    change = {"log_grad_norm": np.tile(np.array(log_g), (3, 1))}
    return tables(measured([cell], [change])).cells.iloc[0]


def straight(factor: float, depth: int) -> list[float]:
    return [log(factor) * (depth - block) for block in range(1, depth + 1)]


@pytest.mark.parametrize("depth", [2, 3, 5, 6, 30])
@pytest.mark.parametrize("factor", [0.236052, 0.9, 1.1])
def test_a_geometric_profile_gives_its_factor_back(factor: float, depth: int) -> None:
    row = profile(straight(factor, depth))
    assert_allclose(row["decay"], factor, rtol=1e-12)
    assert_allclose(row["log10_survival"], (depth - 1) * np.log10(factor), rtol=1e-12)
    assert_allclose(row["survival"], factor ** (depth - 1), rtol=1e-10)
    assert_allclose(row["reach"], log(1e3) / abs(log(factor)), rtol=1e-10)
    assert np.isnan(row["decay_se"]) == (depth == 2)


def test_decay_below_one_means_the_first_block_has_less() -> None:
    assert profile([-5.0, -3.0, -1.0])["decay"] < 1 < profile([5.0, 3.0, 1.0])["decay"]


def test_one_block_survives_whole_and_has_no_decay() -> None:
    row = profile([-2.0])
    assert row["survival"] == 1.0
    assert np.isnan([row["decay"], row["decay_se"], row["reach"]]).all()
    assert row["verdict"] == "healthy"


def test_from_six_blocks_on_the_ends_are_not_fitted() -> None:
    six = profile([99.0, -4.0, -3.0, -2.0, -1.0, 99.0])
    assert_allclose(six["decay"], np.exp(-1.0), rtol=1e-12)
    five = profile([99.0, -3.0, -2.0, -1.0, 99.0])
    assert_allclose(five["decay"], np.exp(-0.2), rtol=1e-12)  # slope (-2*99 + 3 - 1 + 2*99)/10


def test_the_error_of_the_decay_is_that_of_the_slope_times_the_decay() -> None:
    import scipy.stats

    log_g = np.random.default_rng(0).normal(size=10).cumsum()
    row = profile(log_g.tolist())
    fit = scipy.stats.linregress(np.arange(8), log_g[1:-1])
    assert_allclose([row["decay"], row["decay_se"]], [np.exp(-fit.slope), np.exp(-fit.slope) * fit.stderr], rtol=1e-10)


def test_a_flat_profile_reaches_without_end() -> None:
    assert np.isinf(profile([0.1] * 30)["reach"])


@pytest.mark.parametrize(
    ("log_g", "verdict"),
    [
        ([-np.inf, -3.0, np.nan, 1.0], "nonfinite"),
        ([-np.inf, -3.0, -2.0, 1.0], "dead"),
        ([0.0, -np.inf, 0.0, 0.0], "dead"),
        ([log(0.9e-3), 0.0, 0.0, 0.0], "vanishing"),
        ([log(1.1e-3), 0.0, 0.0, 0.0], "healthy"),
        ([log(0.9e3), 0.0, 0.0, 0.0], "healthy"),
        ([log(1.1e3), 0.0, 0.0, 0.0], "exploding"),
        ([np.inf, 0.0, 0.0, 0.0], "nonfinite"),
    ],
)
def test_verdicts_and_their_precedence(log_g: list[float], verdict: str) -> None:
    assert profile(log_g)["verdict"] == verdict


def test_a_cell_is_judged_by_its_own_thresholds() -> None:
    assert profile([log(0.05), 0.0])["verdict"] == "healthy"
    assert profile([log(0.05), 0.0], vanish=0.1)["verdict"] == "vanishing"
    assert profile([log(20.0), 0.0], explode=10.0)["verdict"] == "exploding"


def test_zeros_and_what_is_not_finite_are_said_and_never_fitted() -> None:
    dead = profile([-np.inf, -3.0, -2.0, -1.0])
    assert dead["survival"] == 0.0
    assert dead["log10_survival"] == -np.inf
    assert np.isnan([dead["decay"], dead["decay_se"], dead["reach"]]).all()
    nothing = profile([-np.inf] * 4)
    assert np.isnan([nothing["survival"], nothing["log10_survival"]]).all()
    nan = profile([np.nan, -3.0, -2.0, -1.0])
    assert np.isnan([nan["survival"], nan["log10_survival"], nan["decay"]]).all()


@pytest.mark.parametrize("sign", [-1, 1])
def test_beyond_the_range_of_a_double_only_the_logarithm_speaks(sign: int) -> None:
    row = profile(straight(10.0**sign, 400))
    assert np.isnan(row["survival"])
    assert_allclose(row["log10_survival"], sign * 399, rtol=1e-12)
    assert_allclose(row["decay"], 10.0**sign, rtol=1e-10)


def test_columns_stand_in_the_order_of_the_design() -> None:
    result = tables(measured([Cell(lr=0.1)]))
    results = (
        "status verdict survival log10_survival decay decay_se reach theory_survival theory_decay theory_z "
        "survival_final verdict_final loss_first loss metric_name metric learned clip_rate steps bank wall_s device "
        "error"
    )
    first = [key for key, setting in SETTINGS.items() if not setting.late]
    assert " ".join(result.cells.columns).startswith(" ".join(["cell", *first, results]))
    assert " ".join(result.layers.columns) == (
        "cell step layer grad_norm weight_grad_norm weight_norm update_ratio act_mean act_std saturated dead zero_grad "
        "log10_grad_norm theory_log10_grad_norm underflow cell_grad_norm log10_cell_grad_norm displacement "
        "token_cosine attn_entropy common grad_cosine"
    )
    assert " ".join(result.steps.columns) == (
        "cell step loss metric survival decay grad_norm_total clip_coef log10_survival clip_norm_before "
        "clip_norm_after spectral_radius recurrent_norm loss_scale validation_metric test_metric"
    )
    summary = (
        "n survival survival_lo survival_hi decay reach theory_survival theory_decay verdict healthy learned metric "
        "loss diverged"
    )
    settings = [key for key in first if key != "seed"]
    assert " ".join(result.summary.columns).startswith(" ".join([*settings, summary]))


def test_layers_and_steps_keep_every_number_in_its_place() -> None:
    cells = [Cell(depth=depth, lr=0.1, steps=5, activation=Named("sigmoid")) for depth in (3, 1, 7)]
    random = np.random.default_rng(0)
    changes = [{"log_grad_norm": random.normal(size=(3, cell.depth))} for cell in cells]
    result = tables(measured(cells, changes))
    assert len(result.layers) == 3 * (3 + 1 + 7)
    for cell, change in zip(cells, changes, strict=True):
        layers = result.layers[result.layers["cell"] == cell_id(cell)]
        assert layers["step"].tolist() == [step for step in (0, 1, 5) for _ in range(cell.depth)]
        assert layers["layer"].tolist() == list(range(1, cell.depth + 1)) * 3
        assert_allclose(np.log(layers["grad_norm"]), change["log_grad_norm"].ravel(), rtol=1e-12, atol=1e-12)
        steps = result.steps[result.steps["cell"] == cell_id(cell)]
        expected = change["log_grad_norm"][:, 0] - change["log_grad_norm"][:, -1]
        assert_allclose(np.log(steps["survival"]), expected, rtol=1e-10, atol=1e-12)
        row = result.cells[result.cells["cell"] == cell_id(cell)].iloc[0]
        assert_allclose(log(row["survival_final"]), expected[-1], rtol=1e-10, atol=1e-12)


def seeds(count: int, **settings: Any) -> list[Cell]:
    return [Cell(depth=4, lr=0.1, seed=seed, **settings) for seed in range(count)]


def log_survivals(values: list[float]) -> list[dict[str, Any]]:
    return [{"log_grad_norm": np.tile([value, 0.0, 0.0, 0.0], (3, 1))} for value in values]


def test_a_summary_is_the_geometric_mean_over_seeds() -> None:
    values = [log(0.1), log(0.2), log(0.4)]
    row = tables(measured(seeds(3), log_survivals(values))).summary.iloc[0]
    assert row["n"] == 3
    assert_allclose(row["survival"], (0.1 * 0.2 * 0.4) ** (1 / 3), rtol=1e-12)
    half = 4.302652729911275 * np.std(values, ddof=1) / np.sqrt(3)  # Student's t, two degrees of freedom, 97.5 %
    assert_allclose([row["survival_lo"], row["survival_hi"]], 0.2 * np.exp([-half, half]), rtol=1e-10)


def test_dead_and_nonfinite_seeds_are_counted_and_not_averaged() -> None:
    values = [log(0.1), log(0.4), -np.inf, np.nan, log(0.2)]
    row = tables(measured(seeds(5), log_survivals(values))).summary.iloc[0]
    assert (row["n"], row["n_survival"], row["dead"], row["nonfinite"]) == (5, 3, 1, 1)
    assert_allclose(row["survival"], 0.2, rtol=1e-12)
    assert row["verdict"] == "healthy"
    assert row["healthy"] == pytest.approx(0.6)


def test_a_configuration_whose_seeds_are_mostly_dead_is_dead() -> None:
    row = tables(measured(seeds(3), log_survivals([-np.inf, -np.inf, 0.0]))).summary.iloc[0]
    assert row["verdict"] == "dead"


def test_diverged_seeds_are_counted_and_kept_out_of_metric_and_loss() -> None:
    changes: list[dict[str, Any]] = [{"learned": True}, {"learned": True}, {"learned": False}]
    changes[2] |= {"status": "diverged", "diverged_at": 7, "metric": np.full(3, 99.0), "loss": np.full(3, np.nan)}
    result = tables(measured(seeds(3), changes))
    row = result.summary.iloc[0]
    assert (row["diverged"], row["n"], row["n_survival"]) == (1, 3, 3)
    assert row["learned"] == pytest.approx(2 / 3)
    assert row["metric"] == pytest.approx(1.0)  # the fake's last metric is 0.5 + seed
    assert result.cells["error"].tolist() == ["", "", "not finite at step 7"]


def test_failed_cells_stand_in_the_order_asked_for() -> None:
    cells = seeds(3)
    order = [cell_id(cell) for cell in cells]
    result = tables(measured([cells[2], cells[0]]), [Failure(cells[1], "RuntimeError: no", "b9")], order=order)
    assert result.cells["cell"].tolist() == order
    assert result.cells["status"].tolist() == ["ok", "failed", "ok"]
    assert result.cells["error"].tolist() == ["", "RuntimeError: no", ""]
    assert result.cells["learned"].isna().tolist() == [False, True, False]
    assert result.summary["n"].tolist() == [2]


def test_no_cell_at_all_gives_empty_tables_with_their_columns() -> None:
    empty = tables(measured([]))
    assert [len(frame) for frame in empty.frames.values()] == [0, 0, 0, 0]
    assert list(empty.summary.columns) == list(tables(measured([Cell(lr=0.1)])).summary.columns)
    lost = tables(measured([]), [Failure(Cell(lr=0.1), "no", "b")])
    assert lost.cells["status"].tolist() == ["failed"]


def test_predictions_are_asked_once_per_configuration_and_fill_the_columns() -> None:
    calls = []

    def predict(cell: Cell, **seen: float) -> SimpleNamespace | None:
        calls.append((cell, seen))
        if cell.activation.name == "relu":
            numbers = ("log_survival", "log_survival_sd", "log_survival_error", "decay", "log_cell_survival")
            nothing = dict.fromkeys((*numbers, "log_grad_norm"))
            return SimpleNamespace(**nothing, reason="the moon is full")
        if cell.activation.name == "elu":
            return None
        profile = np.linspace(log(0.1), 0.0, cell.depth)
        return SimpleNamespace(
            log_survival=log(0.1),
            log_survival_sd=0.5,
            log_survival_error=0.0,
            decay=0.5,
            log_grad_norm=profile,
            log_cell_survival=None,
            reason="",
        )

    cells = seeds(4, activation=Named("sigmoid")) + seeds(1) + seeds(1, activation=Named("elu"))
    result = tables(measured(cells, log_survivals([log(0.2)] * 4 + [0.0] * 2)), predict=predict)
    assert [cell.activation.name for cell, _ in calls] == ["sigmoid", "relu", "elu"]
    assert calls[0][1] == {"in_features": 64, "out_features": 10, "input_mean_square": 1.0}
    assert_allclose(result.cells["theory_survival"], [0.1] * 4 + [np.nan] * 2)
    assert_allclose(result.cells["theory_z"], [log(2) / 0.5] * 4 + [np.nan] * 2)
    assert_allclose(
        result.summary["theory_z"], [log(2) / 0.5 * 2, np.nan, np.nan]
    )  # the mean of four scatters half as much
    assert result.summary["theory_note"].tolist() == ["", "the moon is full", ""]
    assert_allclose(result.summary["theory_log10_sd"], [0.5 / log(10), np.nan, np.nan])
    layers = result.layers.set_index(["step", "cell"])["theory_log10_grad_norm"]
    for predicted_cell in cells[:4]:
        assert_allclose(layers.loc[0, cell_id(predicted_cell)], np.linspace(-1, 0, predicted_cell.depth), atol=1e-12)
    assert layers.loc[0, cell_id(cells[4])].isna().all()
    assert layers.drop(0).isna().all()


def test_csv_reads_back_bit_for_bit_and_no_text_is_a_formula(tmp_path: Path) -> None:
    from gradlab.store.csvfile import write_csv

    numbers = [0.1, 1 / 3, 1e-300, 5e-324, 123456789.125, -0.5, np.nan, np.inf, -np.inf]
    texts = ["=1+1", "+a", "-a", "@x", "\tx", "\rx", 'quo"te, comma', "two\nlines", ""]
    mixed = [1.5, "auto", -2, True, None, np.nan, "=x", 1e-5, 3]
    frame = pd.DataFrame({"number": numbers, "text": texts, "mixed": pd.Series(mixed, dtype=object)})
    frame["same"] = pd.Categorical(["-a", "b", "-a", "b", "=c", "b", "b", "b", None])
    write_csv(tmp_path / "t.csv", frame)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    back = [float(row["number"]) if row["number"] else np.nan for row in rows]
    assert np.array(back).tobytes() == np.array(numbers).tobytes()
    expected = ["'=1+1", "'+a", "'-a", "'@x", "'?x", "'?x", 'quo"te, comma', "two?lines", ""]
    assert [row["text"] for row in rows] == expected
    assert [row["mixed"] for row in rows] == ["1.5", "auto", "-2", "true", "", "", "'=x", "0.00001", "3"]
    assert [row["same"] for row in rows] == ["'-a", "b", "'-a", "b", "'=c", "b", "b", "b", ""]


def test_z_where_theory_leaves_no_scatter() -> None:
    """Orthogonal linear blocks keep a gradient exactly: 0 for a hit, infinite for a miss, nothing without a theory."""
    measured, predicted = np.array([1e-13, 0.1, -0.1, 2.0, 1.0]), np.array([0, 0, 0, 1.0, np.nan])
    z = deviations(measured, predicted, np.array([0, 0, 0, 0.5, 0.0]), np.zeros(5))
    assert_allclose(z, [0, np.inf, -np.inf, 2, np.nan])


def test_z_takes_in_the_known_error_of_a_theory() -> None:
    assert deviations(np.array([2.0]), np.array([1.0]), np.array([0.3]), np.array([0.4])).tolist() == [2.0]
