"""What a comparison concludes, against the marks of its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from compared import asked, publish, text_of
from fake_work import record

from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Question, compare
from gradlab.analysis.compare.judgement import judged
from gradlab.cell import Cell, Named
from gradlab.record import Record
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.conclusions import conclusions
from gradlab.report.model.marks import judged_verdict, mark_of, verdict_of
from gradlab.results.directories import open_runs


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
