"""Files that are there completely or not at all, and file-system errors in plain words."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from gradlab.errors import StoreError

__all__ = [
    "TEMPORARY",
    "appending",
    "explained",
    "is_temporary",
    "make_folder",
    "replacing",
    "replacing_all",
    "temporary",
    "write_bytes",
]

TEMPORARY = ".tmp"
"""Ending of a file that is being written; one that is left over comes from a process that was killed."""

_FLAGS = ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOINHERIT", "O_BINARY")
"""Where the system knows them. Without waiting, a pipe in the place of a file stops nothing."""

_REASONS = {
    errno.ENOSPC: ("no space left on the device", "make room, then run the same command again: nothing done is lost"),
    errno.EDQUOT: ("your disk quota is used up", "make room, then run the same command again: nothing done is lost"),
    errno.EACCES: ("permission denied", "choose another directory with --out"),
    errno.EPERM: ("permission denied", "choose another directory with --out"),
    errno.EROFS: ("the file system is read-only", "choose another directory with --out"),
    errno.ENOTDIR: ("a part of that path is a file, not a directory", "choose another directory with --out"),
    errno.EEXIST: ("there is a file of that name, where a directory should be", "choose another directory with --out"),
    errno.EISDIR: ("there is a directory of that name", "move it away, or choose another directory with --out"),
    errno.ENOENT: (
        "it is not there, or not any more",
        "if something moved or deleted it while gradlab was at work, run the same command again",
    ),
    errno.ELOOP: (
        "it is a symbolic link: gradlab writes only into the run directory itself",
        "remove the link, or choose another directory with --out",
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
    temporaries = [temporary(path) for path in paths]
    with explained("write", paths[0] if len(paths) == 1 else folder):
        try:
            with ExitStack() as stack:
                files: list[BinaryIO] = [stack.enter_context(temporary.open("x+b")) for temporary in temporaries]
                yield tuple(files)
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
                    file.seek(0)
                if before is not None:
                    before(files)
            for finished, path in zip(temporaries, paths, strict=True):
                with explained("write", path):
                    finished.replace(path)
        except BaseException:
            for unfinished in temporaries:
                unfinished.unlink(missing_ok=True)
            raise
        _sync_directory(folder)


def temporary(path: Path) -> Path:
    """Return a name for what is to take the place of `path`, which no other process chooses: see `is_temporary`.

    Process ids alone are not enough: those of two containers with one disk are the same.
    """
    return path.with_name(f"{path.name}.{os.getpid()}{secrets.randbelow(10**9):09d}{TEMPORARY}")


@contextmanager
def appending(path: Path) -> Iterator[BinaryIO]:
    """Open a file to read it and to append to it. Raises StoreError where its name is a link or no file.

    One that has other names too (hard links) becomes a file of its own first: what they name stays as it is.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | sum(getattr(os, name, 0) for name in _FLAGS)
    with explained("write", path):
        descriptor = os.open(path, flags, 0o666)
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            os.close(descriptor)
            write_bytes(path, path.read_bytes())
            descriptor = os.open(path, flags, 0o666)
        if not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise StoreError(f"{path} is not a file", "remove it, or choose another directory with --out")
        with os.fdopen(descriptor, "a+b") as file:
            yield file


def make_folder(path: Path) -> None:
    """Make a directory where it is missing. Raises StoreError where it cannot be, or where its name is a link."""
    with explained("write into", path):
        if path.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        path.mkdir(parents=True, exist_ok=True)


def is_temporary(path: Path, names: Collection[str], endings: tuple[str, ...]) -> bool:
    """Return whether a file is the temporary of one that has one of these names, or one of these endings."""
    match = re.fullmatch(r"(.+)\.\d+" + re.escape(TEMPORARY), path.name, re.DOTALL)
    return match is not None and (match[1] in names or match[1].endswith(endings))


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
