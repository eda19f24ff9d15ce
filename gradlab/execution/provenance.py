"""One session of a run as it stands in ``run.json``: where, when and with what its numbers were made."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gradlab import __version__
from gradlab.execution.base import Outcome
from gradlab.store import RunDirectory

__all__ = ["Session", "git_commit", "versions"]


class Session:
    """This run's entry in ``run.json``: there from the start, so that a killed run has left one too."""

    def __init__(
        self, directory: RunDirectory, name: str, command: Sequence[str], device: str, *, cells: int, kept: bool
    ) -> None:
        """Write the entry. One that computes nothing (not `kept`) stays only where there is no other."""
        self._directory, self._name, self._kept = directory, name, kept
        self._versions = versions()
        self._entry: dict[str, Any] = {
            "command": list(command),
            "started": _now(),
            "finished": None,
            "versions": self._versions,
            "git_commit": git_commit(Path.cwd()),
            "device": device,
            "threads": os.environ.get("OMP_NUM_THREADS", "1 per worker"),
            "cells": cells,
        }
        self._write()

    def publish(self, outcome: Outcome) -> None:
        """Publish a bank that was worked, with what its cells need to know of this session."""
        worked = outcome.worked
        if worked is None:
            raise ValueError(f"bank {outcome.bank.id} has failed: there is nothing to publish")
        shared = {
            "wall_s": outcome.wall_s / len(outcome.bank.cells),
            "device": worked.device,
            "gradlab": self._versions["gradlab"],
            "torch": worked.torch,
        }
        self._entry["device"] = worked.device.partition(":")[0]
        self._directory.publish(outcome.bank.id, outcome.bank.cells, worked.records, shared)

    def end(self, **counts: int | bool) -> None:
        """Complete the entry with the time and with what came of it."""
        self._entry |= {"finished": _now(), **counts}
        self._write()

    def _write(self) -> None:
        others = [one for one in self._directory.sessions() if one.get("started") != self._entry["started"]]
        if self._kept or not others:
            self._directory.write_sessions(self._name, [*others, self._entry])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def versions() -> dict[str, str]:
    """Return the versions of gradlab, Python, the libraries behind the numbers, and the operating system."""
    found = {"gradlab": __version__, "python": platform.python_version()}
    for name in ("numpy", "torch", "pandas", "pyarrow", "scikit-learn"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # a report can be made where nothing is trained
            continue
    return found | {"os": platform.platform()}


def git_commit(directory: Path) -> str | None:
    """Return the commit of the work tree around `directory`, with ``+changes`` if it is not clean; None without one."""
    git = shutil.which("git")
    if git is None:
        return None

    def ask(*arguments: str) -> str | None:
        try:
            answer = subprocess.run(
                [git, "-C", str(directory), *arguments], capture_output=True, text=True, timeout=5, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return answer.stdout.strip() if answer.returncode == 0 else None

    commit = ask("rev-parse", "HEAD")
    if commit is None:
        return None
    return commit + ("+changes" if ask("status", "--porcelain", "--untracked-files=no") else "")
