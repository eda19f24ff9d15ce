"""One gradlab at a time in a run directory: a lock of the kernel, which a process cannot leave behind when it dies."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from gradlab.errors import StoreError
from gradlab.store.atomic import explained

__all__ = ["LOCK", "InUse", "held", "locked"]

LOCK = "run.lock"
"""Name of the lock file. It is there while a run is, and says whose; a killed process leaves the file, not the lock."""

_TAKEN = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}

_held: dict[Path, int] = {}
"""The directories this process has locked, each with the thread that did."""


class InUse(StoreError):
    """A run directory that another process is working in."""


@contextmanager
def locked(directory: Path, warn: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of `directory` for the body; make the directory where it is missing.

    The thread that holds it may take it again. The lock belongs to this process alone: programs it starts do not
    inherit it. Where the file system knows no locks, `warn` is told so once and the body runs without one. A directory
    made here is removed again when the body leaves nothing in it.

    Raises:
        InUse: another process (or another thread of this one) holds it; the message says which, and since when.
        StoreError: the directory or its lock file cannot be made.
    """
    with explained("create", directory):
        made = _make(directory)
        key = directory.resolve()
    if _held.get(key) == threading.get_ident():
        yield
        return
    path = directory / LOCK
    try:
        descriptor = _open_locked(path, warn)
        if descriptor is None:
            yield
            return
        _held[key] = threading.get_ident()
        try:
            with suppress(OSError):  # without room for a line the lock is as good as ever
                _sign(descriptor)
            yield
        finally:
            del _held[key]
            _release(path, descriptor)
    finally:
        for empty in reversed(made):
            with suppress(OSError):
                empty.rmdir()


def held(directory: Path) -> bool:
    """Return whether this process holds the lock of `directory`."""
    return directory.resolve() in _held


def _make(directory: Path) -> list[Path]:
    missing = [one for one in (directory, *directory.parents) if not os.path.lexists(one)]
    directory.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _open_locked(path: Path, warn: Callable[[str], None]) -> int | None:
    """Return the descriptor that holds the lock, or None where the file system has no locks."""
    while True:
        with explained("create", path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # not inherited by programs started from here
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno in _TAKEN:
                holder = _holder(descriptor)
                os.close(descriptor)
                raise InUse(
                    f"{path.parent} is in use: {holder}",
                    "wait for it or stop it, then run the same command again; or run elsewhere with --out",
                ) from None
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
        except BaseException:
            os.close(descriptor)
            raise
        if _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)  # who held it before has removed the file in the meantime: the lock of its name is free


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _sign(descriptor: int) -> None:
    now = datetime.now(UTC)
    text = f"process {os.getpid()} on {socket.gethostname()}, since {now:%Y-%m-%d %H:%M:%S} UTC\n"
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0) if hasattr(os, "pwrite") else os.write(descriptor, text.encode())


def _holder(descriptor: int) -> str:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = os.read(descriptor, 400).decode(errors="replace").partition("\n")[0]
    except OSError:
        text = ""
    return text if text.isprintable() and text.startswith("process ") else "another process works there"


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


if os.name == "nt":  # pragma: no cover
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # beyond the text, which a second process must be able to read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
