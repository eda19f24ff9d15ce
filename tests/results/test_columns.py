"""The schema of columns: one entry is a field of records and parts, a column of tables and a line of the docs."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import PROVENANCE, cells_of
from fake_work import record
from places import ROOT

from gradlab import columns
from gradlab.cell import SETTINGS, Cell, Named
from gradlab.columns import TABLES, Column, columns_of, names_of
from gradlab.record import Record
from gradlab.results.run import Run
from gradlab.results.tables import Tables, tables
from gradlab.store import RunDirectory, parts

KINDS = {
    "cell": (lambda cell: 1.0 + cell.seed, "cells", "mean"),
    "step": (lambda cell: np.array([4.0, 5.0, 6.0]) + cell.seed, "steps", ""),
    "layer": (lambda cell: np.full((3, cell.blocks), 7.0 + cell.seed), "layers", ""),
}


def measured(cells: list[Cell], records: list[Record]) -> Tables:
    table = parts.to_table(cells, records, PROVENANCE)
    return tables(parts.measured(table.append_column("bank", [["b"] * len(cells)])))


@pytest.mark.parametrize("kept", KINDS)
def test_a_measured_column_is_one_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: Any) -> None:
    value, table, over_seeds = KINDS[kept]
    entry = Column(
        "toy", "how much of a toy it is", (table, *["summary"] * bool(over_seeds)), kept, over_seeds=over_seeds
    )
    monkeypatch.setattr(columns, "COLUMNS", (*columns.COLUMNS, entry))
    cells = cells_of(depths=(2,), names=("relu",), seeds=3)
    with pytest.raises(TypeError, match="toy"):
        record(cells[0]).with_values(toyy=1)
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    directory.publish("b", cells, [record(cell, toy=value(cell)) for cell in cells], PROVENANCE)
    loaded = directory.load()
    directory.write_tables(tables(loaded).frames)
    frames = Run(directory.path).tables.frames
    for name, frame in frames.items():
        assert ("toy" in frame) == (name in entry.tables), name
        assert list(frame) == list(names_of(name)), name  # type: ignore[arg-type]
        assert "toy" not in frame or list(frame)[-1] == "toy"
    expected = np.concatenate([np.ravel(value(cell)) for cell in cells])
    np.testing.assert_array_equal(frames[table]["toy"], expected)
    if over_seeds:
        assert frames["summary"]["toy"].tolist() == [2.0]
    assert "| `toy` | how much of a toy it is |" in columns.markdown()


@pytest.mark.parametrize(("over_seeds", "expected"), [("mean", 7 / 3), ("geometric", 2.0), ("share", 1.0)])
def test_a_column_says_how_it_is_aggregated(monkeypatch: pytest.MonkeyPatch, over_seeds: Any, expected: float) -> None:
    entry = Column("toy", "a toy", ("cells", "summary"), "cell", over_seeds=over_seeds)
    monkeypatch.setattr(columns, "COLUMNS", (*columns.COLUMNS, entry))
    cells = cells_of(depths=(2,), names=("relu",), seeds=3)
    toy = measured(cells, [record(cell, toy=2.0**cell.seed) for cell in cells]).summary["toy"].tolist()
    assert toy == [pytest.approx(expected)]


def test_every_column_is_in_its_table_and_in_no_other() -> None:
    cells = [*cells_of(depths=(2,), names=("relu",), seeds=2)]
    result = measured(cells, [record(cell) for cell in cells])
    for name, frame in result.frames.items():
        assert list(frame) == list(names_of(name))  # type: ignore[arg-type]
    assert "stacked" not in result.frames
    for name in TABLES:
        listed = columns_of(name)  # type: ignore[arg-type]
        assert len({entry.name for entry in listed}) == len(listed)
        assert all(entry.help and not entry.help.endswith(".") for entry in listed)
        logarithms = {entry.log10_of for entry in listed} - {""}
        assert logarithms <= {entry.name for entry in columns.COLUMNS}
    assert set(SETTINGS) < set(names_of("cells"))
    assert set(names_of("summary")) & set(SETTINGS) == set(SETTINGS) - {"seed"}


def test_the_page_of_columns_is_that_of_the_schema() -> None:
    text = (ROOT / "docs" / "columns.md").read_text(encoding="utf-8")
    assert text == columns.markdown(), "python -m gradlab.columns > docs/columns.md"


def test_a_record_has_every_field_and_no_other_and_goes_to_another_process() -> None:
    whole = record(cells_of(seeds=1)[0])
    with pytest.raises(TypeError, match="nothing"):
        whole.with_values(nothing=1)
    with pytest.raises(TypeError, match="loss"):
        Record(**{name: getattr(whole, name) for name in ("probe_steps", *columns.field_names()) if name != "loss"})
    with pytest.raises(AttributeError, match="nothing"):
        _ = whole.nothing
    other = pickle.loads(pickle.dumps(whole))
    for name in ("probe_steps", *columns.field_names()):
        np.testing.assert_array_equal(getattr(other, name), getattr(whole, name))


STACKED = Cell(model=Named("lstm"), task=Named("adding"), depth=3, seq_len=4, activation=Named("tanh"), lr=0.1)


def stacked(cell: Cell) -> Record:
    """A record whose stacked layers d lose a factor of e^(d + 1) a time step, at step k times e^k."""
    measured_record = record(cell)
    shape = (*measured_record.log_grad_norm.shape, cell.depth)
    step, time, layer = np.indices(shape)
    return measured_record.with_values(log_grad_norm_by_layer=(layer + 1.0) * (time + 1) + step)


def test_each_stacked_layer_has_a_profile_of_its_own(tmp_path: Path) -> None:
    cells = [STACKED, dataclasses.replace(STACKED, depth=2, seed=1), Cell(depth=5, lr=0.1)]
    records = [stacked(cells[0]), stacked(cells[1]), record(cells[2])]
    assert records[2].log_grad_norm_by_layer.shape == (3, 5, 0)
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    directory.publish("a", cells[:2], records[:2], PROVENANCE)
    directory.publish("b", cells[2:], records[2:], PROVENANCE)
    loaded = directory.load()
    assert loaded.stacked_layers.tolist() == [3, 2, 0]
    assert loaded.by_stacked["log_grad_norm_by_layer"].tobytes() == b"".join(
        row.log_grad_norm_by_layer.tobytes() for row in records
    )
    assert "log_grad_norm_by_layer" not in parts.read(directory.parts / "b.parquet").schema.names
    frame = tables(loaded).stacked
    assert list(frame) == ["cell", "step", "layer", "stacked_layer", "log10_grad_norm", "log10_survival"]
    assert len(frame) == 3 * 4 * 3 + 3 * 4 * 2
    natural = np.log(10)
    np.testing.assert_allclose(
        frame["log10_grad_norm"] * natural,
        frame["stacked_layer"] * frame["layer"] + frame["step"].map({0: 0, 1: 1, 300: 2}),
    )
    first = (frame["layer"] == 1).to_numpy()
    np.testing.assert_allclose(frame["log10_survival"][first] * natural, -3 * frame["stacked_layer"][first])
    assert frame["log10_survival"][~first].isna().all()


def test_the_table_of_stacked_layers_is_written_only_where_there_are_some(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    directory.publish("a", [STACKED], [stacked(STACKED)], PROVENANCE)
    assert set(directory.write_tables(tables(directory.load()).frames)) == set(TABLES)
    assert (directory.path / "stacked.csv").is_file()
    run = Run(directory.path)
    assert len(run.tables.stacked) == 3 * 4 * 3
    assert run.warnings == ()
    directory.start_over()
    plain = Cell(depth=5, lr=0.1)
    directory.publish("b", [plain], [record(plain)], PROVENANCE)
    directory.write_tables(tables(directory.load()).frames)
    assert not (directory.path / "stacked.csv").exists()
    assert directory.changed() == ()
    assert not len(Run(directory.path).tables.stacked)


def test_shapes_that_do_not_fit_are_refused() -> None:
    stacked_record = stacked(STACKED)
    for wrong in (stacked_record.log_grad_norm_by_layer[:, :2], stacked_record.log_grad_norm_by_layer[:, :, 0]):
        with pytest.raises(ValueError, match="log_grad_norm_by_layer of cell"):
            parts.to_table([STACKED], [stacked_record.with_values(log_grad_norm_by_layer=wrong)], PROVENANCE)
