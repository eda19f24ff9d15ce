"""Files that are there completely or not at all, and file-system errors in plain words."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from gradlab.errors import StoreError

__all__ = ["TEMPORARY", "explained", "replacing", "replacing_all", "write_bytes"]

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
    errno.ELOOP: ("there is a link of that name", "remove it, or choose another directory with --out"),
    errno.EISDIR: ("there is a directory of that name", "move it away, or choose another directory with --out"),
    errno.ENOENT: (
        "it is not there, or not any more",
        "if something moved or deleted it while gradlab was at work, run the same command again",
    ),
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
    with replacing_all([path]) as (file,):
        yield file


@contextmanager
def replacing_all(
    paths: Sequence[Path], before: Callable[[Sequence[BinaryIO]], None] | None = None
) -> Iterator[tuple[BinaryIO, ...]]:
    """Do as `replacing` with several files of one directory: none takes its place before all are on the disk.

    `before` is given the finished files, each at its start, just before the first takes its place.
    """
    folder = paths[0].parent
    temporaries = [path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}") for path in paths]
    with explained("write", paths[0] if len(paths) == 1 else folder):
        try:
            with ExitStack() as stack:
                files: list[BinaryIO] = [stack.enter_context(one.open("w+b")) for one in temporaries]
                yield tuple(files)
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
                    file.seek(0)
                if before is not None:
                    before(files)
            for temporary, path in zip(temporaries, paths, strict=True):
                with explained("write", path):
                    temporary.replace(path)
        except BaseException:
            for temporary in temporaries:
                temporary.unlink(missing_ok=True)
            raise
        _sync_directory(folder)


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
