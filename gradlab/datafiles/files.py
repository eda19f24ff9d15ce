"""The bytes of a data file, decompressed. Whatever goes wrong in reading is a `DataError` that names the file."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gradlab.errors import DataError, GradlabError, shorten

__all__ = ["LARGEST", "content", "guarded", "kind_of", "require_unchanged", "shown_name", "suffixes"]

LARGEST = 2**32
"""Most bytes of a file after decompression: an archive of a few kilobytes can hold more than any memory."""
_PIECE = 2**20

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Opening a named pipe does not wait for its other end."""

_ARCHIVES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".zip": "zip"}
_MAGIC = (
    (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"PAR1", "Parquet"), (b"ARROW1", "Arrow"),
    (b"\x89HDF", "HDF5"), (b"\x93NUMPY", "NumPy"), (b"\x89PNG", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"%PDF", "PDF"),
    (b"SQLite format 3", "SQLite"), (b"\xd0\xcf\x11\xe0", "Excel"), (b"\x7fELF", "program"),
    (b"version https://git-lfs", "Git LFS pointer"),
)  # fmt: skip
_ENDINGS = {kind: ending for ending, kind in _ARCHIVES.items()} | {"Parquet": ".parquet"}


@contextmanager
def guarded(name: str) -> Iterator[None]:
    """Turn any exception of the body, which reads the file `name`, into a `DataError`."""
    try:
        yield
    except GradlabError:
        raise
    except MemoryError:
        raise DataError(f"{name} does not fit into the memory") from None
    except EOFError as error:
        raise _early(name) from error
    except PermissionError as error:
        raise DataError(f"{name} cannot be read: permission denied", "change its permissions, or copy it") from error
    except (lzma.LZMAError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise DataError(f"{name} is damaged: {_one_line(error)}", "fetch or make the file again") from error
    except OSError as error:
        if "truncated" in str(error).lower():  # what pyarrow says of zstd
            raise _early(name) from error
        raise DataError(f"{name} cannot be read: {error.strerror or _one_line(error)}") from error
    except Exception as error:  # of any parser: what it chokes on is the file
        raise DataError(f"{name} cannot be read: {_one_line(error)}") from error


def _early(name: str) -> DataError:
    return DataError(f"{name} ends too early: it is damaged, or its download broke off", "fetch or make the file again")


def _one_line(error: Exception) -> str:
    text = next(iter(str(error).strip().splitlines()), "")
    return shorten(f"{type(error).__name__}: {text}" if text else type(error).__name__, 160)


def shown_name(path: Path) -> str:
    """Return the name of a file for a message: on one line, without characters that a terminal would obey."""
    return shorten(path.name, 120)


def suffixes(path: Path) -> tuple[str, ...]:
    """Return the endings of a file's name in lower case, without those of archives."""
    return tuple(suffix for suffix in map(str.lower, path.suffixes) if suffix not in _ARCHIVES)


def kind_of(data: bytes) -> str:
    """Return what kind of file begins like this; empty for none that is known."""
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), "")


def content(path: Path, *, zipped: bool = False) -> bytes:
    """Return the bytes of a file, decompressed as its name says; `zipped`: its format is itself a zip archive.

    Raises:
        DataError: there is no such file, it is a directory or a device, may not be read, is damaged or too large, or
            is not compressed as its name says.
    """
    name = shown_name(path)
    with guarded(name):
        try:
            descriptor = os.open(path, _FLAGS)
        except FileNotFoundError:
            raise DataError(f"there is no data file {shorten(str(path), 200)}") from None
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            os.close(descriptor)
            raise DataError(
                f"{shorten(str(path), 200)} is a {'directory' if stat.S_ISDIR(mode) else 'device'}, not a data file"
            )
        with os.fdopen(descriptor, "rb") as file:
            return _decompressed(path, file, zipped=zipped)


def require_unchanged(path: Path, digest: str) -> None:
    """Raise DataError where a file has not the SHA-256 any more that its cells are named by."""
    with guarded(shown_name(path)), path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            hint = "run the command again: with other data they are other cells"
            raise DataError(f"{shown_name(path)} has changed since the run was planned", hint)


def _decompressed(path: Path, file: IO[bytes], *, zipped: bool) -> bytes:
    name = shown_name(path)
    expected = _ARCHIVES.get(path.suffix.lower(), "")
    start = file.read(32)
    file.seek(0)
    actual = kind_of(start)
    if not start:
        raise DataError(f"{name} is empty")
    if expected and actual != expected:
        looks = f"it looks like {actual}" if actual else "it is not compressed like that"
        plain = shown_name(path.with_suffix(_ENDINGS.get(actual, "")))
        raise DataError(f"{name} is no {expected} file, as its name says: {looks}", f"rename it, to {plain} perhaps")
    if not expected and actual in _ARCHIVES.values() and not (zipped and actual == "zip"):
        if actual == "zip":
            raise DataError(f"{name} is a zip archive or a workbook", "save the table in it as a CSV file")
        raise DataError(f"{name} is compressed by {actual}", f"rename it to {name}{_ENDINGS[actual]}")
    openers: dict[str, Callable[[IO[bytes]], Any]] = {
        "": _same, "gzip": lambda file: gzip.GzipFile(fileobj=file), "bzip2": bz2.BZ2File, "xz": lzma.LZMAFile,
        "zstd": _zstd, "zip": lambda file: _member(name, file),
    }  # fmt: skip
    pieces, total = [], 0
    with openers[expected](file) as stream:
        while piece := stream.read(_PIECE):
            pieces.append(piece)
            total += len(piece)
            if total > LARGEST:
                raise DataError(
                    f"{name} has more than {LARGEST:,} bytes", "take a part of it, or convert it to Parquet"
                )
    if not total:
        raise DataError(f"{name} is empty")
    return b"".join(pieces)


def _same(file: IO[bytes]) -> IO[bytes]:
    return file


def _zstd(file: IO[bytes]) -> Any:
    import pyarrow

    return pyarrow.input_stream(file, compression="zstd")


def _member(name: str, file: IO[bytes]) -> Any:
    archive = zipfile.ZipFile(file)
    members = [
        info for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith("__MACOSX/") and Path(info.filename).name != ".DS_Store"
    ]  # fmt: skip
    if len(members) != 1:
        listed = ", ".join(shorten(info.filename, 30) for info in members[:4])
        raise DataError(f"{name} holds {len(members)} files{f': {listed}' * bool(members)}", "unpack the one you mean")
    if members[0].flag_bits & 1:
        raise DataError(f"{name} is encrypted", "unpack it first")
    return archive.open(members[0])
