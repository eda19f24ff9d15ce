"""What is printed and drawn of configurations at their best values."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from best_runs import BEST, best_of, tuned, tuned_cells, tuned_directory
from compared import publish
from PIL import Image

from gradlab.analysis.compare.comparison import Comparison
from gradlab.cell import Cell
from gradlab.report import plots
from gradlab.report.glyphs import ASCII, UNICODE
from gradlab.report.model.best_rows import best_groups
from gradlab.report.model.comparison_best import best_rows
from gradlab.report.model.conclusions import conclusions
from gradlab.report.terminal.best import best_lines
from gradlab.report.terminal.comparison import comparison_report
from gradlab.results.directories import open_runs


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tuned_directory(tmp_path_factory)


@pytest.fixture(scope="module")
def answer(path: Path) -> Comparison:
    return best_of(path)


def text(answer: Comparison, width: int | None = None) -> list[str]:
    return [line.plain for line in comparison_report(answer, UNICODE, width)]


def after(lines: list[str], begins: str) -> list[str]:
    """Return the lines of a table behind its title, up to the empty one."""
    first = next(at for at, line in enumerate(lines) if line.startswith(begins))
    rest = lines[first + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


def test_the_results_stand_before_what_was_chosen_with_ties_and_range(answer: Comparison) -> None:
    lines = text(answer)
    assert lines[0] == "1 run · 20 of 60 cells · 4 configurations · 5 seeds"
    assert "each configuration at its best lr" in lines[:5]
    results = after(lines, "At the best lr: accuracy on the test half of the held-out samples")
    assert re.sub(r" +", " ", results[2]) == "sigmoid 0.88 ±0.02 5/5 ✓ 0.08 ±0.00 0/5 4"
    assert re.sub(r" +", " ", results[3]) == "relu 0.93 ±0.02 5/5 ✓ 0.83 ±0.02 5/5 ✓ ≥16"
    chosen = after(lines, "Chosen lr of 3 values, and sensitivity: range of the accuracy over them")
    assert [line.split() for line in chosen[:4]] == [
        ["lr", "at", "depth", "range", "at", "depth"],
        ["activation", "4", "16", "4", "16"],
        ["sigmoid", "1", "0.01", "~all", "0.60", "0.00"],
        ["relu", "0.1", "0.01", "~0.1", "0.79", "0.77"],
    ]
    assert any("validation half" in line and "test half" in line for line in chosen)
    assert not any(line.startswith("Survival before training") for line in lines)


def test_the_conclusions_begin_with_what_is_best_and_where_the_axis_ends(answer: Comparison) -> None:
    first, second = conclusions(answer)[:2]
    assert first == "best lr: 0.01 for 2, 0.1 for 1 and 1 for 1 of 4 configurations; without a tie for 2."
    assert second == (
        "the largest lr tried is best, without a tie, in 1 of 4 configurations: a larger one may be better (sigmoid at "
        "depth 4 (1))."
    )


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_every_width_is_kept_and_has_what_was_chosen(answer: Comparison, width: int) -> None:
    for glyphs in (UNICODE, ASCII):
        lines = [line.plain for line in comparison_report(answer, glyphs, width)]
        assert max(map(len, lines)) <= width
        assert any(line.startswith("Chosen lr") for line in lines)
        assert glyphs is UNICODE or all(line.isascii() for line in lines)


def test_rows_are_sorted_and_cut_alike_in_both_tables(path: Path) -> None:
    lines = text(best_of(path, sort="sensitivity", top=1))
    for title in ("At the best lr", "Chosen lr"):
        rows = [line.split()[0] for line in after(lines, title)]
        assert ("relu" in rows, "sigmoid" in rows) == (True, False)


def test_two_seeds_and_unequal_axes_are_said(tmp_path: Path) -> None:
    cells = [c for c in tuned_cells(seeds=2) if c.activation.name == "relu" or c.lr != 1.0]
    publish(tmp_path / "r", cells, tuned)
    lines = " ".join(line.strip() for line in text(best_of(tmp_path / "r")))
    assert "fewer than 3 common seeds tell no ties" in lines
    assert "unequal choice: 2 to 3 values of lr a configuration" in lines
    assert "~" not in lines.split("Chosen lr")[1].split("Share of the variance")[0]


def test_luck_of_the_networks_that_were_chosen_by_is_told(tmp_path: Path) -> None:
    def lucky(cell: Cell) -> object:
        """One network of lr 0.1 is so good that it alone decides the choice."""
        value = 0.9 if (cell.seed, cell.lr) == (0, 0.1) else 0.5 if cell.lr == 0.01 else 0.45
        return tuned(cell, validation_metric=np.full(3, value), test_metric=np.full(3, value), status="ok")

    publish(tmp_path / "r", [c for c in tuned_cells() if c.depth == 4], lucky)  # type: ignore[arg-type]
    answer = best_of(tmp_path / "r")
    assert answer.best is not None
    assert answer.best.table["lr"].tolist() == [0.1, 0.1]
    # without seed 0 the others choose 0.01: seed 0 has 0.5 there, the rest stays at 0.1 with 0.45
    assert answer.best.table["test_without_seed"].tolist() == pytest.approx([(0.5 + 4 * 0.45) / 5] * 2)
    said = " ".join(line.strip() for line in text(answer))
    assert "with each seed at the value that the other seeds choose the accuracy changes by -0.080 on average" in said


def test_a_run_reports_the_same_numbers(path: Path, answer: Comparison) -> None:
    (run,) = open_runs([path])
    lines = [line.plain for line in best_lines(run.tables, "lr", UNICODE, None)]
    of_run = after(lines, "At the best lr: accuracy on the test half")
    of_comparison = after(text(answer), "At the best lr: accuracy on the test half")
    for index in (2, 3):
        assert of_run[index].split()[:-1] == of_comparison[index].split()[:-1]
    assert after(lines, "Chosen lr") == after(text(answer), "Chosen lr")


def test_the_rows_of_a_choice_have_every_value_of_their_configuration(answer: Comparison) -> None:
    (group,) = best_rows(answer)
    assert group.lengths == (4, 16)
    for row in group.rows:
        for length, values in row.values.items():
            assert [value["lr"] for value in values] == [0.01, 0.1, 1.0]
            chosen = [value["lr"] for value in values if value["chosen"]]
            assert chosen == [BEST[row.labels[0], length]]
    assert answer.best is not None
    (cut,) = best_groups(answer.best, answer.design.along, (), [3])
    assert len(cut.rows) == 1


class TestPicture:
    def figure(self, answer: Comparison) -> object:
        plots.load()
        from gradlab.report.plots.sensitivity import comparison_picture

        return comparison_picture(answer)

    def test_it_has_a_panel_a_depth_and_a_ring_at_each_chosen_value(self, answer: Comparison) -> None:
        figure = self.figure(answer)
        panels = [axes for axes in figure.axes if axes.get_title()]  # type: ignore[attr-defined]
        assert [axes.get_title() for axes in panels] == ["at depth 4", "at depth 16"]
        assert answer.best is not None
        for axes, depth in zip(panels, (4, 16), strict=True):
            rings = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
            lines = [line for line in axes.lines if line not in rings]
            assert [line.get_xdata().tolist() for line in lines] == [[-2.0, -1.0, 0.0]] * 2
            for name, line, ring in zip(("sigmoid", "relu"), lines, rings, strict=True):
                own = answer.best.values.query(f"activation == '{name}' and depth == {depth}")
                assert line.get_ydata().tolist() == pytest.approx(own["test"].tolist())
                assert ring.get_xdata().tolist() == pytest.approx([np.log10(BEST[name, depth])])
            assert [text.get_text() for text in axes.get_xticklabels()] == ["0.01", "0.1", "1"]

    def test_a_short_axis_is_linear_and_words_stand_side_by_side(self, path: Path) -> None:
        short = best_of(path, where="lr>=0.1 and activation=relu or lr in [0.1, 1]")
        words = best_of(path, best="activation")
        assert short.best is not None
        assert words.best is not None
        from gradlab.report.plots.sensitivity import _places

        assert _places(words.best).at == {"sigmoid": 0.0, "relu": 1.0}
        assert _places(short.best).at == {"0.1": -1.0, "1": 0.0}
        near = short.best.values.assign(lr=short.best.values["lr"].map({0.1: 0.1, 1.0: 0.5}))
        from dataclasses import replace

        assert _places(replace(short.best, values=near)).at == {"0.1": 0.1, "1": 0.5}

    def test_words_have_no_line_between_them_and_each_has_its_label(self, path: Path) -> None:
        figure = self.figure(best_of(path, best="activation"))
        panel = next(axes for axes in figure.axes if axes.get_title() == "at depth 4")  # type: ignore[attr-defined]
        assert {line.get_linestyle() for line in panel.lines} == {"None"}
        assert [text.get_text() for text in panel.get_xticklabels()] == ["sigmoid", "relu"]
        places = np.concatenate([line.get_xdata() for line in panel.lines])
        assert np.abs(places - np.round(places)).max() < 0.5


def test_a_run_with_such_an_axis_has_the_picture_and_others_have_none(tmp_path: Path, path: Path) -> None:
    (run,) = open_runs([path])
    (file,) = plots.draw(run.tables, tmp_path / "plots", formats=["png"], only=["sensitivity"])
    with Image.open(file) as image:
        assert min(image.size) > 500
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 50
    publish(tmp_path / "one", tuned_cells(rates=(0.1,)), tuned)
    (run,) = open_runs([tmp_path / "one"])
    assert plots.draw(run.tables, tmp_path / "none", formats=["png"], only=["sensitivity"]) == ()
