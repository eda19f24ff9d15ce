"""`gl.compare(best=…)`: the choice as frames and as a picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from best_runs import BEST, TIES, tuned_run

import gradlab as gl
from gradlab.errors import UsageError


def test_the_choice_is_a_frame_of_configurations_one_of_values_and_a_picture(tmp_path: Path) -> None:
    tuned_run(tmp_path / "tuned")
    comparison = gl.compare(tmp_path, best="lr")
    assert comparison.best is not None
    assert comparison.best_values is not None
    best = comparison.best.set_index(["activation", "depth"])
    assert best["lr"].to_dict() == BEST
    assert best["ties"].to_dict() == TIES
    values = comparison.best_values
    assert len(values) == 12
    chosen = values[values["chosen"]].set_index(["activation", "depth"])
    assert chosen["test"].to_dict() == best["test"].to_dict()
    assert comparison.document()["best"]["settings"] == ["lr"]
    assert comparison.report().count("At the best lr") == 1
    assert len(comparison.picture().axes) >= 2
    assert gl.compare(tmp_path, best=["lr"], metric="survival").answer.response.name == "survival"


def test_results_report_each_configuration_at_its_best(tmp_path: Path) -> None:
    tuned_run(tmp_path / "tuned")
    results = gl.load(tmp_path / "tuned")
    whole, folded = results.report(), results.report(best=["lr"])
    assert "At the best lr" in folded
    assert "At the best lr" not in whole
    assert whole.count("\nrelu") > folded.count("\nrelu")
    assert "sensitivity" in results.pictures("sensitivity")
    with pytest.raises(UsageError, match="--best width: it is the same everywhere"):
        results.report(best="width")
    tuned_run(tmp_path / "again")
    assert gl.load(tmp_path).report(best="lr").count("At the best lr") == 2


def test_without_a_choice_there_is_neither(tmp_path: Path) -> None:
    tuned_run(tmp_path / "tuned")
    comparison = gl.compare(tmp_path)
    assert comparison.best is None
    assert comparison.best_values is None
    assert comparison.answer.response.name == "survival"
    with pytest.raises(UsageError, match="a picture shows the values of one axis"):
        comparison.picture()
