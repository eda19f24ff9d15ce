"""The lock of a run directory: a lock of the kernel, which is released when its process dies, however it dies."""

from __future__ import annotations

import errno
import os
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import lock_descriptor

from gradlab.errors import StoreError
from gradlab.store.atomic import explained

__all__ = ["LOCK", "InUse", "held", "in_use", "locked"]

LOCK = "run.lock"
"""Name of the lock file. It exists during a run and names its process; a killed one leaves the file, not the lock."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A link is not followed, and opening a named pipe does not wait for its other end."""
_TEXT_AT = 1 if os.name == "nt" else 0
"""Offset of the text in the lock file: Windows locks the first byte, and no other process can read it."""

_TRIES, _PAUSE_S = 5, 0.02
"""How often, and after which pause, a lock that is held is tried again."""

_held: dict[Path, int] = {}
"""The directories that this process has locked, each with the thread that holds the lock."""


class InUse(StoreError):
    """A run directory that another process is working in."""


@contextmanager
def locked(directory: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of `directory` for the body; make the directory where it is missing.

    The thread that holds it may take it again. The lock belongs to this process alone: programs it starts do not
    inherit it. On a file system without locks `warn` is called once and the body runs without one. A directory made
    here is removed again if the body leaves nothing in it.

    Raises:
        InUse: another process (or another thread of this one) holds it; the message says which, and since when.
        StoreError: the directory or its lock file cannot be made.
    """
    with explained("create", directory):
        created = _make(directory)
        key = directory.resolve()
    if _held.get(key) == threading.get_ident():
        yield
        return
    path = directory / LOCK
    try:
        descriptor = _acquire(path, warn)
        if descriptor is None:
            yield
            return
        _held[key] = threading.get_ident()
        try:
            with suppress(OSError):  # on a full disk the lock holds without the text
                _sign(descriptor)
            yield
        finally:
            del _held[key]
            _release(path, descriptor)
    finally:
        for empty in reversed(created):
            with suppress(OSError):
                empty.rmdir()


def held(directory: Path) -> bool:
    """Return whether this process holds the lock of `directory`."""
    return directory.resolve() in _held


def in_use(directory: Path) -> bool:
    """Return whether a process holds the lock of `directory`.

    The kernel is asked, not the process id in the file: that of a killed process may belong to another one by now.
    Where the lock cannot be asked for, the file alone means that it is held.
    """
    try:
        descriptor = os.open(directory / LOCK, _FLAGS & ~(os.O_RDWR | os.O_CREAT) | os.O_RDONLY)
    except OSError as error:
        return error.errno == errno.EACCES
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and not lock_descriptor(descriptor, blocking=False)
    except OSError:
        return True
    finally:
        os.close(descriptor)


def _make(directory: Path) -> list[Path]:
    missing = [path for path in (directory, *directory.parents) if not os.path.lexists(path)]
    directory.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _acquire(path: Path, warn: Callable[[str], None]) -> int | None:
    """Return the descriptor that holds the lock, or None where the file system has no locks."""
    refused = 0
    while True:
        descriptor = _open(path)
        try:
            acquired = lock_descriptor(descriptor, blocking=False)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in _NO_LOCKS:
                with explained("lock", path):
                    raise
            with suppress(OSError):
                path.unlink()
            warn(
                f"{path.parent} lies on a file system without locks ({os.strerror(error.errno or 0).lower()}): "
                "see to it yourself that no other gradlab runs into it"
            )
            return None
        if acquired and _is_still(path, descriptor):
            return descriptor
        holder = _holder(descriptor)
        os.close(descriptor)
        if not acquired:
            refused += 1
            if refused < _TRIES:  # who only asks whether it is held has it for an instant
                time.sleep(_PAUSE_S)
                continue
            raise InUse(
                f"{path.parent} is in use: {holder or 'another process works there'}",
                "wait for it or stop it, then run the same command again; or run elsewhere with --out",
            )
        # the last holder has removed the file in the meantime: try again with a new one


def _open(path: Path) -> int:
    with explained("create", path):
        descriptor = os.open(path, _FLAGS, 0o666)  # not inherited by programs started from here
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        problem = "has other names too (hard links)" if stat.S_ISREG(status.st_mode) else "is not a file"
        raise StoreError(f"{path} {problem}", "remove it, or choose another directory with --out")
    return descriptor


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except OSError:
        return False


def _sign(descriptor: int) -> None:
    now = datetime.now(UTC)
    line = f"process {os.getpid()} on {socket.gethostname()}, since {now:%Y-%m-%d %H:%M:%S} UTC\n"
    text = b"\n" * _TEXT_AT + line.encode()
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0) if hasattr(os, "pwrite") else os.write(descriptor, text)


def _holder(descriptor: int) -> str:
    """Return the text that the holder of the lock has written, empty if there is none."""
    try:
        os.lseek(descriptor, _TEXT_AT, os.SEEK_SET)
        text = os.read(descriptor, 400).decode(errors="replace").partition("\n")[0]
    except OSError:
        text = ""
    return text if text.isprintable() and text.startswith("process ") else ""


def _release(path: Path, descriptor: int) -> None:
    if os.name == "nt":  # an open file cannot be removed there
        os.close(descriptor)
        with suppress(OSError):
            path.unlink()
        return
    with suppress(OSError):
        if _is_still(path, descriptor):
            path.unlink()
    os.close(descriptor)
