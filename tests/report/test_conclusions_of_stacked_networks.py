"""Stacked recurrent networks are judged by their layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from compared import asked, text_of
from fake_work import record
from page_runs import Parsed, column
from trained import sentence, tables_of, trained

from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Question, compare
from gradlab.cell import Cell, Named
from gradlab.record import Record
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.comparison_rows import comparison_rows
from gradlab.report.model.conclusions import conclusions
from gradlab.report.model.marks import mark_of
from gradlab.report.model.rows import rows_of
from gradlab.report.page import build_page
from gradlab.results.directories import open_runs


def test_a_stacked_network_is_judged_by_its_layers() -> None:
    cells = [
        Cell(model=Named("rnn"), task=Named("adding"), depth=3, width=8, seq_len=24, activation=Named("tanh"),
             init=Named("spectral", (("radius", 0.5),)), lr=0.01, steps=2, seed=seed)
        for seed in range(2)
    ]  # fmt: skip
    made = trained(cells)
    first = made.stacked[made.stacked["step"].eq(0) & made.stacked["layer"].eq(1)]
    by_layer = first.pivot(index="cell", columns="stacked_layer", values="log10_survival").loc[made.cells["cell"]]
    furthest = by_layer.abs().to_numpy().argmax(axis=1)
    assert made.cells["worst_layer"].tolist() == (furthest + 1).tolist()
    expected = by_layer.to_numpy()[np.arange(2), furthest]
    np.testing.assert_allclose(made.cells["log10_survival_by_layer"], expected)
    assert made.summary["log10_survival_by_layer"].iloc[0] == pytest.approx(expected.mean())


def test_one_layer_beyond_the_threshold_marks_the_row_and_is_why() -> None:
    """All layers together keep 0.3 of the gradient along time, the lowest by itself a ten-thousandth."""
    cells = [
        Cell(model=Named("lstm"), task=Named("adding"), depth=2, width=8, seq_len=20, activation=Named("tanh"), lr=0.1,
             seed=seed)
        for seed in range(2)
    ]  # fmt: skip

    def spoiled(cell: Cell) -> Record:
        plain = record(cell)
        along = np.linspace(1, 0, 20)
        layers = np.stack([along * np.log(1e-4), along * np.log(0.3)], axis=-1)
        return plain.with_values(
            log_grad_norm=np.broadcast_to(along * np.log(0.3), plain.log_grad_norm.shape).copy(),
            log_grad_norm_by_layer=np.broadcast_to(layers, (len(plain.probe_steps), *layers.shape)).copy(),
        )

    made = tables_of(cells, [spoiled(cell) for cell in cells])
    (row,) = rows_of(made).rows
    (point,) = row.points.values()
    assert made.summary["verdict"].tolist() == ["healthy"]
    assert (mark_of(point).sign, mark_of(point).text) == ("vanished", "-0.5")
    assert made.cells["worst_layer"].tolist() == [1, 1]
    text = sentence(made, "vanishing")
    assert text.startswith("vanishing: layer 1 of this network is down to 10^-4.0 over 20 time steps")
    assert "(all layers together: 0.3)" in text
    assert not sentence(made, "healthy")


def test_a_comparison_marks_a_stacked_network_by_its_layer_too(tmp_path: Path) -> None:
    cells = [
        Cell(model=Named("lstm"), task=Named("adding"), depth=2, width=8, seq_len=length, activation=Named("tanh"),
             lr=0.1, seed=seed)
        for length in (10, 20)
        for seed in range(2)
    ]  # fmt: skip

    def spoiled(cell: Cell) -> Record:
        plain = record(cell)
        along = np.linspace(1, 0, cell.seq_len)
        layers = np.stack([along * 0, along * np.log(1e-5 if cell.seq_len == 20 else 1)], axis=-1)
        return plain.with_values(
            log_grad_norm=np.zeros_like(plain.log_grad_norm),
            log_grad_norm_by_layer=np.broadcast_to(layers, (len(plain.probe_steps), *layers.shape)).copy(),
        )

    found = asked(tmp_path / "r", cells, spoiled)
    (group,) = comparison_rows(found)
    assert {length: mark_of(point).sign for length, point in group.rows[0].points.items()} == {10: "", 20: "vanished"}
    said_there = "\n".join(conclusions(found))
    assert "vanishing: 1 of 2 configurations" in said_there
    assert "at seq_len 20 (10^-5.0 in one layer, 1 in all together)" in said_there
    after = compare(collect(open_runs([tmp_path / "r"])), Question(metric="survival_final"))
    line = next(line for line in text_of(after).splitlines() if UNICODE.sign("vanished").strip() in line)
    assert line.split()[:5] == ["0.0", "±0.00", "0.0", "±0.00", UNICODE.sign("vanished").strip()]
    data = Parsed(build_page([tmp_path / "r"]).html).data
    assert column(data, "verdict_name") == ["healthy", "vanished"]
    assert column(data, "mark") == ["", UNICODE.sign("vanished").strip()]
    assert data["counts"]["verdicts"] == {"healthy": 1, "vanishing": 1}
