"""Stacked recurrent networks: the profile of each layer by itself beside that of all layers together."""

from __future__ import annotations

from math import log, log10
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from drawn import tables_of, texts
from fake_work import record
from numpy.testing import assert_allclose

from gradlab.cell import Cell, Named
from gradlab.record import Record
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.profiles import ProfileIndex, longest_cells, profile
from gradlab.report.model.rows import by_axis, rows_of
from gradlab.report.model.stacked import stacked_survival
from gradlab.report.plots.data import plot_data
from gradlab.report.plots.profiles import picture
from gradlab.report.terminal.run import run_report

FACTORS = (0.9, 0.5, 0.7)
"""Decay of each layer of the fake along time, in seed s times 1 + s/100."""


def stacked(cell: Cell) -> Record:
    if cell.seq_len is None or cell.depth == 1:
        return record(cell)
    lags = np.arange(cell.seq_len - 1, -1, -1.0)
    by_layer = np.stack([log(factor * (1 + cell.seed / 100)) * lags for factor in FACTORS[: cell.depth]], axis=-1)
    plain = record(cell)
    return plain.with_values(
        log_grad_norm_by_layer=np.broadcast_to(by_layer, (len(plain.probe_steps), *by_layer.shape))
    )


def cells_of(depths: tuple[int, ...] = (1, 3), seeds: int = 3, length: int = 10) -> list[Cell]:
    return [
        Cell(model=Named("rnn"), task=Named("adding"), depth=depth, seq_len=length, lr=0.1, seed=seed,
             activation=Named(name))
        for name in ("tanh", "sigmoid") for depth in depths for seed in range(seeds)
    ]  # fmt: skip


def expected(layer: int, seeds: int = 3, lags: int = 9) -> float:
    return float(np.mean([lags * log10(FACTORS[layer] * (1 + seed / 100)) for seed in range(seeds)]))


def test_the_survival_of_each_layer_stands_beside_that_of_all() -> None:
    tables = tables_of(cells_of(), stacked)
    group = rows_of(tables)
    index = ProfileIndex(tables.layers, tables.stacked)
    kept, (tanh, _) = stacked_survival(group, index, longest_cells(tables, group))
    assert kept.lengths == (3,)
    assert [layer.mark.text for layer in tanh[1:]] == [f"{expected(layer):+.1f}" for layer in range(3)]
    assert tanh[0].mark.text == f"{group.rows[0].points[3]['log10_survival']:+.1f}"
    assert [layer.mark.sign for layer in tanh[1:]] == ["", "fading", "fading"]
    assert all(0 < layer.half < 0.2 for layer in tanh[1:])


def test_a_layer_without_a_gradient_is_exactly_zero() -> None:
    def cut(cell: Cell) -> Record:
        made = stacked(cell)
        by_layer = made.log_grad_norm_by_layer.copy()
        by_layer[:, :5, 1] = -np.inf
        return made.with_values(log_grad_norm_by_layer=by_layer)

    tables = tables_of(cells_of((3,)), cut)
    group = rows_of(tables)
    _, rows = stacked_survival(group, ProfileIndex(tables.layers, tables.stacked), longest_cells(tables, group))
    assert (rows[0][2].mark.text, rows[0][2].mark.sign) == ("zero", "dead")


def test_the_series_of_the_layers_end_at_one() -> None:
    tables = tables_of(cells_of((3,)), stacked)
    series = profile(ProfileIndex(tables.layers, tables.stacked), tables.cells["cell"].tolist()[:3])
    assert len(series.layers) == 3
    for layer, values in enumerate(series.layers):
        assert_allclose([values[0], values[-1]], [expected(layer), 0.0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("width", [60, 112, None])
def test_a_report_has_one_table_of_layers_where_a_network_is_stacked(width: int | None) -> None:
    def lines_of(tables: Any) -> list[str]:
        result: Any = SimpleNamespace(
            name="x", path=Path("results/x"), tables=tables, computed=len(tables.cells), reused=0, missing=0,
            cells=len(tables.cells), seconds=1.0, failures=(), interrupted=False, stopped="", workers=1,
        )  # fmt: skip
        return [line.plain for line in run_report(result, UNICODE, width)]

    lines = lines_of(tables_of(cells_of(), stacked))
    start = next(at for at, line in enumerate(lines) if line.startswith("Survival of each stacked layer by itself"))
    end = next(at for at, line in enumerate(lines) if line.startswith("After"))
    heads = [line.split() for line in lines[start:end] if line.startswith("activation")]
    assert [head for line in heads for head in line[1:]] == ["all", "1", "2", "3"]
    assert not any("stacked" in line for line in lines_of(tables_of(cells_of((1,)), stacked)))
    assert width is None or max(map(len, lines)) <= width


def test_networks_along_another_axis_keep_their_tables_and_have_no_layers() -> None:
    mixed = tables_of([*cells_of(), *(Cell(depth=4, lr=0.1, seed=seed) for seed in range(3))], stacked)
    feed_forward, recurrent = by_axis(mixed)
    assert len(feed_forward.stacked) == 0
    assert set(recurrent.stacked["cell"]) == set(recurrent.cells.loc[recurrent.cells["depth"] == 3, "cell"])


def test_the_picture_numbers_the_layers() -> None:
    data = plot_data(tables_of(cells_of((3,)), stacked))
    assert data is not None
    figure = picture(data)
    assert [text for text in texts(figure) if text in ("1", "2", "3")] != []
    assert any("stacked layers by themselves" in text.replace("\n", " ") for text in texts(figure))
