from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from fake_work import record
from stored_cells import CELLS, PROVENANCE, publish

from gradlab.cell import Cell, Named, cell_id
from gradlab.columns import field_names
from gradlab.errors import StoreError
from gradlab.store import RunDirectory, decode, encode, parts
from gradlab.store.records import Unreadable


@pytest.mark.parametrize("cell", CELLS)
def test_a_setting_goes_to_text_and_back(cell: Cell) -> None:
    assert decode(encode(cell)) == cell


NESTED = Named("teacher", (("inputs", 6), ("samples", 64)))


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1])
def test_settings_that_differ_in_the_seed_share_all_else(seed: int) -> None:
    cell = Cell(task=NESTED, depth=3, seed=seed, data_digest="ab12")
    assert decode(encode(dataclasses.replace(cell, seed=1))) == dataclasses.replace(cell, seed=1)
    assert decode(encode(cell)) == cell


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (',"seed":7,', ',"seed":07,'),  # no JSON
        (',"seed":7,', ',"seed":18446744073709551616,'),  # 2**64
        (',"seed":7,', ',"seed":-7,'),
        (',"seed":7,', ',"seed":7,"seed":"seven",'),
        ('{"model":', '{,"model":'),
        ('"samples":64}', '"samples":64'),
        (',"seed":7,', ',"deepness":{"seed":7,'),  # the end of the text is no longer at its top level
    ],
)
def test_a_damaged_setting_is_refused_wherever_its_seed_stands(old: str, new: str) -> None:
    text = encode(Cell(task=NESTED, seed=7))
    assert old in text
    with pytest.raises(StoreError, match="which this version of gradlab does not know"):
        decode(text.replace(old, new))


def test_a_setting_of_a_newer_version_is_refused_in_words() -> None:
    text = encode(Cell()).replace('"depth":', '"deepness":1,"depth":')
    with pytest.raises(StoreError, match="'deepness', which this version of gradlab does not know"):
        decode(text)


def test_a_record_comes_back_bit_for_bit(directory: RunDirectory) -> None:
    random = np.random.default_rng(0)
    special = [np.nan, np.inf, -np.inf, 5e-324, -0.0]
    records = []
    for cell in CELLS:
        layers = {name: random.normal(size=(3, cell.depth)) for name in field_names("layer")}
        for values in layers.values():
            values.flat[: min(5, values.size)] = special[: min(5, values.size)]
        steps = {name: random.normal(size=3) for name in field_names("step")}
        records.append(record(cell, **layers, **steps, diverged_at=3, status="diverged", clip_rate=0.25))
    directory.publish("b", CELLS, records, PROVENANCE)
    records_read = directory.load()
    assert records_read.cells == CELLS
    assert records_read.probes.tolist() == [3, 3, 3]
    assert records_read.blocks.tolist() == [2, 5, 1]
    for name in field_names("layer"):
        assert records_read.by_layer[name].tobytes() == b"".join(getattr(record, name).tobytes() for record in records)
    for name in field_names("step"):
        assert records_read.by_step[name].tobytes() == b"".join(getattr(record, name).tobytes() for record in records)
    assert records_read.scalars["diverged_at"].tolist() == [3, 3, 3]
    assert records_read.scalars["bank"].tolist() == ["b"] * 3
    assert records_read.scalars["wall_s"].tolist() == [0.5] * 3
    assert records_read.scalars["torch"].tolist() == ["2.0"] * 3


def test_loading_follows_the_order_asked_for_across_parts(directory: RunDirectory) -> None:
    publish(directory, "a", CELLS[:1])
    publish(directory, "b", CELLS[1:])
    ids = [cell_id(CELLS[index]) for index in (2, 0)]
    assert directory.load([*ids, "not there"]).scalars["cell"].tolist() == ids
    assert directory.load().cells == CELLS
    assert directory.load([]).cells == ()


def test_published_is_done_and_nothing_else_is(directory: RunDirectory) -> None:
    assert directory.done() == ({}, ())
    publish(directory, "b")
    (directory.parts / "c.parquet.123.tmp").write_bytes(b"half")
    part_of, damaged = directory.done()
    assert part_of == {cell_id(cell): "b" for cell in CELLS}
    assert damaged == ()


def test_a_kill_while_publishing_leaves_nothing_done(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(Killed):
        publish(directory, "b")
    assert directory.done() == ({}, ())


def test_left_over_temporaries_are_cleared_under_the_lock_alone(directory: RunDirectory) -> None:
    left = [
        directory.parts / "c.parquet.123.tmp",
        directory.path / "cells.csv.9.tmp",
        directory.checkpoint("c").with_suffix(".ckpt.4.tmp"),
    ]
    for path in left:
        path.write_bytes(b"half")
    directory.create()  # without the lock they may be those of a process at work
    assert all(path.exists() for path in left)
    with directory.lock():
        directory.create()
    assert not any(path.exists() for path in left)


def test_every_single_flipped_bit_is_noticed(directory: RunDirectory) -> None:
    path = publish(directory, "b", CELLS[:1])
    whole = path.read_bytes()
    positions = np.random.default_rng(0).choice(len(whole) * 8, 300, replace=False)
    for position in map(int, positions):
        damaged = bytearray(whole)
        damaged[position // 8] ^= 1 << position % 8
        path.write_bytes(damaged)
        _, refused = directory.done(verify=True)
        assert [name for name, _ in refused] == ["b.parquet"], f"bit {position} of {len(whole) * 8}"


@pytest.mark.parametrize("size", [0, 3, 4, 11, 12, 100, -1])
@pytest.mark.parametrize("verify", [True, False])
def test_a_cut_file_is_damaged(directory: RunDirectory, size: int, verify: bool) -> None:
    path = publish(directory, "b")
    path.write_bytes(path.read_bytes()[:size])
    part_of, damaged = directory.done(verify=verify)
    assert part_of == {}
    assert [name for name, _ in damaged] == ["b.parquet"]
    with pytest.raises(StoreError, match="is damaged"):
        directory.load()
    assert directory.set_aside("b.parquet").name == "b.parquet.damaged"
    assert directory.done(verify=verify) == ({}, ())


def test_records_that_are_not_those_of_the_cells_are_refused(directory: RunDirectory) -> None:
    with pytest.raises(ValueError, match="are not those of the 3 cells asked for"):
        directory.publish("b", CELLS, [record(cell) for cell in reversed(CELLS)], PROVENANCE)
    with pytest.raises(ValueError, match=r"loss of cell .* has shape \(2,\), not \(3,\)"):
        publish(directory, "b", loss=np.zeros(2))
    assert directory.done() == ({}, ())


def test_a_column_that_an_older_part_lacks_is_empty(directory: RunDirectory) -> None:
    publish(directory, "a", CELLS[:1])
    table = parts.to_table(CELLS[1:], [record(cell) for cell in CELLS[1:]], PROVENANCE)
    parts.write(directory.parts / "b.parquet", table.drop_columns(["torch", "clip_rate"]))
    loaded = directory.load()
    assert loaded.scalars["torch"].tolist() == ["2.0", None, None]
    assert np.isnan(loaded.scalars["clip_rate"]).all()


def test_profiles_that_an_older_part_lacks_are_nan_at_their_places(directory: RunDirectory) -> None:
    newer = ["underflow", "log_cell_grad_norm", "spectral_radius", "loss_scale"]
    table = parts.to_table(CELLS[:2], [record(cell) for cell in CELLS[:2]], PROVENANCE)
    parts.write(directory.parts / "a.parquet", table.drop_columns(newer))
    whole = [record(CELLS[2], underflow=np.array([[0.1], [0.2], [0.3]]), loss_scale=np.array([1.0, 2.0, 4.0]))]
    directory.publish("b", CELLS[2:], whole, PROVENANCE)
    loaded = directory.load()
    assert (loaded.probes * loaded.blocks).tolist() == [6, 15, 3]
    np.testing.assert_array_equal(loaded.by_layer["underflow"], [*[np.nan] * 21, 0.1, 0.2, 0.3])
    np.testing.assert_array_equal(loaded.by_step["loss_scale"], [*[np.nan] * 6, 1.0, 2.0, 4.0])
    assert not np.isnan(loaded.by_layer["log_grad_norm"]).any()
    alone = directory.load([cell_id(cell) for cell in CELLS[:2]])
    assert np.isnan(alone.by_layer["underflow"]).all()
    assert len(alone.by_layer["underflow"]) == 21


def test_profiles_that_do_not_fit_their_cells_are_refused(directory: RunDirectory) -> None:
    table = parts.to_table(CELLS[:1], [record(CELLS[0])], PROVENANCE)
    deeper = parts.to_table([Cell(depth=3, lr=0.1)], [record(Cell(depth=3, lr=0.1))], PROVENANCE)
    at = table.schema.get_field_index("saturated")
    parts.write(directory.parts / "a.parquet", table.set_column(at, "saturated", deeper.column("saturated")))
    with pytest.raises(StoreError, match=r"a profile \(saturated\) of another length"):
        directory.load()


def test_publishing_a_bank_ends_its_checkpoint_and_no_other(directory: RunDirectory) -> None:
    for bank in ("b", "c"):
        directory.checkpoint(bank).write_bytes(b"state")
    publish(directory, "b")
    assert [path.name for path in directory.checkpoints.iterdir()] == ["c.ckpt"]
    directory.drop_checkpoints()
    assert not directory.checkpoints.exists()
    directory.drop_checkpoints()
    publish(directory, "c")


def test_damaged_parts_can_be_left_out(directory: RunDirectory) -> None:
    publish(directory, "a", CELLS[:1])
    path = publish(directory, "b", CELLS[1:])
    path.write_bytes(path.read_bytes()[:-1])
    damaged: list[Unreadable] = []
    assert directory.load(unreadable=damaged).cells == CELLS[:1]
    assert [problem.file for problem in damaged] == ["parts/b.parquet"]


def test_parts_are_joined_in_their_order_however_many_there_are(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = tuple(Cell(depth=1 + seed % 2, seed=seed) for seed in range(7))
    for place, cell in enumerate(cells):
        publish(directory, f"bank{place}", (cell,), loss=np.array([1.0, 2.0, 3.0 + place]))
    whole = directory.load()
    monkeypatch.setattr("gradlab.store.loading._TABLES_AT_ONCE", 2)
    joined = directory.load()
    assert joined.cells == whole.cells == cells
    assert joined.by_step["loss"][2::3].tolist() == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    assert joined.scalars["bank"].tolist() == [f"bank{place}" for place in range(7)]
    for name, values in whole.by_layer.items():
        np.testing.assert_array_equal(joined.by_layer[name], values)
