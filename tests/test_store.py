from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_work import record

from gradlab.cell import Cell, Named, cell_id
from gradlab.errors import StoreError
from gradlab.record import LAYER_FIELDS, STEP_FIELDS
from gradlab.store import RunDirectory, decode, encode, parts
from gradlab.store.atomic import write_bytes

PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0.1", "torch": "2.0"}

CELLS = (
    Cell(depth=2, lr=0.1),
    Cell(depth=5, lr=0.1, activation=Named("leaky_relu", (("negative_slope", 0.2),)), probe_at=(0, 3, 9)),
    Cell(depth=1, lr=1e-3, residual_scale="1/sqrt(depth)", bias_std=0.5, seed=7),
)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "results" / "x")
    made.create()
    return made


def publish(directory: RunDirectory, bank: str, cells: tuple[Cell, ...] = CELLS, **changes: Any) -> Path:
    return directory.publish(bank, cells, [record(cell, **changes) for cell in cells], PROVENANCE)


@pytest.mark.parametrize("cell", CELLS)
def test_a_setting_goes_to_text_and_back(cell: Cell) -> None:
    assert decode(encode(cell)) == cell


def test_a_setting_of_a_newer_version_is_refused_in_words() -> None:
    text = encode(Cell()).replace('"depth":', '"deepness":1,"depth":')
    with pytest.raises(StoreError, match="'deepness', which this version of gradlab does not know"):
        decode(text)


def test_a_record_comes_back_bit_for_bit(directory: RunDirectory) -> None:
    random = np.random.default_rng(0)
    special = [np.nan, np.inf, -np.inf, 5e-324, -0.0]
    records = []
    for cell in CELLS:
        layers = {name: random.normal(size=(3, cell.depth)) for name in LAYER_FIELDS}
        for values in layers.values():
            values.flat[: min(5, values.size)] = special[: min(5, values.size)]
        steps = {name: random.normal(size=3) for name in STEP_FIELDS}
        records.append(record(cell, **layers, **steps, diverged_at=3, status="diverged", clip_rate=0.25))
    directory.publish("b", CELLS, records, PROVENANCE)
    found = directory.load()
    assert found.cells == CELLS
    assert found.probes.tolist() == [3, 3, 3]
    assert found.blocks.tolist() == [2, 5, 1]
    for name in LAYER_FIELDS:
        assert found.by_layer[name].tobytes() == b"".join(getattr(one, name).tobytes() for one in records)
    for name in STEP_FIELDS:
        assert found.by_step[name].tobytes() == b"".join(getattr(one, name).tobytes() for one in records)
    assert found.scalars["diverged_at"].tolist() == [3, 3, 3]
    assert found.scalars["bank"].tolist() == ["b"] * 3
    assert found.scalars["wall_s"].tolist() == [0.5] * 3
    assert found.scalars["torch"].tolist() == ["2.0"] * 3


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
    done, damaged = directory.done()
    assert done == {cell_id(cell): "b" for cell in CELLS}
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


def test_left_over_temporaries_are_cleared(directory: RunDirectory) -> None:
    left = [directory.parts / "c.parquet.123.tmp", directory.path / "cells.csv.9.tmp"]
    for path in left:
        path.write_bytes(b"half")
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
        _, found = directory.done(verify=True)
        assert [name for name, _ in found] == ["b.parquet"], f"bit {position} of {len(whole) * 8}"


@pytest.mark.parametrize("kept", [0, 3, 4, 11, 12, 100, -1])
@pytest.mark.parametrize("verify", [True, False])
def test_a_cut_file_is_damaged(directory: RunDirectory, kept: int, verify: bool) -> None:
    path = publish(directory, "b")
    path.write_bytes(path.read_bytes()[:kept])
    done, damaged = directory.done(verify=verify)
    assert done == {}
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
    found = directory.load()
    assert found.scalars["torch"].tolist() == ["2.0", None, None]
    assert np.isnan(found.scalars["clip_rate"]).all()


def test_the_place_must_be_free_or_ours(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(StoreError, match="is a file, where the run directory should be"):
        RunDirectory(file).create()
    with pytest.raises(StoreError, match="a part of that path is a file, not a directory"):
        RunDirectory(file / "below").create()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="is not a run directory of gradlab"):
        RunDirectory(other).create()
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]
    empty = tmp_path / "empty"
    empty.mkdir()
    RunDirectory(empty).create()
    assert RunDirectory(empty).exists()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, "no space left on the device"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_file_system_errors_are_said_in_words_and_leave_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    path = tmp_path / "cells.csv"
    write_bytes(path, b"old")

    def fails(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(StoreError, match=f"cannot write .*cells.csv: {reason}"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_starting_over_keeps_one_generation(directory: RunDirectory) -> None:
    assert directory.start_over() is None
    publish(directory, "a")
    assert directory.start_over() == directory.path / "parts.old"
    assert directory.done() == ({}, ())
    publish(directory, "b")
    directory.start_over()
    assert [path.name for path in (directory.path / "parts.old").iterdir()] == ["b.parquet"]


def test_provenance_that_someone_edited_stops_nothing(directory: RunDirectory) -> None:
    assert directory.sessions() == []
    directory.write_sessions("x", [{"started": 1}])
    assert directory.sessions() == [{"started": 1}]
    for text in ("", "[]", "{", '{"sessions": 3}', '{"sessions": [3]}'):
        (directory.path / "run.json").write_text(text)
        assert directory.sessions() == []
