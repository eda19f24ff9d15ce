"""The provenance of the numbers of a run, as ``run.json`` keeps it: when, where and with which versions."""

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

__all__ = ["Provenance", "git_commit", "versions"]


class Provenance:
    """The entry of this run in ``run.json``, written at the start, so that a killed run has one too."""

    def __init__(
        self, directory: RunDirectory, name: str, command: Sequence[str], device: str, *, cells: int, kept: bool
    ) -> None:
        """Write the entry. That of a run without anything to compute (not `kept`) is written only as the first."""
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
        """Publish the result of a bank with the provenance of its cells. Raises ValueError for a failed bank."""
        result = outcome.result
        if result is None:
            raise ValueError(f"bank {outcome.bank.id} has failed: there is nothing to publish")
        shared = {
            "wall_s": outcome.wall_s / len(outcome.bank.cells),
            "device": result.device,
            "gradlab": self._versions["gradlab"],
            "torch": result.torch,
        }
        self._entry["device"] = result.device.partition(":")[0]
        self._directory.publish(outcome.bank.id, outcome.bank.cells, result.records, shared)

    def end(self, **counts: int | bool) -> None:
        """Complete the entry with the time of the end and with `counts`."""
        self._entry |= {"finished": _now(), **counts}
        self._write()

    def _write(self) -> None:
        started = self._entry["started"]
        earlier = [entry for entry in self._directory.sessions() if entry.get("started") != started]
        if self._kept or not earlier:
            self._directory.write_sessions(self._name, [*earlier, self._entry])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def versions() -> dict[str, str]:
    """Return the versions of gradlab, Python, the libraries behind the numbers, and the operating system."""
    installed = {"gradlab": __version__, "python": platform.python_version()}
    for name in ("numpy", "torch", "pandas", "pyarrow"):
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # a report can be made where nothing is trained
            continue
    return installed | {"os": platform.platform()}


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
