"""Configurations at their best values: what is chosen in a store, what is made of it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from best_runs import BEST, RATES, TIES, best_of, halves, tuned, tuned_cells, tuned_directory, tuned_run
from compared import publish

from gradlab.analysis.compare.best import check_choice
from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Comparison, Question, compare
from gradlab.cell import Cell, Named
from gradlab.errors import GradlabError
from gradlab.results.directories import open_runs
from gradlab.store import parts


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tuned_directory(tmp_path_factory)


@pytest.fixture(scope="module")
def answer(path: Path) -> Comparison:
    return best_of(path)


def by_configuration(frame: pd.DataFrame) -> Any:
    return frame.set_index(["activation", "depth"]).sort_index()


def test_each_configuration_is_at_its_known_best_value(answer: Comparison) -> None:
    assert answer.best is not None
    table = by_configuration(answer.best.table)
    assert table["lr"].to_dict() == BEST
    assert table["ties"].to_dict() == TIES
    for (name, depth), row in table.iterrows():
        cells = [c for c in tuned_cells() if (c.activation.name, c.depth, c.lr) == (name, depth, row["lr"])]
        validation, test = np.mean([halves(cell) for cell in cells], axis=0)
        assert (row["validation"], row["test"]) == pytest.approx((validation, test))
        assert row["learned"] == np.mean([halves(cell)[1] > 0.8 for cell in cells])
        assert (row["values"], row["n"], row["lost"]) == (3, 5, 0)


def test_the_sensitivity_is_the_range_over_the_axis_in_which_diverged_seeds_count_nothing(answer: Comparison) -> None:
    assert answer.best is not None
    values = answer.best.values
    for _, row in by_configuration(answer.best.table).iterrows():
        own = values[values["configuration"] == values.loc[values["test"] == row["test"], "configuration"].iloc[0]]
        assert row["sensitivity"] == pytest.approx(own["test"].max() - own["test"].min())
    lost = values[(values["activation"] == "relu") & (values["lr"] == 1)]
    assert lost["lost"].tolist() == [1, 1]
    for _, row in lost.iterrows():
        cells = [c for c in tuned_cells() if c.activation.name == "relu" and c.depth == row["depth"] and c.lr == 1.0]
        assert row["test"] == pytest.approx(sum(halves(cell)[1] for cell in cells if cell.seed) / 5)


def test_all_else_is_that_of_the_chosen_cells_on_the_test_half(answer: Comparison) -> None:
    assert len(answer.cells) == 20
    assert answer.total == 60
    assert answer.response.name == "metric"
    assert [factor.name for factor in answer.design.varied] == ["depth", "activation"]
    table = by_configuration(answer.table)
    assert answer.best is not None
    assert table["metric"].to_dict() == pytest.approx(by_configuration(answer.best.table)["test"].to_dict())
    assert table["best_lr"].to_dict() == BEST
    assert table["ties"].to_dict() == {key: "; ".join(names) for key, names in TIES.items()}
    effects = {level.level: level.effect for level in answer.analyses[0].effects.levels if level.factor == "activation"}
    means = table["metric"].groupby("activation").mean()
    assert effects["relu"] == pytest.approx((means["relu"] - means["sigmoid"]) / 2)


def test_a_baseline_is_at_its_best_too(path: Path) -> None:
    pair = best_of(path, baseline="activation=sigmoid").paired[0]
    differences = []
    for depth in (4, 16):
        for seed in range(5):
            relu, sigmoid = (
                next(
                    halves(c)[1]
                    for c in tuned_cells()
                    if (c.activation.name, c.depth, c.seed, c.lr) == (name, depth, seed, BEST[name, depth])
                )
                for name in ("relu", "sigmoid")
            )
            differences.append(relu - sigmoid)
    assert pair.difference.mean == pytest.approx(np.mean(differences))
    assert pair.difference.pairs == 10


def test_a_lost_seed_of_the_chosen_value_counts_in_what_is_judged(tmp_path: Path) -> None:
    cells = [Cell(depth=4, activation=Named("relu"), lr=rate, seed=seed) for rate in (0.1, 1.0) for seed in range(5)]

    def make(cell: Cell) -> Any:
        if cell.lr == 0.1:
            return tuned(cell, test_metric=np.full(3, 0.3), validation_metric=np.full(3, 0.3), status="ok")
        return tuned(cell, test_metric=np.full(3, 0.8), validation_metric=np.full(3, 0.8))

    publish(tmp_path / "r", cells, make)
    answer = best_of(tmp_path / "r")
    assert answer.best is not None
    assert answer.best.table["lr"].tolist() == [1.0]
    assert answer.best.table["test"].tolist() == pytest.approx([0.8 * 4 / 5])
    assert answer.table["metric"].tolist() == pytest.approx([0.8 * 4 / 5])
    assert answer.table["diverged"].tolist() == [1]


def test_several_settings_and_a_parameter_fold_together(tmp_path: Path) -> None:
    sizes = (Named("adam", (("eps", 1e-8),)), Named("adam", (("eps", 1e-2),)))
    cells = [
        Cell(depth=4, activation=Named(name), lr=rate, optimizer=optimizer, seed=seed)
        for name in ("relu", "sigmoid")
        for rate in RATES
        for optimizer in sizes
        for seed in range(3)
    ]

    def make(cell: Cell) -> Any:
        better = 0.05 * (str(cell.optimizer) == "adam(eps=0.01)")
        validation, test = halves(cell)
        return tuned(cell, validation_metric=np.full(3, validation + better), test_metric=np.full(3, test), status="ok")

    publish(tmp_path / "r", cells, make)
    both = best_of(tmp_path / "r", "lr,optimizer.eps").best
    assert both is not None
    assert both.table[["lr", "optimizer.eps", "values"]].values.tolist() == [[1.0, 0.01, 6], [0.1, 0.01, 6]]
    assert both.settings == ("activation",)
    one = best_of(tmp_path / "r", "optimizer.eps").best
    assert one is not None
    assert one.settings == ("activation", "lr")
    assert set(one.table["optimizer.eps"]) == {0.01}
    whole = best_of(tmp_path / "r", "optimizer").best
    assert whole is not None
    assert set(whole.table["label"]) == {"adam(eps=0.01)"}


@pytest.mark.parametrize(
    ("question", "message", "hint"),
    [
        ({"best": "lrr"}, "--best lrr: there is no such setting", "did you mean lr?"),
        ({"best": "width"}, "--best width: it is the same everywhere", "what varies: depth, activation, lr"),
        ({"best": "seed"}, "--best seed: there is no such setting", ""),
        ({"best": "depth"}, "--best depth: the tables run over depth, and have a column for each of its values", ""),
        ({"best": " , "}, "--best names no setting", "as in --best lr"),
        ({"best": "lr", "by": "lr,activation"}, "--best lr: --by names it too", ""),
        ({"best": "lr", "baseline": "lr=0.1"}, "--best lr: --baseline names it too", ""),
        ({"best": "lr", "where": "lr=0.1"}, "--best lr: it is the same everywhere", ""),
        (
            {"best": "activation", "where": "activation=relu and depth=4 or activation=sigmoid and depth=16"},
            "--best activation: no configuration of the other settings has two values of it",
            "fold these too: --best activation,depth",
        ),
    ],
)
def test_what_cannot_be_chosen_is_one_message(path: Path, question: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(GradlabError) as refused:
        compare(collect(open_runs([path])), Question(**question))
    assert refused.value.message == message
    assert refused.value.hint.startswith(hint)
    assert refused.value.exit_code == 2


def without_halves(path: Path, banks: int) -> None:
    """Take the metrics of the halves out of the first parts of a run: they are as an older version wrote them."""
    for part in sorted((path / "parts").glob("*.parquet"))[:banks]:
        table = pq.read_table(part)  # type: ignore[no-untyped-call]
        parts.write(part, table.drop_columns(["validation_metric", "test_metric", "test_learned"]))


@pytest.mark.parametrize("banks", [1, 2])
def test_cells_of_an_older_version_are_not_judged(tmp_path: Path, banks: int) -> None:
    tuned_run(tmp_path / "old")
    without_halves(tmp_path / "old", banks)
    assert len(compare(collect(open_runs([tmp_path / "old"])), Question()).cells) == 60
    with pytest.raises(GradlabError) as refused:
        best_of(tmp_path / "old")
    assert refused.value.message.startswith("--best: ")
    assert "of 60 cells have no validation_metric and test_metric: an older version" in refused.value.message
    assert "--fresh" in refused.value.hint


def test_a_half_that_measures_nothing_is_not_chosen_by(tmp_path: Path) -> None:
    tuned_run(tmp_path / "r", validation_metric=np.full(3, np.nan))
    with pytest.raises(GradlabError, match="the validation half of the held-out samples measures nothing"):
        best_of(tmp_path / "r")


def test_untrained_cells_are_refused_before_anything_runs() -> None:
    with pytest.raises(GradlabError, match="nothing is trained here"):
        check_choice(tuned_cells(steps=0), "lr")
    check_choice(tuned_cells(), "lr")
    with pytest.raises(GradlabError, match="it is the same everywhere"):
        check_choice(tuned_cells(rates=(0.1,)), "lr")


def test_a_metric_without_a_floor_counts_what_finished(tmp_path: Path) -> None:
    """As that of a task of a plugin: nothing is known of its scale."""
    tuned_run(tmp_path / "r", metric_name="negative_error")
    best = best_of(tmp_path / "r").best
    assert best is not None
    values = best.values[(best.values["activation"] == "relu") & (best.values["lr"] == 1)]
    for _, row in values.iterrows():
        cells = [c for c in tuned_cells() if c.activation.name == "relu" and c.depth == row["depth"] and c.lr == 1.0]
        assert row["test"] == pytest.approx(np.mean([halves(cell)[1] for cell in cells if cell.seed]))
    assert by_configuration(best.table)["lr"].to_dict() == BEST
