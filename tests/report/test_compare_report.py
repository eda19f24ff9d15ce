"""Reports of a comparison, whatever is asked and however little there is."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from compared import asked, cells_of, publish, text_of

from gradlab.analysis.compare.collect import Collection, collect
from gradlab.analysis.compare.comparison import Question, compare
from gradlab.analysis.compare.responses import RESPONSES
from gradlab.errors import GradlabError, StoreError, UsageError
from gradlab.report.glyphs import ASCII, UNICODE
from gradlab.report.terminal.comparison import comparison_report
from gradlab.results.directories import open_runs
from gradlab.store import RunDirectory


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    path = tmp_path_factory.mktemp("results") / "r"
    publish(path, cells_of(depths=(2, 4, 8, 16)))
    return collect(open_runs([path]))


@pytest.mark.parametrize("metric", RESPONSES)
def test_every_metric_has_a_report_that_keeps_to_its_width(collection: Collection, metric: str) -> None:
    found = compare(collection, Question(metric=metric, baseline="activation=sigmoid"))
    for width in (None, 80, 120, 200):
        for glyphs in (UNICODE, ASCII):
            lines = [line.plain for line in comparison_report(found, glyphs, width, verbose=True)]
            assert max(map(len, lines)) <= (width or 10_000)
            assert any("Share of the variance" in line for line in lines)
            assert glyphs is UNICODE or all(line.isascii() for line in lines)


@pytest.mark.parametrize("width", [80, 120])
def test_many_rows_keep_to_a_screen_and_a_half_and_name_what_is_left_out(tmp_path: Path, width: int) -> None:
    names = ("relu", "selu", "tanh", "sigmoid")
    wide = [cells_of(names, depths=(2, 4, 8, 16), seeds=3, width=units) for units in (16, 32, 64, 128, 256, 512)]
    found = asked(tmp_path, [cell for cells in wide for cell in cells])
    whole = [line.plain for line in comparison_report(found, UNICODE, width, verbose=True)]
    lines = [line.plain for line in comparison_report(found, UNICODE, width)]
    assert len(whole) > 100
    assert len(lines) <= 60
    note = " ".join(" ".join(lines[-3:]).split())
    assert "all tables with --verbose: " in note
    assert "main effects" in note
    assert max(map(len, lines)) <= width
    (rows,) = [line for line in lines if " rows; all with --verbose" in line]
    assert rows.split()[2] == "48"


def test_one_configuration_and_one_cell_still_have_a_report(tmp_path: Path) -> None:
    for name, cells in (("a", cells_of(("relu",), (4,), 1, norms=("none",))), ("b", cells_of(("relu",), (4,), 4))):
        assert "n" in text_of(asked(tmp_path / name, cells), 80)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"metric": "survial"}, "--metric survial: there is no such metric; did you mean survival?"),
        ({"by": "activaton"}, "--by activaton: there is no such setting\n  did you mean activation?"),
        ({"by": "width"}, "--by width: it is the same everywhere\n  what varies: depth, activation, norm"),
        ({"sort": "survivl"}, "--sort survivl: there is no such column\n  did you mean survival?"),
        ({"where": "norm=rms"}, "--where 'norm=rms' fits none of the 60 cells\n  norm is batch, none"),
        ({"where": "norm>3"}, "--where, column 6: norm is text"),
        ({"baseline": "sigmoid"}, "--baseline, column 8: expected a comparison after sigmoid, found the end"),
        ({"baseline": "depth>=8"}, "--baseline: depth>=8 is not one value of one setting\n  as in activation=sigmoid"),
        ({"baseline": "activation=gelu"}, "--baseline activation=gelu: it does not occur\n  there are sig"),
        ({"baseline": "width=64"}, "--baseline width: it is the same everywhere"),
        ({"baseline": "activations=relu"}, "--baseline, column 1: there is no setting 'activations'"),
        ({"fail_on": ("survivel<1",)}, "--fail-on, column 1: there is no column 'survivel'"),
    ],
)  # fmt: skip
def test_a_question_without_an_answer_says_why(tmp_path: Path, question: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        asked(tmp_path / "r", cells_of(), **question)
    assert str(caught.value).startswith(message)


def test_levels_never_run_with_the_same_seeds_cannot_be_paired(tmp_path: Path) -> None:
    cells = cells_of(("relu",)) + [dataclasses.replace(c, seed=c.seed + 50) for c in cells_of(("selu",))]
    with pytest.raises(UsageError, match="no two cells differ in activation alone and share a seed"):
        asked(tmp_path / "r", cells, baseline="activation=relu")


def test_places_without_results_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    RunDirectory(tmp_path / "new").create()
    for name, message in (
        ("nothing", "there is nothing there"),
        ("file", "is a file, not a run directory"),
        ("empty", "is not a run directory (it has no parts/), and none lies in it"),
    ):
        with pytest.raises(UsageError, match=message.replace("(", r"\(").replace(")", r"\)")):
            collect(open_runs([tmp_path / name]))
    with pytest.raises(StoreError, match="no finished cell in"):
        collect(open_runs([tmp_path / "new"]))
    with pytest.raises(GradlabError, match="did you mean"):
        collect(open_runs([tmp_path / "emptyy"]))
