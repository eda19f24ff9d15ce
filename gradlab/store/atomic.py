"""Files that are there completely or not at all, and file-system errors in plain words."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gradlab.errors import StoreError

__all__ = ["TEMPORARY", "explained", "replacing", "write_bytes"]

TEMPORARY = ".tmp"
"""Ending of a file that is being written; one that is left over comes from a process that was killed."""

_REASONS = {
    errno.ENOSPC: ("no space left on the device", "make room, then run the same command again: nothing done is lost"),
    errno.EDQUOT: ("your disk quota is used up", "make room, then run the same command again: nothing done is lost"),
    errno.EACCES: ("permission denied", "choose another directory with --out"),
    errno.EPERM: ("permission denied", "choose another directory with --out"),
    errno.EROFS: ("the file system is read-only", "choose another directory with --out"),
    errno.ENOTDIR: ("a part of that path is a file, not a directory", "choose another directory with --out"),
    errno.EEXIST: ("there is a file of that name, where a directory should be", "choose another directory with --out"),
    errno.ENAMETOOLONG: ("the path is too long for this file system", "choose a shorter --out or name"),
}


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn an OSError of the body into a StoreError that says what could not be done, and to what."""
    try:
        yield
    except OSError as error:
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), ""))
        raise StoreError(f"cannot {action} {path}: {reason}", hint) from error


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of `path` when the body has ended well, and leaves no trace otherwise.

    The new file and then its directory are synchronised to the disk, so that a name that is there after a power
    cut has its whole content.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    with explained("write", path):
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Put `data` into the place of `path` atomically."""
    with replacing(path) as file:
        file.write(data)


def _sync_directory(path: Path) -> None:
    if os.name == "nt":  # a directory cannot be opened there; the rename is journalled by the file system
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
