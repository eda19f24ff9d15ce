"""Cells of `probe.record: profile`: verdicts and conclusions of the gradient, and nothing about what has no number."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from page_runs import Parsed, run_directory
from trained import said, seeds, sentence, trained

from gradlab import grid, spec
from gradlab.analysis.expectations import judge
from gradlab.cell import Cell, Named, cell_id
from gradlab.report.glyphs import UNICODE
from gradlab.report.page import build_page
from gradlab.report.terminal.single_cell import cell_report
from gradlab.training.loop import train_bank

UNRECORDED = "activations, weights, updates and underflow were not measured (probe.record: profile)."
CELLS = [
    *seeds(depth=4, width=16, lr=0.0, steps=12),
    *seeds(depth=4, width=16, lr=0.1, steps=12, precision=Named("float16"), init=Named("normal", (("std", 1e-3),))),
    *seeds(depth=12, width=16, activation=Named("sigmoid"), init=Named("normal", (("std", 8.0),)), lr=0.1, steps=12),
]
"""Weights that never move, gradients that underflow in half precision, saturated units."""
CLAIMS = ("never moved", "underflow:", "saturated", "weights moved by")


def of_profile(cells: list[Cell]) -> list[Cell]:
    return [dataclasses.replace(cell, probe_record="profile") for cell in cells]


def test_verdicts_and_all_else_that_needs_no_missing_number_are_equal() -> None:
    every, own = trained(CELLS), trained(of_profile(CELLS))
    missing = [name for name in every.cells if own.cells[name].isna().all() and not every.cells[name].isna().all()]
    assert missing == ["underflow", "underflow_at", "displacement", "saturated", "unmoved_blocks"]
    left = every.cells.columns.difference([*missing, "cell", "probe.record"])
    pd.testing.assert_frame_equal(own.cells[left], every.cells[left])
    columns = ["verdict", "verdict_final", "log10_survival", "healthy", "learned", "metric", "loss", "decay"]
    pd.testing.assert_frame_equal(own.summary[columns], every.summary[columns])


def test_nothing_is_concluded_from_what_was_not_measured() -> None:
    every, own = said(trained(CELLS)), said(trained(of_profile(CELLS)))
    assert [claim for claim in CLAIMS if not any(claim in text for text in every)] == []
    assert [(claim, text) for claim in CLAIMS for text in own if claim in text] == []
    assert UNRECORDED in own
    assert not any("not measured" in text for text in every)


def test_a_run_with_both_says_which_of_them() -> None:
    made = trained([*CELLS[:2], *of_profile(CELLS[:2])])
    assert sentence(made, "where probe.record is profile, activations, weights")


@pytest.mark.parametrize("column", ["saturated", "saturated_final", "dead_units", "dead_units_final", "underflow"])
def test_an_expectation_of_it_is_not_judged_and_says_why(column: str) -> None:
    text = f"name: x\ndepth: 3\nwidth: 8\ntrain.steps: 2\nprobe.record: profile\nexpect: [{column} < 0.5]"
    document = spec.loads(text)
    cells = grid.expand(document).cells
    (judgement,) = judge(document.expect, cells, [cell_id(cell) for cell in cells], trained(list(cells)))
    assert judgement.outcome == "not judged"
    assert judgement.reason == f"{column} is empty: probe.record: profile does not measure it"


def test_a_single_cell_says_so_and_shows_no_empty_column() -> None:
    (cell,) = of_profile(CELLS[:1])
    text = "\n".join(line.plain for line in cell_report(trained([cell]), cell, "run", UNICODE, 200))
    assert f"A{UNRECORDED[1:-1]}\n" in text
    assert "|W|" not in text
    assert "saturated" not in text


def test_the_page_says_so_and_claims_nothing_else(tmp_path: Path) -> None:
    cells = of_profile(CELLS[:2])
    records = {record.cell: record for record in train_bank(cells)}
    run_directory(tmp_path / "run", cells, lambda cell: records[cell_id(cell)])
    (run,) = Parsed(build_page([tmp_path / "run"]).html).data["runs"]
    assert UNRECORDED in run["causes"]
    assert [text for text in run["causes"] for claim in CLAIMS if claim in text] == []
