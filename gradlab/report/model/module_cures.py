"""The rows of what was tried on a model: each change with the survival before and after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gradlab.modules.summary import Summary
from gradlab.report.model.marks import Mark, mark

__all__ = ["CureRow", "cure_rows"]

_NAMES = {"masked": "dead", "detached": "dead"}
_LN10 = math.log(10)


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
    def helps(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class CureRow:
    """A change that was tried."""

    what: str
    source: str
    code: str
    before: Mark
    after: Mark
    verdict: str
    """After it."""
    helps: bool


def cure_rows(cures: Sequence[_Cure], vanish: float, explode: float) -> tuple[CureRow, ...]:
    """Return the rows in the order given: those that help most first."""
    return tuple(
        CureRow(
            cure.what,
            cure.source,
            cure.code,
            _mark(cure.before, vanish, explode),
            _mark(cure.after, vanish, explode),
            cure.after.verdict if cure.helps else f"{cure.after.verdict}, no better",
            cure.helps,
        )
        for cure in cures
    )


def _mark(summary: Summary, vanish: float, explode: float) -> Mark:
    verdict = _NAMES.get(summary.verdict, summary.verdict)
    return mark(verdict, summary.log_survival / _LN10, vanish, explode)
