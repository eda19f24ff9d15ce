"""A watched training seen from outside, by what it leaves in its directory."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradlab.api.measured import training_of
from gradlab.api.options import WatchOptions
from gradlab.api.watch import GRACE
from gradlab.report.model.watched_training import WatchedTraining
from gradlab.store.watched import WatchedDirectory

__all__ = ["STEPS_AT_FIRST", "TrainingFollower", "TrainingState", "watch_training"]

STEPS_AT_FIRST = 10
"""Steps of a training that has begun before which are shown."""


@dataclass(frozen=True, slots=True)
class TrainingState:
    """The state of a watched training at one moment. `training` has the blocks of the new steps alone."""

    training: WatchedTraining
    new: tuple[dict[str, Any], ...]
    """Rows of the steps that have not been shown yet."""


class TrainingFollower:
    """Looks at a directory again and again; the rows of the blocks are read once."""

    def __init__(self, path: Path) -> None:
        self._directory = WatchedDirectory(path)
        self._place = 0
        self._blocks: list[dict[str, Any]] = []
        self._shown = -1
        self._waiting = -1

    def look(self) -> TrainingState:
        """Return how it stands now. Raises StoreError where the directory cannot be read."""
        working, document = self._directory.working, self._directory.document()
        steps = self._directory.steps()
        if not self._place and len(steps) > STEPS_AT_FIRST:
            self._shown = int(steps[-STEPS_AT_FIRST - 1]["step"])
        fresh, self._place = self._directory.blocks_since(self._place, lambda step: step > self._shown)
        self._blocks += fresh
        over = document.get("ended") is not None or not (working or document.get("locks") is False)
        new = tuple(step for step in steps if step["step"] > self._shown and (over or not self._waits(step, steps)))
        if new:
            self._shown = int(new[-1]["step"])
        training = training_of(self._directory.path, document, steps, self._blocks, working=working)
        self._blocks = [row for row in self._blocks if row["step"] > self._shown]
        return TrainingState(training, new)

    def _waits(self, step: dict[str, Any], steps: Sequence[dict[str, Any]]) -> bool:
        """Return whether the loss of a step may still come: it may be noted after the update. A step waits once."""
        if step is not steps[-1] or not math.isnan(step["loss"]) or self._waiting == step["step"]:
            return False
        self._waiting = int(step["step"])
        return True


def watch_training(path: Path, options: WatchOptions) -> Iterator[TrainingState]:
    """Yield the state of a watched training at once and every `options.every` seconds, until it has ended, or its
    process is gone."""
    follower = TrainingFollower(path)
    idle = 0
    while True:
        state = follower.look()
        yield state
        idle = 0 if state.training.working or not state.training.locks else idle + 1
        if state.training.ended is not None or idle > GRACE:
            return
        time.sleep(options.every)
