"""``SHA256SUMS``: what the files that gradlab rewrites in a run directory have to be, so that a changed one is noticed.

Parts carry their own checksum; spec.yaml, run.json and the tables are plain text that people and disks can change. The
file has the format of ``sha256sum``, which can check it too. While a file is being replaced it has two lines, for the
old and for the new content: a process may be killed between the two renames, and neither content is then damage.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gradlab.columns import TABLES
from gradlab.store.atomic import explained, replacing_all, write_bytes
from gradlab.store.manifest import MANIFEST

__all__ = ["KNOWN", "SUMS", "changed", "digest", "digest_of", "read_unchanged", "recording", "remove", "settle"]

SUMS = "SHA256SUMS"

KNOWN = ("spec.yaml", "run.json", MANIFEST, *(f"{table}.csv" for table in TABLES), "theory.json")
"""The files of a run directory that gradlab rewrites, parts and reminders excepted."""
_LINE = re.compile(r"([0-9a-f]{64})  ([^\0\n/]+)")

Sums = Mapping[str, tuple[str, ...]]


@contextmanager
def recording(paths: Sequence[Path]) -> Iterator[tuple[BinaryIO, ...]]:
    """Replace files of one directory as `replacing_all` does, the sums of what the body writes noted beforehand."""

    def note(files: Sequence[BinaryIO]) -> None:
        sums = _settled(paths[0].parent)
        added = {
            path.name: (*sums.get(path.name, ()), digest_of(file)) for path, file in zip(paths, files, strict=True)
        }
        _write(paths[0].parent, {**sums, **added})

    with replacing_all(paths, before=note) as files:
        yield files


def read_unchanged(path: Path) -> bytes | None:
    """Return the content of a file that `recording` wrote, or None when it is not there or any bit of it has changed.

    Directories of versions that kept no checksums are taken as they are. Raises StoreError when it cannot be read.
    """
    before = _read(path.parent)  # and once more afterwards: a run may be replacing the file at this moment
    with explained("read", path):
        if not path.is_file():
            return None
        data = path.read_bytes()
    after = _read(path.parent)
    if before is None or after is None:
        return data
    known = (*before.get(path.name, ()), *after.get(path.name, ()))
    return data if hashlib.sha256(data).hexdigest() in known else None


def changed(folder: Path) -> tuple[str, ...]:
    """Return the names of the files that are there and are not as they were written. Raises as `read_unchanged`."""
    sums = _read(folder)
    if sums is None:
        return ()
    names = dict.fromkeys((*KNOWN, *sums))
    present = [name for name in names if (folder / name).is_file()]
    return tuple(name for name in present if digest(folder / name) not in sums.get(name, ()))


def remove(path: Path) -> None:
    """Remove a file that `recording` wrote, and its sum."""
    if path.is_file():
        _write(path.parent, {name: digests for name, digests in _settled(path.parent).items() if name != path.name})
        with explained("remove", path):
            path.unlink()


def settle(folder: Path) -> None:
    """Leave one line for each file, as ``sha256sum --check`` wants it."""
    sums = _read(folder)
    if sums is not None and any(len(digests) > 1 for digests in sums.values()):
        _write(folder, _settled(folder))


def _settled(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the sums with the lines that hold; of a directory without any, those of what lies there."""
    sums = _read(folder)
    if sums is None:
        return {name: (digest(folder / name),) for name in KNOWN if (folder / name).is_file()}
    settled = {}
    for name, digests in sums.items():
        if len(digests) > 1:  # the last replacement may have been cut off before, or after, the rename
            actual = digest(folder / name) if (folder / name).is_file() else None
            digests = (actual,) if actual in digests else digests[:1]
        settled[name] = digests
    return settled


def digest(path: Path) -> str:
    """Return the SHA-256 of a file. Raises StoreError when it cannot be read."""
    with explained("read", path), path.open("rb") as file:
        return digest_of(file)


def digest_of(file: BinaryIO) -> str:
    """Return the SHA-256 of an open file from where it stands to its end."""
    sha256 = hashlib.sha256()
    for piece in iter(lambda: file.read(1 << 20), b""):
        sha256.update(piece)
    return sha256.hexdigest()


def _read(folder: Path) -> dict[str, tuple[str, ...]] | None:
    path = folder / SUMS
    with explained("read", path):
        if not path.is_file():
            return None
        text = path.read_bytes().decode("utf-8", errors="replace")
    sums: dict[str, tuple[str, ...]] = {}
    for match in filter(None, map(_LINE.fullmatch, text.split("\n"))):  # others are damage
        sums[match[2]] = (*sums.get(match[2], ()), match[1])
    return sums


def _write(folder: Path, sums: Sums) -> None:
    lines = [f"{digest}  {name}\n" for name, digests in sorted(sums.items()) for digest in dict.fromkeys(digests)]
    write_bytes(folder / SUMS, "".join(lines).encode())
