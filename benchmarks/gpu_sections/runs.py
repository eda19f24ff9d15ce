"""Runs of a spec through planner, scheduler and store."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from gpu_sections import Context
from gradlab.execution.base import Outcome
from gradlab.execution.progress import Progress

__all__ = ["Messages", "command"]


class Messages:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        """Keep a message."""
        self.said.append(message)

    def advance(self, progress: Progress, outcome: Outcome | None) -> None:
        """Take no notice."""

    def rest(self) -> None:
        """Take no notice."""


def command(context: Context, spec: Path, out: Path, *more: str) -> float:
    """Run `gradlab run` and return its wall time. Raises CalledProcessError where it fails."""
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "gradlab", "run", str(spec), "--out", str(out), "--device", context.device, "--quiet",
         "--no-plots", *more],
        check=True,
    )  # fmt: skip
    return time.perf_counter() - begun
