"""What training made of a configuration: all that was measured of it, over its seeds, as evidence for conclusions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd

from gradlab.definitions import measures
from gradlab.report.model.marks import Point
from gradlab.thresholds import LEARNED_SHARE

__all__ = ["CERTAIN", "EVIDENCE", "TrainingOutcome", "Trend", "outcomes_by"]

EVIDENCE = (
    "status", "diverged_at", "loss_last_finite", "loss_first", "loss", "train_loss_q3", "train_loss_q4",
    "train_loss_se", "displacement", "unmoved_blocks", "saturated", "clip_rate", "clip_coef_mean", "input_mean_square",
    "target_mean_square", "metric_name", "metric", "metric_lost_at", "learned", "out_features", "worst_layer", "lr",
    "train.steps",
)  # fmt: skip
"""Columns of ``cells`` that conclusions are drawn from. Those that an older version has not measured are missing."""

_Place = TypeVar("_Place", bound=Hashable)
Trend = Literal["falling", "level", "rising", "unclear", "short", "unmeasured"]
FEWEST_STEPS = 8
"""Steps whose last two quarters have an error."""
CERTAIN = 3.0
"""Standard errors from which the loss has changed between the last two quarters of training."""
_NOTICEABLE = 0.01
"""Share of the loss from which it has."""
_LEVEL = 0.05
"""Share of the loss within which it stands still, two standard errors of the change included."""
_UNSCALED = 100.0
"""Mean square from which inputs or targets are far from the unit scale that inits are made for."""
_OF_ONE_SIZE = 4.0
"""Factor within which the first loss is that of the targets alone."""
_CHANCE = 0.02
"""Share within which a cross-entropy is that of classes told by chance."""


@dataclass(frozen=True)
class TrainingOutcome:
    """The measured seeds of one configuration, as rows of ``cells`` with the columns of `EVIDENCE`."""

    seeds: tuple[Point, ...]

    @property
    def steps(self) -> int:
        """Updates asked for."""
        return int(self.seeds[0]["train.steps"])

    @cached_property
    def learned(self) -> int:
        """Seeds that learned."""
        return sum(bool(seed["learned"]) for seed in self.seeds)

    @cached_property
    def mostly_learned(self) -> bool:
        """Whether more than half of them did."""
        return self.learned > LEARNED_SHARE * len(self.seeds)

    @cached_property
    def diverged(self) -> tuple[Point, ...]:
        """Seeds that diverged."""
        return tuple(seed for seed in self.seeds if seed["status"] == "diverged")

    @cached_property
    def finished(self) -> tuple[Point, ...]:
        """Seeds that did not."""
        return tuple(seed for seed in self.seeds if seed["status"] == "ok")

    @cached_property
    def unmoved(self) -> tuple[Point, ...]:
        """Seeds in which the weights of no block changed by one bit."""
        return tuple(seed for seed in self.finished if seed["displacement"] == 0)

    @cached_property
    def metric_lost(self) -> tuple[Point, ...]:
        """Seeds that did not diverge and whose final metric measures nothing."""
        measured = [seed for seed in self.finished if isinstance(seed["metric_name"], str) and seed["metric_name"]]
        return tuple(seed for seed in measured if not measures(np.asarray(float(seed["metric"]))))

    def values(self, column: str) -> list[float]:
        """Return the values of a column in the seeds that did not diverge, missing ones left out."""
        return [float(seed[column]) for seed in self.finished if not pd.isna(seed[column])]

    def mean(self, column: str) -> float:
        """Return their mean, NaN without any."""
        values = self.values(column)
        return sum(values) / len(values) if values else float("nan")

    @cached_property
    def trend(self) -> Trend:
        """What the training loss does between the last two quarters of the steps, over the seeds that did not diverge.

        It falls or rises where the change is three standard errors and a hundredth of the loss, and is level where it
        cannot be more than a twentieth; else it is unclear. It is unmeasured in parts of an older version.
        """
        third, last, errors = (self.values(f"train_loss_{name}") for name in ("q3", "q4", "se"))
        if not errors or not len(third) == len(last) == len(errors):
            return "short" if self.steps < FEWEST_STEPS else "unmeasured"
        fall, size, error = float(np.mean(third) - np.mean(last)), abs(float(np.mean(third))), self.trend_error
        if abs(fall) > max(CERTAIN * error, _NOTICEABLE * size):
            return "falling" if fall > 0 else "rising"
        return "level" if abs(fall) + 2 * error <= _LEVEL * size else "unclear"

    @property
    def trend_error(self) -> float:
        """Standard error of the change of the mean loss between these quarters; NaN without one."""
        errors = self.values("train_loss_se")
        return float(np.sqrt(np.square(errors).sum()) / len(errors)) if errors else float("nan")

    @property
    def at_chance(self) -> bool:
        """Whether the cross-entropy at the end is that of a guess among the classes, ln C."""
        outputs, loss = self.mean("out_features"), self.mean("train_loss_q4")
        classes = bool(self.finished) and self.finished[0]["metric_name"] == "accuracy" and outputs > 1
        return classes and abs(loss / log(outputs) - 1) < _CHANCE

    @cached_property
    def unscaled(self) -> tuple[Literal["targets", "inputs"], ...]:
        """What is far from unit scale: targets whose mean square is the first loss, inputs."""
        targets, inputs, first = (
            float(np.mean([float(seed[name]) for seed in self.seeds]))
            for name in ("target_mean_square", "input_mean_square", "loss_first")
        )
        alone = targets > 0 and 1 / _OF_ONE_SIZE < first / targets < _OF_ONE_SIZE
        large_targets: tuple[Literal["targets"], ...] = ("targets",) if targets > _UNSCALED and alone else ()
        return (*large_targets, "inputs") if inputs > _UNSCALED else large_targets

    @property
    def worst_layer(self) -> int:
        """The stacked layer whose survival is furthest from 1 in most seeds, 1 the lowest; 0 without such layers."""
        layers = Counter(int(seed["worst_layer"]) for seed in self.seeds if not pd.isna(seed["worst_layer"]))
        return layers.most_common(1)[0][0] if layers else 0


def outcomes_by(cells: pd.DataFrame, places: Sequence[_Place]) -> dict[_Place, TrainingOutcome]:
    """Return the outcome at each of the `places`, one for each of the cells; failed cells are left out."""
    chosen = cells.reindex(columns=list(EVIDENCE)).astype(object)
    seeds: dict[_Place, list[dict[str, Any]]] = {}
    for place, row in zip(places, chosen.to_dict("records"), strict=True):
        if row["status"] != "failed":
            seeds.setdefault(place, []).append({str(key): _known(value) for key, value in row.items()})
    return {place: TrainingOutcome(tuple(records)) for place, records in seeds.items()}


def _known(value: Any) -> Any:
    return float("nan") if value is pd.NA or value is None else value
