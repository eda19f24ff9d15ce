from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_work import record

from gradlab.cell import Cell, Named, cell_id
from gradlab.columns import field_names
from gradlab.errors import StoreError
from gradlab.store import RunDirectory, checksums, decode, encode, parts
from gradlab.store.atomic import write_bytes
from gradlab.store.records import Unreadable

PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0.1", "torch": "2.0"}

CELLS = (
    Cell(depth=2, lr=0.1),
    Cell(depth=5, lr=0.1, activation=Named("leaky_relu", (("negative_slope", 0.2),)), probe_at=(0, 3, 9)),
    Cell(depth=1, lr=1e-3, residual_scale="1/sqrt(depth)", bias_std=0.5, seed=7),
)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    run_directory = RunDirectory(tmp_path / "results" / "x")
    run_directory.create()
    return run_directory


def publish(directory: RunDirectory, bank: str, cells: tuple[Cell, ...] = CELLS, **changes: Any) -> Path:
    return directory.publish(bank, cells, [record(cell, **changes) for cell in cells], PROVENANCE)


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


def test_a_file_is_given_back_only_as_it_was_written(directory: RunDirectory) -> None:
    path = directory.path / "note.txt"
    assert directory.read_text("note.txt") is None
    directory.write_text("note.txt", "one")
    assert directory.read_text("note.txt") == "one"
    before = path.stat().st_mtime_ns, path.stat().st_ino
    directory.write_text("note.txt", "one")  # nothing to do
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    path.write_text("two")
    assert directory.read_text("note.txt") is None
    with directory.lock():
        assert directory.mend() == ("note.txt does not fit its checksum: kept as note.txt.damaged, written anew",)
    assert (directory.path / "note.txt.damaged").read_text() == "two"
    directory.write_text("note.txt", "three")
    assert directory.read_text("note.txt") == "three"


def test_tables_take_their_places_together_or_not_at_all(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pd.DataFrame({"a": [1.5]}), pd.DataFrame({"a": [2.5]})
    assert list(directory.write_tables({"cells": one, "steps": one})) == ["cells", "steps"]

    class Bad(Exception):
        pass

    def bad(*_: object) -> None:
        raise Bad

    monkeypatch.setattr("gradlab.store.csvfile._text", bad)
    with pytest.raises(Bad):
        directory.write_tables({"cells": two, "steps": pd.DataFrame({"a": ["text"]})})
    assert directory.read_text("cells.csv") == directory.read_text("steps.csv") == "a\n1.5\n"
    assert not list(directory.path.glob("*.tmp"))


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
    (directory.path / checksums.SUMS).unlink()  # as older versions left it: the text itself has to say
    for text in ("", "[]", "{", '{"sessions": 3}', '{"sessions": [3]}'):
        (directory.path / "run.json").write_text(text)
        assert directory.sessions() == []


def test_only_temporaries_of_ours_are_cleared(directory: RunDirectory) -> None:
    remaining = [
        directory.path / "draft.tmp",
        directory.path / "thesis.csv.12.tmp",
        directory.path / "cells.csv.tmp",
        directory.parts / "b.parquet.x12.tmp",
        directory.checkpoints / "notes.12.tmp",
    ]
    for path in remaining:
        path.write_text("mine")
    with directory.lock():
        directory.create()
    assert all(path.read_text() == "mine" for path in remaining)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_no_link_in_a_run_directory_is_followed(directory: RunDirectory, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    victims = {name: outside / name for name in ("bashrc", "cells.csv.1.tmp", "b.ckpt", "b.parquet")}
    for path in victims.values():
        path.write_text("mine")
    (directory.path / "run.log").symlink_to(victims["bashrc"])
    with pytest.raises(StoreError, match=r"cannot write .*run\.log: it is a symbolic link"):
        directory.log("text")
    (directory.path / f"note.txt.{os.getpid()}.tmp").symlink_to(victims["bashrc"])
    (directory.path / "note.txt").symlink_to(victims["bashrc"])
    directory.write_text("note.txt", "text")
    assert not (directory.path / "note.txt").is_symlink()
    directory.checkpoints.rmdir()
    directory.checkpoints.symlink_to(outside)
    with directory.lock():
        directory.create()
        assert directory.mend()[0].startswith("checkpoints was a link")
    assert not directory.checkpoints.is_symlink()
    directory.checkpoints.rmdir()
    directory.checkpoints.symlink_to(outside)
    directory.drop_checkpoints()
    (directory.path / "parts.old").symlink_to(outside)
    publish(directory, "a")
    directory.start_over()
    directory.parts.rmdir()
    directory.parts.symlink_to(outside)
    with directory.lock(), pytest.raises(StoreError, match="parts: it is a symbolic link"):
        directory.create()
    assert {path.name: path.read_text() for path in outside.iterdir()} == dict.fromkeys(victims, "mine")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes of a name")
def test_a_pipe_in_the_place_of_the_log_is_refused(directory: RunDirectory) -> None:
    os.mkfifo(directory.path / "run.log")
    with pytest.raises(StoreError, match=r"run\.log is not a file"):
        directory.log("text")


def test_an_entry_of_the_log_cannot_look_like_another(directory: RunDirectory) -> None:
    directory.log("part x\n2026-01-01 00:00:00Z bank 0 failed\x1b[2J\u2028now")
    lines = (directory.path / "run.log").read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith("Z part x")
    assert lines[1:] == ["  2026-01-01 00:00:00Z bank 0 failed?[2J", "  now"]


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
