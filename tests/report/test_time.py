"""Recurrent networks in tables, report, comparison and pictures: time steps where others have blocks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from math import log, log10
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn import PROVENANCE, cells_of, tables_of, texts
from fake_work import FACTORS, record
from numpy.testing import assert_allclose

from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Comparison, Question, compare
from gradlab.cell import Cell, Named, cell_id
from gradlab.families import FAMILIES
from gradlab.families.axes import axis_of
from gradlab.record import Record
from gradlab.report import plots
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.causes import causes
from gradlab.report.model.conclusions import conclusions
from gradlab.report.model.rows import by_axis, rows_of
from gradlab.report.plots.data import plot_data
from gradlab.report.plots.recurrence import picture as recurrence
from gradlab.report.terminal.comparison import comparison_report
from gradlab.report.terminal.run import run_report
from gradlab.results.directories import open_runs
from gradlab.results.tables import Tables
from gradlab.store import RunDirectory

NAMES = ("tanh", "sigmoid")


def recurrent_cells(
    lengths: Sequence[int] = (10, 40, 160), depths: Sequence[int] = (1,), seeds: int = 3, **fixed: Any
) -> list[Cell]:
    fixed = {"model": Named("rnn"), "task": Named("adding"), "lr": 0.1, **fixed}
    return [
        Cell(seq_len=length, depth=depth, activation=Named(name), seed=seed, **fixed)
        for name in NAMES
        for depth in depths
        for length in lengths
        for seed in range(seeds)
    ]


def feed_forward() -> list[Cell]:
    return cells_of(depths=(2, 8), names=("relu", "sigmoid"))


def lines_of(tables: Tables, width: int | None = 112) -> str:
    result: Any = SimpleNamespace(
        name="time", path="results/time", tables=tables, computed=len(tables.cells), reused=0, cells=len(tables.cells),
        missing=0, seconds=1.0, failures=(), interrupted=False, stopped=False, workers=1,
    )  # fmt: skip
    return "\n".join(line.plain for line in run_report(result, UNICODE, width))


def compared(tmp_path: Path, cells: Sequence[Cell], **question: Any) -> Comparison:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    directory.publish("b0", cells, [record(cell) for cell in cells], PROVENANCE)
    return compare(collect(open_runs([tmp_path / "run"])), Question(**question))


def report_of(found: Comparison, width: int | None = None) -> str:
    return "\n".join(line.plain for line in comparison_report(found, UNICODE, width))


def mean_log10(name: str, lags: int) -> float:
    return float(np.mean([lags * log10(FACTORS[name] * (1 + seed / 100)) for seed in range(3)]))


@pytest.mark.parametrize("length", [1, 2, 160])
def test_a_profile_along_time_has_its_survival_and_decay(length: int) -> None:
    row = tables_of(recurrent_cells((length,), seeds=1)).cells.iloc[0]
    assert_allclose(row["log10_survival"], (length - 1) * log10(FACTORS["tanh"]), rtol=1e-12, atol=1e-15)
    if length == 1:
        assert np.isnan(row["decay"])
    else:
        assert_allclose(row["decay"], FACTORS["tanh"], rtol=1e-12)
    assert (row["depth"], row["seq_len"]) == (1, length)


def with_columns(**columns: Any) -> Any:
    def make(cell: Cell) -> Record:
        one = record(cell)
        changed = {name: np.broadcast_to(values, one.log_grad_norm.shape) for name, values in columns.items()}
        return one.with_values(**changed)

    return make


def test_the_cell_path_of_an_lstm_has_columns_of_its_own() -> None:
    log_cell = log(0.9) * np.arange(9, -1, -1) - 2
    found = tables_of(recurrent_cells((10,)), with_columns(log_cell_grad_norm=log_cell))
    assert_allclose(found.cells["log10_cell_survival"], 9 * log10(0.9), rtol=1e-12)
    assert_allclose(found.summary["log10_cell_survival"], 9 * log10(0.9), rtol=1e-12)
    first = found.layers[(found.layers["step"] == 0) & (found.layers["cell"] == found.cells["cell"][0])]
    assert_allclose(np.log(first["cell_grad_norm"]), log_cell, rtol=1e-12)
    assert tables_of(recurrent_cells((10,))).cells["log10_cell_survival"].isna().all()


def test_underflow_is_counted_where_it_is_largest() -> None:
    lost = np.array([0.1, 0.41, 0.2, 0.0])
    found = tables_of(cells_of(depths=(4,), names=("relu",)), with_columns(underflow=lost))
    assert (found.cells["underflow"] == 0.41).all()
    assert (found.summary["underflow_at"] == 2).all()
    said = "\n".join(causes(rows_of(found)))
    assert "underflow: in float32 41 % of the gradient's elements are lost at block 2 of this network" in said
    nothing = tables_of(cells_of(depths=(4,), names=("relu",)))
    assert nothing.cells["underflow_at"].isna().all()
    assert "underflow" not in "\n".join(causes(rows_of(nothing)))


def test_zeros_behind_a_truncated_backward_pass_are_said_to_be_made() -> None:
    def make(cell: Cell) -> Record:
        log_g = record(cell).log_grad_norm.copy()
        log_g[:, :-20] = -np.inf
        return record(cell).with_values(log_grad_norm=log_g)

    cells = recurrent_cells((10, 40), model=Named("rnn", (("truncate", 20),)))
    found = tables_of(cells, make)
    assert set(found.cells.loc[found.cells["seq_len"] == 40, "verdict"]) == {"dead"}
    assert set(found.cells.loc[found.cells["seq_len"] == 10, "verdict"]) & {"dead"} == set()
    said = causes(rows_of(found))
    (cut,) = [text for text in said if text.startswith("truncated")]
    assert "ends after 20 steps" in cut
    assert "exactly zero: tanh and sigmoid" in cut


def test_the_words_follow_the_models() -> None:
    assert axis_of(["mlp"], ["depth", "width"]) is FAMILIES["mlp"].axis
    assert axis_of(["rnn", "lstm(forget_bias=0)"], ["seq_len"]) is FAMILIES["rnn"].axis
    assert axis_of(["rnn"], ["seq_len", "depth"]).setting == "seq_len"
    layers = axis_of(["gru"], ["depth"])
    assert (layers.setting, layers.along, layers.unit) == ("depth", "seq_len", "time step")


def test_a_report_of_recurrent_networks_speaks_of_time() -> None:
    shown = lines_of(tables_of(recurrent_cells()))
    assert "Survival before training: gradient norm, first time step (lag T-1) ÷ last" in shown
    assert "decay/step" in shown
    assert "at seq_len 160" in shown
    assert "log10 |g| along time" in shown
    assert f"(from seq_len 10; 10^{mean_log10('sigmoid', 159):.1f} at seq_len 160; decay 0.252" in " ".join(
        shown.split()
    )
    assert "block" not in shown
    assert " depth" not in shown


def test_columns_run_over_seq_len_and_rows_carry_the_depth() -> None:
    view = rows_of(tables_of(recurrent_cells(depths=(1, 2))))
    assert view.keys == ("depth", "activation")
    assert view.lengths == (10, 40, 160)
    assert {row.labels for row in view.rows} == {("1", "tanh"), ("1", "sigmoid"), ("2", "tanh"), ("2", "sigmoid")}


def test_layers_of_one_length_stand_across_and_keep_the_words_of_time() -> None:
    shown = lines_of(tables_of(recurrent_cells(lengths=(40,), depths=(1, 2, 4))))
    assert "decay/step" in shown
    assert "at depth 4" in shown
    assert "seq_len 40" in shown
    assert f"(from depth 1; 10^{mean_log10('sigmoid', 39):.1f} at depth 4; decay" in shown


def test_a_run_of_both_kinds_has_a_table_for_each() -> None:
    found = tables_of([*feed_forward(), *recurrent_cells()])
    first, second = by_axis(found)
    assert set(first.cells["model"]) == {"mlp"}
    assert len(second.layers) == sum(cell.seq_len * len({0, 1, cell.steps}) for cell in recurrent_cells())
    shown = lines_of(found)
    assert shown.index("feed-forward networks") < shown.index("first block") < shown.index("recurrent networks")
    assert shown.index("recurrent networks") < shown.index("first time step")


@pytest.mark.parametrize("width", [80, 112, 200])
def test_a_report_keeps_within_its_width(width: int) -> None:
    shown = lines_of(tables_of([*feed_forward(), *recurrent_cells(depths=(1, 2))]), width)
    assert max(map(len, shown.splitlines())) <= width


def test_compare_runs_over_seq_len(tmp_path: Path) -> None:
    found = compared(tmp_path, recurrent_cells())
    assert found.design.axes == ("seq_len",)
    assert found.by == ("activation",)
    assert found.table["seq_len"].tolist() == [10, 40, 160] * 2
    for name in NAMES:
        row = found.table[(found.table["activation"] == name) & (found.table["seq_len"] == 40)].iloc[0]
        assert_allclose(row["log10_survival"], mean_log10(name, 39), rtol=1e-9)
    assert found.table.groupby("activation")["learns_to"].first()["tanh"] == 40  # 0.8^40 > 1e-4 > 0.8^160
    shown = report_of(found)
    assert "seq_len" in shown
    assert "time step (lag T-1)" in shown
    assert "block" not in shown
    said = "\n".join(conclusions(found))
    assert "sigmoid at seq_len 160" in said
    assert "lost a step" in said


def test_compare_of_both_kinds_groups_them(tmp_path: Path) -> None:
    cells = [*feed_forward(), *recurrent_cells(depths=(1, 2))]
    found = compared(tmp_path, cells)
    assert found.design.axes == ("depth", "seq_len")
    table = found.table
    forward = table[table["seq_len"].isna()]
    assert set(forward["model"]) == {"mlp"}
    assert set(table.loc[table["seq_len"].notna(), "depth"]) == {1, 2}
    assert found.rows == 2 + 4
    shown = report_of(found, 200)
    assert shown.index("first block") < shown.index("first time step")
    assert "model mlp, task digits" in shown
    said = "\n".join(conclusions(found))
    assert "at depth 8" in said
    assert "at seq_len 160" in said
    assert "confounded: task changes only with model, effects are of both together" in shown.splitlines()


@pytest.mark.parametrize(
    "question", [{"by": "activation"}, {"sort": "-survival"}, {"top": 2}, {"where": "seq_len>=40"}]
)
def test_questions_about_both_kinds(tmp_path: Path, question: dict[str, Any]) -> None:
    found = compared(tmp_path, [*feed_forward(), *recurrent_cells()], **question)
    report_of(found, 80)
    if "where" in question:
        assert found.design.axes == ("seq_len",)
        assert set(found.cells["seq_len"]) == {40, 160}
    if "by" in question:  # each kind is averaged by itself
        assert len(found.table[found.table["activation"] == "sigmoid"]) == 2 + 3
    if "top" in question:
        assert found.rows == 4


def test_pictures_of_both_kinds_are_kept_apart(tmp_path: Path) -> None:
    found = tables_of([*feed_forward(), *recurrent_cells(depths=(1, 2), seeds=2, steps=1)])
    own = ["profiles", "survival"]
    drawn = plots.draw(found, tmp_path, formats=["svg"], only=[*own, "recurrence"])
    names = {path.name for path in drawn}
    assert names == {f"{name}{end}.svg" for name in own for end in ("", "_recurrent")} | {"recurrence.svg"}
    assert "time step" in (tmp_path / "profiles_recurrent.svg").read_text()
    assert "time step" not in (tmp_path / "profiles.svg").read_text()
    assert "seq_len (time steps)" in (tmp_path / "survival_recurrent.svg").read_text()
    plots.draw(tables_of(feed_forward()), tmp_path, formats=["svg"])
    assert not [path for path in tmp_path.iterdir() if "recurr" in path.name]


def test_the_recurrence_is_drawn_as_measured() -> None:
    def make(cell: Cell) -> Record:
        one = record(cell)
        return one.with_values(spectral_radius=1.0 + 0.1 * np.arange(len(one.probe_steps)) + 0.01 * cell.seed)

    data = plot_data(tables_of(recurrent_cells((10, 40)), make))
    assert data is not None
    figure = recurrence(data)
    assert figure is not None
    radius, saturated = figure.axes
    lines = [line for line in radius.get_lines() if len(line.get_xdata()) == 3]
    assert [line.get_label() for line in lines] == ["tanh", "sigmoid"]
    assert_allclose(lines[0].get_ydata(), [1.01, 1.11, 1.21], rtol=1e-12)
    assert_allclose(saturated.get_lines()[0].get_ydata(), 0.5)
    assert any("seq_len 40" in text for text in texts(figure))


def test_tables_read_back_from_csv_give_the_same_view(tmp_path: Path) -> None:
    found = tables_of([*feed_forward(), *recurrent_cells()])
    for name in ("cells", "summary"):
        getattr(found, name).to_csv(tmp_path / f"{name}.csv", index=False)
    paths = {name: tmp_path / f"{name}.csv" for name in ("cells", "summary")}
    read = {name: pd.read_csv(path, keep_default_na=False, na_values=[""]) for name, path in paths.items()}
    again = by_axis(dataclasses.replace(found, **read))
    for one, other in zip(by_axis(found), again, strict=True):
        assert [row.labels for row in rows_of(one).rows] == [row.labels for row in rows_of(other).rows]
        assert rows_of(one).lengths == rows_of(other).lengths
    assert cell_id(feed_forward()[0]) in set(again[0].cells["cell"])
