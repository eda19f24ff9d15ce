"""`gradlab watch`: a run seen from outside, by what it leaves in its directory."""

from __future__ import annotations

import os
import re
import socket
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any

from gradlab import grid, spec
from gradlab.analysis.compare.collect import run_directories
from gradlab.cell import cell_id
from gradlab.cli.common import console
from gradlab.cli.progress import Progressing
from gradlab.errors import SpecError, UsageError
from gradlab.execution.progress import Progress
from gradlab.report.words import count, duration
from gradlab.results.profile import summarise
from gradlab.store import RunDirectory, lock, parts

__all__ = ["Follower", "Seen", "watch"]

_HOLDER = re.compile(r"process (\d+) on (\S+), since ")
_FAILED = re.compile(r"([-\d]+ [:.\d]+)Z (bank [0-9a-f]+ failed in .*)")
_GRACE = 3
"""Looks at a directory that nobody works in, though its run has not ended, until that is believed."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a run directory has shown."""

    progress: Progress
    working: bool
    """Whether a process holds the directory."""
    session: dict[str, Any] | None
    """The last entry of ``run.json``."""
    failures: tuple[str, ...]
    """Lines of ``run.log`` about failed banks that are new since the last look."""

    @property
    def ended(self) -> bool:
        """Whether the last session has come to its end."""
        return self.session is not None and self.session.get("finished") is not None and not self.working


class Follower:
    """Looks at a run directory again and again; a published part is read once."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory
        self._known: set[str] = set()
        self._done: dict[str, float] = {}
        """When each cell was published."""
        self._verdicts: Counter[str] = Counter()
        self._diverged = 0
        self._log_read = 0
        self._wanted: tuple[float, frozenset[str]] | None = None

    def look(self) -> Seen:
        """Return how it stands now."""
        self._read_parts()
        sessions = self._directory.sessions()
        session = sessions[-1] if sessions else None
        begun = _seconds(session.get("started")) if session else None
        wanted = self._wanted_cells()
        done = {cell: at for cell, at in self._done.items() if not wanted or cell in wanted}
        total = len(wanted) or int((session or {}).get("cells") or 0)
        elapsed = max(time.time() - begun, 0.0) if begun else 0.0
        fresh = sum(at >= begun for at in done.values()) if begun else 0
        left = max(total - len(done), 0)
        progress = Progress(
            cells=len(done),
            total=total,
            elapsed_s=elapsed * len(done) / fresh if fresh else elapsed,  # the rate is that of this session
            remaining_s=elapsed / fresh * left if fresh else inf if left else 0.0,
            failed=int((session or {}).get("failed") or 0),
            diverged=self._diverged,
            verdicts=tuple(self._verdicts.most_common()),
        )
        return Seen(progress, _working(self._directory.path), session, self._new_failures(begun or 0.0))

    def _read_parts(self) -> None:
        for path in sorted(self._directory.parts.glob("*.parquet")):
            if path.name in self._known:
                continue
            try:
                published, table = path.stat().st_mtime, parts.read(path)
            except (parts.Damaged, OSError):  # the run will say so itself, and set it aside
                continue
            self._known.add(path.name)
            measured = parts.measured(table)
            self._done |= dict.fromkeys(measured.scalars["cell"].tolist(), published)
            self._verdicts.update(summarise(measured).verdict[measured.first_row].tolist())
            self._diverged += int((measured.scalars["status"] == "diverged").sum())

    def _wanted_cells(self) -> frozenset[str]:
        """Return the ids of the cells of the spec; none where it is not there yet, or was run with other seeds."""
        path = self._directory.path / "spec.yaml"
        written = path.stat().st_mtime if path.is_file() else None
        if written is None:
            return frozenset()
        if self._wanted is None or self._wanted[0] != written:
            try:
                found = spec.load(path)
                self._wanted = written, frozenset(map(cell_id, grid.expand(found, found.size).cells))
            except SpecError:
                self._wanted = written, frozenset()
        wanted = self._wanted[1]
        return wanted if not self._done or not wanted.isdisjoint(self._done) else frozenset()

    def _new_failures(self, since: float) -> tuple[str, ...]:
        path = self._directory.path / "run.log"
        if not path.is_file():
            return ()
        with path.open("rb") as file:
            file.seek(self._log_read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._log_read += len(whole)
        found = []
        for line in whole.decode(errors="replace").splitlines():
            match = _FAILED.fullmatch(line)
            if match and (_seconds(match[1] + "+00:00") or 0.0) >= since:
                found.append(match[2])
        return tuple(found)


def _working(directory: Path) -> bool:
    """Return whether the process that signed the lock file is alive; one on another machine is taken to be."""
    signature = lock.signature(directory)
    if signature is None:
        return False
    match = _HOLDER.match(signature)
    if match is None or match[2] != socket.gethostname() or os.name == "nt":
        return True  # on Windows the file is there as long as its owner is, and signal 0 is not harmless
    try:
        os.kill(int(match[1]), 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there and belongs to somebody else
        return True
    return True


def _seconds(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def watch(path: Path, *, every: float) -> int:
    """Follow the run at `path` until it has ended; return 0 when all of it is done, otherwise 1.

    Raises UsageError for what is not one run directory.
    """
    directories = run_directories([path])
    if len(directories) > 1:
        names = ", ".join(one.name for one in directories[:5])
        raise UsageError(f"{path} holds {len(directories)} runs", f"watch one of them: {names}")
    follower = Follower(RunDirectory(directories[0]))
    target = console()
    idle = 0
    with Progressing(target, quiet=False, verbose=False) as shown:
        seen = follower.look()
        shown.say(f"{directories[0]}: " + _words(seen.progress))
        while True:
            for line in seen.failures:
                shown.say(line)
            if seen.ended:
                break
            idle = 0 if seen.working else idle + 1
            if idle > _GRACE:
                break
            if seen.working:
                shown.advance(seen.progress, None)
            time.sleep(every)
            seen = follower.look()
    target.print(_last(seen), soft_wrap=True)
    complete = seen.progress.cells >= seen.progress.total and not seen.progress.failed
    return 0 if complete else 1


def _words(progress: Progress) -> str:
    words = [f"{progress.cells:,} of {count(progress.total, 'cell')} done"]
    words += [f"{number:,} {name}" for name, number in progress.verdicts]
    words += [f"{progress.diverged:,} diverged"] if progress.diverged else []
    words += [f"{progress.failed:,} failed"] if progress.failed else []
    return ", ".join(words)


def _last(seen: Seen) -> str:
    words = _words(seen.progress)
    session = seen.session or {}
    begun, ended = _seconds(session.get("started")), _seconds(session.get("finished"))
    if not seen.ended or begun is None or ended is None:
        return f"nobody works there: {words}; the command that began it goes on from there"
    how = "interrupted" if session.get("interrupted") else "ended"
    return f"{how} after {duration(ended - begun)}: {words}"
