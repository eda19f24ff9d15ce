"""Files that cannot be read, in any way: one message that names the file, and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tables import TABLE, read, write

from gradlab.datafiles import files
from gradlab.errors import DataError

DATA = TABLE.encode()


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
    "zip": lambda data: zipped(("t.csv", data)),
}


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    text = str(caught.value)
    assert path.name in text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("ending", ARCHIVES)
def test_archives_are_read(tmp_path: Path, ending: str) -> None:
    plain = read(write(tmp_path, TABLE))
    packed = read(write(tmp_path, ARCHIVES[ending](DATA), f"t.csv.{ending}"))
    np.testing.assert_array_equal(packed.inputs, plain.inputs)
    np.testing.assert_array_equal(packed.targets, plain.targets)


@pytest.mark.parametrize("ending", ARCHIVES)
def test_an_archive_that_ends_too_early(tmp_path: Path, ending: str) -> None:
    content = ARCHIVES[ending](DATA)
    for length in range(8, len(content), 7):
        text = message(write(tmp_path, content[:length], f"t.csv.{ending}"))
        assert ("ends too early" in text) or ("is damaged" in text) or ending == "zst"


@pytest.mark.parametrize("ending", ARCHIVES)
def test_an_archive_with_a_changed_byte_is_refused_or_read_as_it_was(tmp_path: Path, ending: str) -> None:
    content = ARCHIVES[ending](DATA)
    plain = read(write(tmp_path, TABLE)).inputs
    for place in range(len(content)):
        changed = content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]
        path = write(tmp_path, changed, f"t.csv.{ending}")
        try:  # times and names in a header may change
            inputs = read(path).inputs
        except DataError:
            message(path)
            continue
        if ending != "zst":  # pyarrow writes it without a checksum
            np.testing.assert_array_equal(inputs, plain)


DISGUISED = [
    ("t.csv.zip", DATA, "is no zip file, as its name says"),
    ("t.csv.gz", DATA, "rename it, to t.csv perhaps"),
    ("t.csv.gz", bz2.compress(DATA), "it looks like bzip2\n  rename it, to t.csv.bz2"),
    ("t.csv", gzip.compress(DATA), "is compressed by gzip\n  rename it to t.csv.gz"),
    ("t.csv", zipped(("t.csv", DATA)), "is a zip archive or a workbook"),
    ("t.csv.zip", zipped(("a.csv", DATA), ("b.csv", DATA)), "holds 2 files: a.csv, b.csv"),
    ("t.csv.zip", zipped(), "holds 0 files"),
    ("t.csv.gz", gzip.compress(b""), "is empty"),
    ("t.csv", b"", "is empty"),
    ("t.csv", b"\x89PNG\r\n\x1a\n" + bytes(90), "it looks like a PNG file"),
    ("t.csv", b"PAR1" + bytes(90), "it looks like a Parquet file"),
    ("t.csv", b"\x89HDF\r\n\x1a\n" + bytes(90), "it looks like a HDF5 file"),
    ("t.csv", bytes(range(256)) * 10, "is no text: line 1 holds the character 0"),
    ("t.csv", b"<!DOCTYPE html><html><body>404</body></html>", "looks like a web page"),
    ("t.csv", b'{"a": [1, 2]}', "looks like JSON"),
    ("t.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
    ("t.xlsx", zipped(("xl/workbook.xml", b"x")), "save the sheet as a CSV file"),
    ("t.parquet", DATA, "is no Parquet file, as its name says"),
    ("t.parquet", b"PAR1" + DATA, "cannot be read"),
    ("t.parquet", b"PAR1" + DATA + b"PAR1", "cannot be read"),
    ("t.json", b"{}", "a table must be .csv"),
    ("t.asc", DATA, "if it is a table in text, rename it"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "words"), DISGUISED, ids=range(len(DISGUISED)))
def test_a_file_that_is_not_what_its_name_says(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    assert words in message(write(tmp_path, content, name))


def test_what_is_no_file(tmp_path: Path) -> None:
    assert "there is no data file" in message(tmp_path / "missing.csv")
    (tmp_path / "d.csv").mkdir()
    assert "is a directory" in message(tmp_path / "d.csv")
    os.mkfifo(tmp_path / "pipe.csv")  # opening it must not wait for a writer
    assert "is a device" in message(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    assert "is a device" in message(tmp_path / "zero.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    assert "cannot be read" in message(tmp_path / "loop.csv")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, TABLE)
    monkeypatch.setattr(files.os, "open", refuse)
    assert "permission denied" in message(path)


def test_an_archive_that_holds_more_than_any_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 2**22)
    bomb = gzip.compress(b"1,2,3\n" * 2**20)
    assert len(bomb) < 2**15
    assert "has more than 4,194,304 bytes" in message(write(tmp_path, bomb, "t.csv.gz"))


def test_no_memory_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(files, "_decompressed", full)
    assert "does not fit into the memory" in message(write(tmp_path, TABLE))


def test_foreign_text_is_printable_and_short_in_messages(tmp_path: Path) -> None:
    """Names of files, columns and arrays, and fields, with sequences that a terminal obeys, or a million characters."""
    escape, long = "\x7f\u202e\u2028", "x" * 10**6
    texts = [
        f"{escape},b,y\n" + TABLE.replace("a,b,y\n", "").replace("0.740", "nine"),
        f"{escape},{escape},y\n1,2,3\n",
        f"{long},b,y\n" + TABLE.replace("a,b,y\n", "").replace("0.740", long),
        f"{long},{long},y\n1,2,3\n",
        f"{long},b,z\n" + "1,2,3\n" * 9,
    ]
    for name in ("t.csv", "t\n\x1b[31m\u202e.csv", "é\udcff.csv", f"{'n' * 200}.csv"):
        for text in texts:
            (tmp_path / name).write_bytes(text.encode())
            with pytest.raises(DataError) as caught:
                read(tmp_path / name)
            lines = str(caught.value).splitlines()
            assert len(lines) <= 2
            assert all(line.isprintable() and len(line) < 400 for line in lines)
