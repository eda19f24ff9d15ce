"""Learning curves, the style of a paper, PDF, axes of a caller, and axes that hold the numbers quoted."""

from __future__ import annotations

import dataclasses
import struct
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from drawn import NAMES, cells_of, data_of, tables_of, texts, with_profile
from fake_work import record
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from gradlab.api.options import PlotOptions
from gradlab.cell import Cell
from gradlab.cli import invoke
from gradlab.errors import OptionError, UsageError
from gradlab.record import Record
from gradlab.report import plots
from gradlab.report.plots import learning, profiles, survival
from gradlab.report.plots.style import COLUMN, GREY, TEXT, drawing

FIXED = ("heatmap", "effects")
"""Pictures whose fields have a size."""


@pytest.mark.parametrize("depths", [(5,), (2, 8, 63)])
@pytest.mark.parametrize("name", plots.PICTURES)
def test_a_paper_has_narrow_pictures_without_words_around_them(name: str, depths: tuple[int, ...]) -> None:
    tables = tables_of(cells_of(depths=depths))
    figure, report = plots.figure(tables, name, style="paper"), plots.figure(tables, name)
    assert (figure is None) == (report is None)
    if figure is None:
        pytest.skip("these tables have nothing for it")
    figure.draw_without_rendering()
    width = figure.get_size_inches()[0]
    assert width == pytest.approx(COLUMN) if name not in FIXED else width <= TEXT + 1e-9
    sizes = {artist.get_fontsize() for artist in map(_text, figure.findobj(Text)) if artist.get_text()}
    assert max(sizes) <= 8
    assert report is not None
    around = {text.get_text() for text in report.texts if text.get_weight() == "bold" or text.get_color() == GREY}
    assert len(around) == 3
    assert not around & {text.get_text() for text in figure.texts}, "neither title nor caption nor note"


def _text(artist: Any) -> Any:
    return cast(Any, artist)


@pytest.mark.parametrize("name", ["survival", "learning", "profiles", "training"])
def test_the_words_of_a_paper_stand_inside_of_it(name: str) -> None:
    figure = plots.figure(tables_of(cells_of(depths=(2, 8, 63))), name, style="paper")
    assert figure is not None
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox(renderer)  # in inches
    assert -0.02 <= box.x0 <= box.x1 <= width + 0.02
    assert -0.02 <= box.y0 <= box.y1 <= height + 0.02


def test_a_pdf_is_one_and_the_same_tables_give_the_same_bytes(tmp_path: Path) -> None:
    tables = tables_of(cells_of())
    first = plots.draw(tables, tmp_path / "a", formats=["pdf", "png"], only=["survival"], style="paper")
    second = plots.draw(tables, tmp_path / "b", formats=["pdf", "png"], only=["survival"], style="paper")
    assert [path.name for path in first] == ["survival.pdf", "survival.png"]
    assert first[0].read_bytes().startswith(b"%PDF")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    width, _ = struct.unpack(">II", first[1].read_bytes()[16:24])
    assert width / 300 == pytest.approx(3.25, abs=0.01)


def lost_late(cell: Cell) -> Record:
    """Return a record in which selu has no finite loss from the second probed step on."""
    made = record(cell)
    if cell.activation.name != "selu":
        return made
    loss, metric = made.loss.copy(), made.metric.copy()
    loss[1:], metric[1:] = np.nan, np.nan
    return made.with_values(loss=loss, metric=metric, status="diverged", diverged_at=1)


def test_a_learning_curve_is_the_mean_over_the_seeds_at_each_step() -> None:
    data = data_of(cells_of(depths=(2, 8)), lost_late)
    figure = learning.picture(data)
    assert figure is not None
    steps = data.tables.steps.merge(data.tables.cells[["cell", "activation", "depth"]], on="cell")
    for place, depth in enumerate((2, 8)):
        top, below = figure.axes[place], figure.axes[2 + place]
        assert top.get_title() == f"depth {depth}"
        for axes, column in ((top, "loss"), (below, "metric")):
            lines = [line for line in axes.lines if line.get_marker() != "x"]
            assert len(lines) == len(NAMES)
            for line, name in zip(lines, [row.labels[0] for row in data.rows], strict=True):
                own = steps[(steps["activation"] == name) & (steps["depth"] == depth)]
                means = own.groupby("step")[column].mean().dropna()
                np.testing.assert_allclose(line.get_ydata(), means.to_numpy())
                np.testing.assert_allclose(line.get_xdata(), means.index.to_numpy())
                low, high = axes.get_ylim()
                assert low <= means.to_numpy().min() <= means.to_numpy().max() <= high
        assert [line.get_marker() for line in top.lines].count("x") == 1, "where selu ends"
    assert {text.get_text() for text in figure.legends[0].get_texts()} == set(NAMES)


def test_there_are_no_learning_curves_without_training() -> None:
    tables = tables_of(cells_of())
    before = dataclasses.replace(tables, steps=tables.steps[tables.steps["step"] == 0])
    assert plots.figure(before, "learning") is None
    assert plots.figure(tables, "learning") is not None


@pytest.mark.parametrize(("depths", "dense"), [((2, 8, 32), False), (tuple(range(2, 60, 6)), True)])
def test_theory_is_a_line_where_it_is_dense(depths: tuple[int, ...], dense: bool) -> None:
    tables = tables_of(cells_of(depths=depths))
    tables.summary["theory_log10_survival"] = -0.1 * tables.summary["depth"]
    figure = plots.figure(tables, "survival")
    assert figure is not None
    theory = [line for line in figure.axes[0].lines if line.get_color() == "#222222"]
    assert len(theory) == len(NAMES)
    for line in theory:
        assert (line.get_linestyle() == "None") != dense
        np.testing.assert_allclose(line.get_ydata(), -0.1 * np.array(depths))
    assert any("dashes" in text for text in texts(figure)) == dense


@pytest.mark.parametrize("depth", [5, 63])
def test_the_axes_of_profiles_hold_the_survival_that_is_quoted(depth: int) -> None:
    data = data_of(cells_of(depths=(depth,)))
    figure = profiles.picture(data)
    limits = [axes.get_ylim() for axes in figure.axes]
    for axes, row in zip(figure.axes, data.rows, strict=True):
        low, high = axes.get_ylim()
        assert low <= float(row.longest["log10_survival"]) <= high  # type: ignore[index]
    assert (len(set(limits)) == 1) == (depth == 5), "38 decades get axes of their own"
    assert any("own vertical axis" in text for text in texts(figure)) == (depth == 63)


def test_a_picture_is_drawn_into_axes_of_a_caller() -> None:
    tables = tables_of(cells_of())
    figure = Figure(figsize=(4, 3))
    left, right = figure.subplots(1, 2)
    assert plots.figure(tables, "survival", left) is figure
    assert len([line for line in left.lines if line.get_linewidth() == 1.8]) == len(NAMES)
    legend = left.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == list(NAMES)
    assert not right.lines
    assert not figure.texts
    for name in ("heatmap", "profiles", "learning"):
        with pytest.raises(UsageError, match="has several panels"):
            plots.figure(tables, name, right)
    with pytest.raises(UsageError, match="has several panels"):
        plots.figure(tables_of(cells_of(depths=(4,))), "survival", right)


def test_a_style_is_one_of_two_and_ends_with_its_picture() -> None:
    with pytest.raises(OptionError, match="must be report or paper"):
        PlotOptions(style="poster")
    with pytest.raises(UsageError, match="did you mean paper"):
        plots.figure(tables_of(cells_of()), "survival", style="papr")
    with pytest.raises(ZeroDivisionError), drawing("paper"):
        1 / 0  # noqa: B018
    assert len(survival.picture(data_of(cells_of())).texts) == 3


def test_lost_gradients_do_not_break_a_paper() -> None:
    for name in ("survival", "profiles", "training"):
        assert plots.figure(tables_of(cells_of(), with_profile(-np.inf, "relu")), name, style="paper") is not None


def test_the_command_writes_what_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["plot", str(tmp_path), "--style", "poster"]) == 2
    assert capsys.readouterr().err == "gradlab: --style poster: must be report or paper\n"
    with pytest.raises(UsageError, match="there is no format 'bmp'"):
        plots.chosen((), ["bmp"])
    assert plots.chosen((), ["pdf", "pdf"])[1] == ["pdf"]
