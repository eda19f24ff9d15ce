"""The files of a run directory beside its parts: tables, locks, links, the log."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pandas as pd
import pytest
from stored_cells import publish

from gradlab.errors import StoreError
from gradlab.store import RunDirectory, checksums
from gradlab.store.atomic import write_bytes


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
