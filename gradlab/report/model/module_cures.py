"""The rows of what was tried on a model: each change with the survival before training, and after its first steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gradlab.modules.summary import Summary
from gradlab.report.model.marks import Mark, mark

__all__ = ["CureRow", "cure_rows", "loss_text"]

_NAMES = {"masked": "dead", "detached": "dead"}
_LN10 = math.log(10)


class _Trained(Protocol):
    @property
    def first_loss(self) -> float: ...
    @property
    def loss(self) -> float: ...
    @property
    def summary(self) -> Summary: ...


class _Cure(Protocol):
    @property
    def what(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def before(self) -> Summary: ...
    @property
    def after(self) -> Summary: ...
    @property
    def trained_before(self) -> _Trained | None: ...
    @property
    def trained(self) -> _Trained | None: ...
    @property
    def helps(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class CureRow:
    """A change that was tried; the first row is the model as it is."""

    what: str
    source: str
    code: str
    start: Mark
    """Of the survival before training."""
    trained: Mark | None
    """Of the survival after the first steps of training; None where it was not trained."""
    first_loss: float
    loss: float
    """Before and after them; NaN where it was not trained, or is not finite."""
    verdict: str
    """With the change: whether it helps, in words."""
    helps: bool


def cure_rows(cures: Sequence[_Cure], vanish: float, explode: float) -> tuple[CureRow, ...]:
    """Return the rows in the order given, those that help most first, behind one of the model as it is."""
    if not cures:
        return ()

    def row(
        words: tuple[str, str, str], start: Summary, trained: _Trained | None, verdict: str, *, helps: bool
    ) -> CureRow:
        later = None if trained is None else _mark(trained.summary, vanish, explode)
        losses = (math.nan, math.nan) if trained is None else (trained.first_loss, trained.loss)
        return CureRow(*words, _mark(start, vanish, explode), later, *losses, verdict, helps)

    first = cures[0]
    verdict = _verdict(first.before, first.trained_before)
    rows = [row(("the model as it is", "", ""), first.before, first.trained_before, verdict, helps=False)]
    for cure in cures:
        verdict = _verdict(cure.after, cure.trained)
        words = (cure.what, cure.source, cure.code)
        rows.append(
            row(words, cure.after, cure.trained, f"{verdict}{'' if cure.helps else ', no better'}", helps=cure.helps)
        )
    return tuple(rows)


def loss_text(row: CureRow) -> str:
    """Return the loss before and after the first steps; empty where the change was not trained."""
    if row.trained is None:
        return ""
    return f"{_loss(row.first_loss)} to {_loss(row.loss)}"


def _loss(value: float) -> str:
    if math.isnan(value):
        return "not finite"
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e7 else f"{value:.3g}"


def _verdict(start: Summary, trained: _Trained | None) -> str:
    if trained is None or trained.summary.verdict == start.verdict:
        return start.verdict
    return f"{start.verdict}, then {trained.summary.verdict}"


def _mark(summary: Summary, vanish: float, explode: float) -> Mark:
    verdict = _NAMES.get(summary.verdict, summary.verdict)
    return mark(verdict, summary.log_survival / _LN10, vanish, explode)
