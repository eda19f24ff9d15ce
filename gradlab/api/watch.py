"""A run seen from outside, by what it leaves in its directory."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from gradlab.api.options import WatchOptions
from gradlab.errors import UsageError
from gradlab.execution.progress import Progress
from gradlab.results.directories import open_directories, open_runs
from gradlab.results.run import Run
from gradlab.results.survival import summarise
from gradlab.store import lock
from gradlab.store.sessions import moment

__all__ = ["GRACE", "Follower", "RunState", "followed", "watch"]

_FAILED = re.compile(r"([-\d]+ [:.\d]+)Z (bank [0-9a-f]+ failed in .*)")
GRACE = 3
"""Looks at a directory that nobody works in, though its run has not ended, until that is believed."""


@dataclass(frozen=True, slots=True)
class RunState:
    """The state of a run directory at one moment."""

    directory: Path
    progress: Progress
    working: bool
    """Whether a process holds the directory."""
    session: dict[str, Any]
    """The last entry of ``run.json``; empty without one."""
    failures: tuple[str, ...]
    """Lines of ``run.log`` about failed banks that are new since the last look."""

    @property
    def seconds(self) -> float | None:
        """How long the last session took; None if it has not ended."""
        begun, ended = moment(self.session.get("started")), moment(self.session.get("finished"))
        return ended - begun if self.ended and begun is not None and ended is not None else None

    @property
    def complete(self) -> bool:
        """Whether every cell is done and none has failed."""
        return self.progress.cells >= self.progress.total and not self.progress.failed

    @property
    def ended(self) -> bool:
        """Whether the last session has come to its end."""
        return self.session.get("finished") is not None and not self.working


class Follower:
    """Looks at a run directory again and again; a published part is read once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: set[str] = set()
        self._done: dict[str, float] = {}
        """When each cell was published."""
        self._verdicts: Counter[str] = Counter()
        self._diverged = 0
        self._log_read = 0
        self._wanted: tuple[str, frozenset[str]] = ("", frozenset())
        """The text of the spec, and the ids of its cells."""

    def look(self) -> RunState:
        """Return how it stands now."""
        run = Run(self._path)
        self._read_parts(run)
        session = run.sessions[-1] if run.sessions else {}
        begun = moment(session.get("started"))
        expected = self._wanted_cells(run)
        done = {cell: at for cell, at in self._done.items() if not expected or cell in expected}
        total = len(expected) or session.get("cells", 0)
        elapsed = max(time.time() - begun, 0.0) if begun else 0.0
        fresh = sum(at >= begun for at in done.values()) if begun else 0
        remaining = max(total - len(done), 0)
        progress = Progress(
            len(done), total,
            elapsed_s=elapsed * len(done) / fresh if fresh else elapsed,  # the rate is that of this session
            remaining_s=elapsed / fresh * remaining if fresh else inf if remaining else 0.0,
            failed=session.get("failed", 0), diverged=self._diverged,
            verdicts=tuple(self._verdicts.most_common()),
        )  # fmt: skip
        return RunState(self._path, progress, lock.in_use(self._path), session, self._new_failures(run, begun or 0.0))

    def _read_parts(self, run: Run) -> None:
        for bank, published, measured in run.published(self._known):
            self._known.add(bank)
            self._done |= dict.fromkeys(measured.scalars["cell"].tolist(), published)
            self._verdicts.update(summarise(measured).verdict[measured.first_row].tolist())
            self._diverged += int((measured.scalars["status"] == "diverged").sum())

    def _wanted_cells(self, run: Run) -> frozenset[str]:
        """Return the ids of the cells of the spec; none where it is not there yet, or was run with other seeds."""
        if self._wanted[0] != run.spec_text:
            self._wanted = run.spec_text, frozenset(run.expected_cells)
        expected = self._wanted[1]
        return expected if not self._done or not expected.isdisjoint(self._done) else frozenset()

    def _new_failures(self, run: Run, since: float) -> tuple[str, ...]:
        start, text = run.directory.log_since(self._log_read)
        complete = text[: text.rfind(b"\n") + 1]
        self._log_read = start + len(complete)
        matches = filter(None, map(_FAILED.fullmatch, complete.decode(errors="replace").splitlines()))
        return tuple(match[2] for match in matches if (moment(match[1] + "+00:00") or 0.0) >= since)


def followed(path: Path) -> tuple[Path, bool]:
    """Return the directory of the one run at a path, or of the one watched training, and whether it is the latter.

    Raises UsageError where there is none, or several.
    """
    directories = open_directories([path])
    live = [directory for directory in directories.every if isinstance(directory, Run) or directory.kind == "watched"]
    if not live:
        saved = directories.measured[0]
        raise UsageError(f"{saved.path} holds {saved.what}: nothing goes on there", f"gradlab report {saved.path}")
    if len(live) > 1:
        names = ", ".join(directory.path.name for directory in live[:5])
        raise UsageError(f"{path} holds {len(live)} runs", f"watch one of them: {names}")
    return live[0].path, not isinstance(live[0], Run)


def watch(path: Path, options: WatchOptions) -> Iterator[RunState]:
    """Yield the state of the run at `path` at once and every `options.every` seconds, until it has ended.

    The last one is that of a run that has ended, or that nobody works on. Raises UsageError for what is no run
    directory.
    """
    follower = Follower(open_runs([path])[0].path)
    idle = 0
    while True:
        state = follower.look()
        yield state
        idle = 0 if state.working else idle + 1
        if state.ended or idle > GRACE:
            return
        time.sleep(options.every)
