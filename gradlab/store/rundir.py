"""A run directory: ``parts/`` holds what is done, everything else can be rebuilt from it.

Nothing here keeps a status: a bank is done when its part has been published, and only then.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.cell import Cell
from gradlab.columns import TABLES
from gradlab.errors import StoreError, printable
from gradlab.record import Record
from gradlab.store import checksums, sessions
from gradlab.store.atomic import appending, explained, is_temporary, make_folder
from gradlab.store.lock import LOCK, held, locked
from gradlab.store.manifest import MANIFEST, Manifest
from gradlab.store.records import Records, Unreadable
from gradlab.store.watched import is_watched

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunDirectory"]

DAMAGED = ".damaged"
"""Ending of a file that is not as it was written and has been set aside; a later one of that name takes its place."""

CHECKPOINT = ".ckpt"
_MARKS = ("run.json", "parts", "run.json" + DAMAGED)


class RunDirectory:
    """``results/<name>/`` of one spec. Making the object touches nothing; `create` makes the directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts = path / "parts"
        self.checkpoints = path / "checkpoints"

    def exists(self) -> bool:
        """Return whether anything lies there. Raises StoreError when that is not a run directory."""
        with explained("look into", self.path):
            if not os.path.lexists(self.path):
                return False
            if not self.path.is_dir():
                raise StoreError(
                    f"{self.path} is a file, where the run directory should be",
                    "choose another directory with --out, or another name in the spec",
                )
            entries = {entry.name for entry in self.path.iterdir()} - {LOCK}
        if entries and entries.isdisjoint(_MARKS):
            raise StoreError(
                f"{self.path} is there already and is not a run directory of gradlab (it has no run.json)",
                "choose another directory with --out, or another name in the spec",
            )
        if is_watched(self.path):
            raise StoreError(
                f"{self.path} holds measured steps of a training loop (gl.watch)",
                "choose another directory with --out, or another name in the spec",
            )
        return bool(entries)

    @contextmanager
    def lock(self, warn: Callable[[str], None] | None = None) -> Iterator[None]:
        """Keep every other gradlab out of this directory for the body, from before it is read to the last table.

        See `gradlab.store.lock.locked`; `warn` is told where the file system knows no locks. Raises StoreError when
        the place is taken, by a file, by something that is not a run directory, or by another process at work.
        """
        self.exists()
        with locked(self.path, warn or (lambda _: None)):
            try:
                yield
            finally:
                with suppress(StoreError):  # a tidy file; every line in it holds already
                    checksums.settle(self.path)

    def create(self) -> None:
        """Make the directory where it is missing; with its lock held, clear what a killed process left half written.

        Raises StoreError when the place is taken by something else or cannot be written to.
        """
        self.exists()
        with explained("create", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        make_folder(self.parts)
        if not self.checkpoints.is_symlink():  # otherwise see `mend`
            make_folder(self.checkpoints)
        if not held(self.path):  # another process may be writing them at this moment
            return
        with explained("clear", self.path):
            names = {*checksums.KNOWN, checksums.SUMS, "failures.jsonl"}
            for folder in (self.path, self.parts, self.checkpoints):
                for path in () if folder != self.path and folder.is_symlink() else folder.iterdir():
                    if is_temporary(path, names, (".parquet", CHECKPOINT)) and (path.is_symlink() or not path.is_dir()):
                        path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove what a command that was refused has written, provided that nothing was computed here.

        Only for whoever holds the lock, which removes the directory itself where it made it.
        """
        with suppress(OSError):
            if any(self.parts.iterdir()) or any(self.checkpoints.iterdir()):
                return
            for name in (*checksums.KNOWN, checksums.SUMS, "run.log"):
                (self.path / name).unlink(missing_ok=True)
            for folder in (self.parts, self.checkpoints):
                folder.rmdir()

    def mend(self) -> tuple[str, ...]:
        """Set aside the files, parts excepted, that are not as they were written; return what to say of it.

        A run writes them anew. A link in the place of ``checkpoints/`` is removed. Only for whoever holds the lock.
        """
        messages = []
        if self.checkpoints.is_symlink():
            with explained("remove", self.checkpoints):
                self.checkpoints.unlink()
                self.checkpoints.mkdir()
            messages.append("checkpoints was a link: it is removed, nothing is written outside of the run directory")
        damaged = self.changed()
        for name in damaged:
            with explained("rename", self.path / name):
                (self.path / name).replace(self.path / f"{name}{DAMAGED}")
            messages.append(f"{name} does not fit its checksum: kept as {name}{DAMAGED}, written anew")
        return tuple(messages)

    def checkpoint(self, bank: str) -> Path:
        """Return the file for the state of a bank in training. Publishing the bank removes it."""
        return self.checkpoints / f"{bank}{CHECKPOINT}"

    def drop_checkpoints(self) -> None:
        """Remove every checkpoint: of a run that is complete no bank goes on, those of other specs included."""
        with explained("clear", self.checkpoints):
            if self.checkpoints.is_symlink():
                self.checkpoints.unlink()
            elif self.checkpoints.is_dir():
                for path in self.checkpoints.iterdir():
                    if path.suffix == CHECKPOINT or is_temporary(path, (), (CHECKPOINT,)):
                        path.unlink()
                with suppress(OSError):  # files of somebody else stay
                    self.checkpoints.rmdir()

    def start_over(self) -> Path | None:
        """Set the parts aside as ``parts.old``, in the place of an older one; return it, or None without parts."""
        old_parts = self.path / "parts.old"
        with explained("set aside", self.parts):
            if not self.parts.is_dir() or not any(self.parts.iterdir()):
                return None
            if old_parts.is_dir() and not old_parts.is_symlink():
                shutil.rmtree(old_parts)
            else:
                old_parts.unlink(missing_ok=True)
            self.parts.rename(old_parts)
            self.parts.mkdir()
        return old_parts

    def done(self, *, verify: bool = False) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
        """Return which cells are done, as {cell id: bank id}, and the damaged parts as (file name, reason).

        Without `verify` only the column of the ids is read and only gross damage is seen; with it every byte is
        checked against the part's checksum.
        """
        from gradlab.store import parts

        part_of: dict[str, str] = {}
        damaged: list[tuple[str, str]] = []
        for path in self._published():
            try:
                ids = parts.read_cells(path, verify=verify)
            except parts.Damaged as damage:
                damaged.append((path.name, str(damage)))
            except StoreError:
                if path.exists():
                    raise  # otherwise a run has set it aside at this moment
            else:
                part_of |= {cell: path.stem for cell in ids if cell not in part_of}
        return part_of, tuple(damaged)

    def set_aside(self, part: str) -> Path:
        """Rename a damaged part so that its cells count as not done; return its new path."""
        path = self.parts / part
        aside = path.with_name(f"{part}{DAMAGED}")
        with explained("rename", path):
            path.replace(aside)
        return aside

    def publish(
        self, bank: str, cells: Sequence[Cell], records: Sequence[Record], provenance: Mapping[str, Any]
    ) -> Path:
        """Write one finished bank; `provenance` has what is kept of a bank (`columns.fields`), as the time of a cell.

        Raises StoreError when it cannot be written, ValueError for records that are not those of the cells.
        """
        from gradlab.store import parts

        path = self.parts / f"{bank}.parquet"
        parts.write(path, parts.to_table(cells, records, provenance))
        with suppress(OSError):  # one that stays is never read again
            self.checkpoint(bank).unlink(missing_ok=True)
        return path

    def load(
        self,
        ids: Sequence[str] | None = None,
        *,
        names: Collection[str] | None = None,
        banks: Collection[str] | None = None,
        unreadable: list[Unreadable] | None = None,
    ) -> Records:
        """Return the done cells among `ids`, in that order; without `ids` all of them, ordered by part.

        With `names` only these fields are read, with `banks` only these parts. Every byte is checked. Parts that are
        damaged, or whose settings this version does not know, are left out and put into `unreadable`. Raises
        StoreError for one where that list is not given.
        """
        from gradlab.store.loading import load

        paths = [path for path in self._published() if banks is None or path.stem in banks]
        records, problems = load(paths, ids, names)
        if problems and unreadable is None:
            raise StoreError(f"{self.path}/{problems[0]}", problems[0].hint)
        if unreadable is not None:
            unreadable += problems
        return records

    def banks(self) -> tuple[str, ...]:
        """Return the banks that have been published, in order."""
        return tuple(path.stem for path in self._published())

    def digests(self) -> dict[str, str]:
        """Return the checksum that the part of each bank carries; the empty text for one without."""
        from gradlab.store import parts

        digests: dict[str, str] = {}
        for path in self._published():
            try:
                digests[path.stem] = parts.digest(path)
            except parts.Damaged:
                digests[path.stem] = ""
        return digests

    def write_tables(self, frames: Mapping[str, pd.DataFrame]) -> dict[str, Path]:
        """Replace the tables of these names (see `csvfile.put_csv`) and what they were made from at one go.

        Return their paths by name. A table that is not among `frames` is removed.
        """
        from gradlab.store.csvfile import put_csv

        paths = {name: self.path / f"{name}.csv" for name in frames}
        spec = self.read_bytes("spec.yaml")
        made_from = self.digests()
        tables: dict[str, str] = {}
        with checksums.recording([*paths.values(), self.path / MANIFEST]) as (*files, last):
            for (name, frame), file in zip(frames.items(), files, strict=True):
                with explained("write", paths[name]):
                    put_csv(file, frame)
                    file.seek(0)
                    tables[name] = checksums.digest_of(file)
            last.write(Manifest(made_from, sha256(spec).hexdigest() if spec else "", tables).encode())
        for name in TABLES:
            if name not in frames:
                checksums.remove(self.path / f"{name}.csv")
        return paths

    def write_text(self, name: str, text: str) -> None:
        """Replace the file `name` atomically, if it is to hold another text."""
        data = text.encode()
        if self.read_bytes(name) != data:
            with checksums.recording([self.path / name]) as (file,):
                file.write(data)

    def read_bytes(self, name: str) -> bytes | None:
        """Return the content of a file that gradlab wrote here; None when it is missing or has changed.

        Raises StoreError when it cannot be read.
        """
        return checksums.read_unchanged(self.path / name)

    def manifest(self) -> Manifest | None:
        """Return what the tables were made from; None where that is missing, has changed or is of another format."""
        data = self.read_bytes(MANIFEST)
        return None if data is None else Manifest.decode(data)

    def changed(self) -> tuple[str, ...]:
        """Return the names of the files, parts excepted, that are there and are not as they were written."""
        return checksums.changed(self.path)

    def read_text(self, name: str) -> str | None:
        """Return the content as `read_bytes` does, as text."""
        data = self.read_bytes(name)
        return None if data is None else data.decode("utf-8", errors="replace")

    def log(self, text: str) -> None:
        """Append to ``run.log``, each entry with the time in UTC; its further lines are indented."""
        with appending(self.path / "run.log") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            torn = file.read(1) not in (b"", b"\n")  # a process was killed, or the disk full, in the middle of a line
            lines = "\n  ".join(map(printable, text.rstrip().splitlines()))
            file.write(b"\n" * torn + f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}Z {lines}\n".encode())

    def log_since(self, position: int, limit: int = 1 << 24) -> tuple[int, bytes]:
        """Return what ``run.log`` holds from `position` on, or its last `limit` bytes, and where that begins."""
        path = self.path / "run.log"
        if not path.is_file():
            return position, b""
        with explained("read", path), path.open("rb") as file:
            start = max(position, file.seek(0, os.SEEK_END) - limit)
            file.seek(start)
            return start, file.read(limit)

    def sessions(self) -> list[dict[str, Any]]:
        """Return the sessions of ``run.json``, oldest first; none when it is missing or is not as gradlab wrote it."""
        return sessions.decode(self.read_text("run.json") or "{}")

    def write_sessions(self, name: str, entries: Sequence[Mapping[str, Any]]) -> None:
        """Replace ``run.json``, see `sessions.encode`."""
        self.write_text("run.json", sessions.encode(name, entries))

    def _published(self) -> list[Path]:
        with explained("look into", self.parts):
            try:
                return sorted(path for path in self.parts.iterdir() if path.suffix == ".parquet")
            except FileNotFoundError:
                return []
