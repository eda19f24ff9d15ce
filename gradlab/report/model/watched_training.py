"""A watched training as every report shows it: its steps, the blocks at one of them, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from gradlab.errors import StoreError
from gradlab.modules.summary import summary_of
from gradlab.report.formatting import duration
from gradlab.report.model.marks import Mark, mark, verdict_of
from gradlab.report.model.module_comparison import ComparedModel
from gradlab.report.model.module_report import ModuleReport
from gradlab.report.model.watch_rows import places_without_gradient

__all__ = ["STEPS_DRAWN", "STEPS_LISTED", "WatchedTraining", "evenly_spaced", "shown_steps"]

_LN10 = math.log(10)
STEPS_LISTED, STEPS_DRAWN = 12, 24
"""Steps with a profile in the terminal's table, and with a line in the picture; of more, some evenly spaced."""
_THRESHOLDS = 1e-3, 1e3
"""Those of the verdicts in the directory of a watched training."""
_IN_A_SECOND_PASS = (
    "theory_factor", "act_mean", "dead", "saturated", "zero_grad", "nonfinite", "common", "token_cosine",
    "attention_entropy",
)  # fmt: skip
"""Numbers of a block that a probe has and a training loop does not."""


@dataclass(frozen=True)
class WatchedTraining:
    """The measured steps of a training loop: the rows of its two tables in their order, `blocks` of `shown_steps` at
    least."""

    name: str
    model: str
    """Class of the model."""
    steps: Sequence[Mapping[str, Any]]
    blocks: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...] = ()
    every: int | None = None
    begun: float | None = None
    ended: float | None = None
    """Seconds since 1970; None where it is not known, or not over."""
    error: str = ""
    """The class of the exception that ended it."""
    working: bool = False
    """Whether its process is at work."""
    locks: bool = field(default=True, kw_only=True)
    """Whether `working` can be told; not on a file system without locks."""
    stored: bool = field(default=False, kw_only=True)
    """Whether it was read from a directory: otherwise nothing is said about how it ended."""

    @property
    def state(self) -> str:
        """How it ended, or that it has not; empty where that is not known."""
        if not self.stored or (self.working and self.ended is None):
            return "still at work" if self.stored else ""
        if self.ended is None and not self.locks:
            return "at work or killed: a file system without locks does not tell"
        if self.ended is None:
            return "ended early: its process is gone and has not closed it"
        seconds = self.ended - self.begun if self.begun is not None else 0.0
        took = f" after {duration(seconds)}" if seconds >= 1 else ""  # the times are whole seconds
        return f"ended by {self.error}{took}" if self.error else f"ended{took}"

    @property
    def complete(self) -> bool:
        """Whether it came to its end without an error."""
        return self.ended is not None and not self.error

    @cached_property
    def _rows(self) -> dict[int, list[Mapping[str, Any]]]:
        rows: dict[int, list[Mapping[str, Any]]] = {int(step["step"]): [] for step in self.steps}
        for row in self.blocks:
            rows.setdefault(int(row["step"]), []).append(row)
        return rows

    def rows_at(self, step: int) -> Sequence[Mapping[str, Any]]:
        """Return the rows of the blocks at a step, from the data to the loss."""
        return self._rows.get(step, [])

    @staticmethod
    def mark(step: Mapping[str, Any]) -> Mark:
        """Return the mark of the survival at a step."""
        log10_survival, verdict = float(step["log10_survival"]), str(step["verdict"])
        if log10_survival == -math.inf or (math.isnan(log10_survival) and verdict in ("dead", "masked", "detached")):
            return mark("dead", math.nan, *_THRESHOLDS)
        return mark(verdict_of(log10_survival, *_THRESHOLDS), log10_survival, *_THRESHOLDS)

    def report(self, place: int = -1) -> ModuleReport:
        """Return what was measured at one of the steps, the last by default.

        Raises StoreError where no step was measured.
        """
        if not self.steps or not self.blocks:
            raise StoreError(
                f"{self.name}: no step with its blocks has been measured", "step 0 is, once its update is made"
            )
        step = self.steps[place]
        rows = _rows(self.rows_at(int(step["step"])))
        norms = np.array([[row["log10_grad_norm"] for row in rows if not math.isnan(row["log10_grad_norm"])]])
        verdict = str(step["verdict"]) or "not known"
        summary = replace(
            summary_of(norms * _LN10, (verdict,)), verdict=verdict, log_survival=float(step["log10_survival"]) * _LN10
        )
        loss = float(step["loss"])
        return ModuleReport(
            self.model, rows, (tuple(row["log10_grad_norm"] for row in rows),), summary,
            objective="the loss of the training loop", loss=None if math.isnan(loss) else loss, notes=self.notes,
            parameters=sum(int(row["parameters"]) for row in rows),
        )  # fmt: skip

    def compared(self, label: str) -> ComparedModel:
        """Return the last measured step as it stands in a comparison. Raises StoreError where there is none."""
        last = self.report()
        return ComparedModel(label, last, int(self.steps[-1]["step"]), self.report(0))


def evenly_spaced(length: int, most: int) -> list[int]:
    """Return at most so many places of a sequence, evenly spaced, the first and the last among them."""
    if length <= most:
        return list(range(length))
    return sorted({round(place * (length - 1) / (most - 1)) for place in range(most)})


def shown_steps(steps: Sequence[Mapping[str, Any]]) -> set[int]:
    """Return the steps whose blocks a report shows, the first and the last among them."""
    places = {*evenly_spaced(len(steps), STEPS_LISTED), *evenly_spaced(len(steps), STEPS_DRAWN)}
    return {int(steps[place]["step"]) for place in places}


def _rows(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return the rows of the blocks with all that those of `block_rows` have: zero is the gradient of one that is cut
    off, NaN that of one which none can reach by design."""
    left_out = places_without_gradient(
        [row["connected"] for row in rows], [not row["frozen"] and row["parameters"] > 0 for row in rows],
        [not math.isnan(row["act_rms"]) for row in rows],
    )  # fmt: skip
    complete = []
    for place, row in enumerate(rows):
        weight = float(row["weight_grad_norm"])
        log10_weight = math.log10(weight) if weight > 0 else -math.inf if weight == 0 else math.nan
        values = {
            **{key: value for key, value in row.items() if key != "step"}, **dict.fromkeys(_IN_A_SECOND_PASS, math.nan),
            "log10_weight_grad_norm": log10_weight, "dtype": "",
        }  # fmt: skip
        if not row["connected"] and place not in left_out:
            values["log10_grad_norm"] = -math.inf
        complete.append(values)
    return tuple(complete)
