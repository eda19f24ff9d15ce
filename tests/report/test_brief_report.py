"""A report that is not verbose: conclusions of a few lines, and no column that is alike in all rows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from compared import asked
from compared import cells_of as compared_cells
from compared import text_of as comparison_text
from fake_work import record
from hypothesis import given
from hypothesis import strategies as st
from reported import cells_of, result_of, text_of

from gradlab.cell import Cell
from gradlab.record import Record
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.causes import causes
from gradlab.report.model.conclusions import conclusions
from gradlab.report.model.rows import rows_of
from gradlab.report.terminal.entries import conclusion_lines
from gradlab.report.terminal.table import Column, Entry, fold, fold_optional, varying


def many_outcomes(cell: Cell) -> Record:
    """Return a record: selu diverges from depth 8 on, relu learns, sigmoid vanishes and does not learn."""
    made = record(cell).with_values(learned=cell.activation.name == "relu")
    if cell.activation.name == "selu" and cell.depth > 2:
        made = made.with_values(status="diverged", diverged_at=3, metric=np.full(3, np.nan))
    return made


def test_a_conclusion_names_one_example_and_counts_the_rest() -> None:
    group = rows_of(result_of(cells_of(), many_outcomes).tables)
    brief, whole = causes(group, brief=True), causes(group)
    assert brief[0] == "learned: 3 of 9 configurations (accuracy 1.50)."
    assert brief[1] == "diverged: selu at depth 8 (step 3, 3/3 seeds) and 1 more."
    assert brief[2] == "vanishing: sigmoid (from depth 8; 10^-18.5 at depth 32; decay 0.252)."
    assert [sentence.partition(":")[0] for sentence in whole[1:3]] == ["diverged", "vanishing"]
    assert sum(map(len, brief)) < sum(map(len, whole)) / 2


def test_a_comparison_counts_and_names_the_worst(tmp_path: Path) -> None:
    found = asked(tmp_path / "r", compared_cells())
    brief = conclusions(found, brief=True)
    (vanishing,) = [sentence for sentence in brief if sentence.startswith("vanishing")]
    count = re.fullmatch(
        r"vanishing: (\d+) of (\d+) configurations, worst: (.*) \(10\^-(.*), decay (.*)\)\.", vanishing
    )
    assert count is not None
    table = found.configurations
    lost = found.judgement.verdict == "vanishing"
    assert (int(count[1]), int(count[2])) == (int(lost.sum()), len(table))
    worst = table[lost].sort_values("log10_survival").iloc[0]
    assert float(count[4]) == pytest.approx(-worst["log10_survival"], abs=0.06)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.sampled_from([80, 120, 200]))
def test_conclusions_take_six_lines_or_three_sentences(lengths: list[int], width: int) -> None:
    sentences = [f"s{number} " + "word " * (length // 5) + "end." for number, length in enumerate(lengths)]
    lines = [line.plain for line in conclusion_lines(sentences, width, whole=False)]
    shown = [sentence for sentence in sentences if f"  {sentence.split()[0]} " in "".join(line[:6] for line in lines)]
    body = lines[1:-2]
    assert lines[0] == "Conclusions"
    assert len(body) <= 6 or len(shown) <= 3
    assert shown[:3] == sentences[:3], "the first are always there"
    rest = len(sentences) - len(shown)
    assert (
        lines[-2].strip() == (f"and {rest} more remark{'s' * (rest > 1)}; " if rest else "") + "evidence with --verbose"
    )
    assert " ".join(" ".join(body).split()) == " ".join(shown)


def test_columns_that_are_alike_in_all_rows_are_a_line() -> None:
    columns = [
        Column("a", (Entry("1"), Entry("2"))), Column("b", (Entry(" 3 "), Entry(" 3 "))),
        Column("c", (Entry("none"), Entry("none"))), Column("d", (Entry("-"), Entry("5"))),
    ]  # fmt: skip
    kept, line = varying(columns, whole=False)
    assert [column.header for column in kept] == ["a", "d"]
    assert line == "in every row: b 3"
    assert varying(columns, whole=True) == (columns, "")
    single = [Column("a", (Entry("1"),))]
    assert varying(single, whole=False) == (single, "")
    assert [text.plain for text in fold([], kept, None, UNICODE)] == ["a  d", "1  -", "2  5"]


def test_verbose_has_every_column_and_the_evidence(tmp_path: Path) -> None:
    result = result_of(cells_of())
    brief, whole = text_of(result, 120), text_of(result, 120, verbose=True)
    assert "in every row: loss 1.50" in brief
    assert "in every row" not in whole
    assert len(whole.split("Conclusions")[1].split("Survival")[0]) > len(
        brief.split("Conclusions")[1].split("Survival")[0]
    )
    found = asked(tmp_path / "r", compared_cells())
    assert "matched" not in comparison_text(found)
    assert "matched" in comparison_text(found, verbose=True)


def test_optional_columns_take_no_lines_of_their_own() -> None:
    def column(header: str, width: int) -> Column:
        return Column(header, (Entry("x" * width), Entry("y")))

    labels, needed, optional = [column("label", 5)], [column("a", 10)], [column("b", 10), column("c", 10)]
    for width, left in ((19, "b, c"), (31, "c"), (43, "")):
        lines, note = fold_optional(labels, needed, optional, width, UNICODE, whole=False)
        assert len(lines) == 3
        assert note == (f"not shown here: {left}; with --verbose or in a wider terminal" if left else "")
        every, silent = fold_optional(labels, needed, optional, width, UNICODE, whole=True)
        assert silent == ""
        assert {"b", "c"} <= set(" ".join(line.plain for line in every).split())
    assert fold_optional(labels, needed, optional, None, UNICODE, whole=False)[1] == ""
