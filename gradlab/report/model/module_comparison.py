"""Two measurements of a model compared: the same blocks beside each other, and what changed between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from gradlab.report.formatting import capital, joined, power
from gradlab.report.model.module_conclusions import ModuleReport, survival_text
from gradlab.report.model.module_rows import block_rows

__all__ = ["AlignedBlock", "aligned", "changes", "values"]

_LN10 = math.log(10)


@dataclass(frozen=True, slots=True)
class AlignedBlock:
    """A block before and after a change; None where it is not there."""

    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    @property
    def log10_ratio(self) -> float:
        """log10 of the survival at this block after the change, over that before; NaN where there is none."""
        if self.before is None or self.after is None:
            return math.nan
        difference = float(self.after["log10_survival"]) - float(self.before["log10_survival"])
        return difference if math.isfinite(difference) else math.nan


def aligned(before: ModuleReport, after: ModuleReport) -> list[AlignedBlock]:
    """Return the blocks of two measurements, those of one name beside each other, in the order of the chain.

    Where all names differ but not their number, as after a change of the whole model, they are told apart by position.
    """
    rows = [block_rows(result.profiles) for result in (before, after)]
    old, new = ([str(row["name"]) for row in own] for own in rows)
    if len(old) == len(new) and set(old).isdisjoint(new):
        return [AlignedBlock(f"{a} / {b}", *pair) for a, b, *pair in zip(old, new, *rows, strict=True)]
    blocks = []
    for kind, low, high, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            pairs = zip(range(low, high), range(start, end), strict=True)
            blocks += [AlignedBlock(old[i], rows[0][i], rows[1][j]) for i, j in pairs]
        else:
            blocks += [AlignedBlock(old[i], rows[0][i], None) for i in range(low, high)]
            blocks += [AlignedBlock(new[j], None, rows[1][j]) for j in range(start, end)]
    return blocks


def changes(before: ModuleReport, after: ModuleReport) -> list[str]:
    """Return what changed, one sentence each: verdict and survival, causes that are gone or new, blocks."""
    old, new = before.summary, after.summary
    texts = [survival_text(own.log_survival, own.log_survival_interval) for own in (old, new)]
    verdict = f"still {new.verdict}" if old.verdict == new.verdict else f"{old.verdict} before, {new.verdict} after"
    survival = f"survival {texts[0]} before, {texts[1]} after{_ratio(before, after)}"
    sentences = [f"{capital(verdict)}: {survival}."]
    was, now = ({cause.what: cause for cause in own.causes} for own in (before, after))
    sentences += [f"No longer: {what}." for what in was if what not in now]
    sentences += [f"New: {what}." for what in now if what not in was]
    sentences += [f"Still: {what}." for what in now if what in was]
    blocks = aligned(before, after)
    lost = [block.name for block in blocks if block.after is None]
    added = [block.name for block in blocks if block.before is None]
    for word, names in (("Blocks only before", lost), ("Blocks only after", added)):
        if names:
            more = [f"{len(names) - 6} more"] if len(names) > 6 else []
            sentences.append(f"{word}: {joined([*names[:6], *more])}.")
    return sentences


def _ratio(before: ModuleReport, after: ModuleReport) -> str:
    difference = after.summary.log_survival - before.summary.log_survival
    return f", a factor of {power(difference / _LN10)}" if math.isfinite(difference) else ""


def values(blocks: Sequence[AlignedBlock]) -> list[dict[str, Any]]:
    """Return one row for each block, as plain values."""
    numbers = ("log10_grad_norm", "log10_survival", "factor")
    return [
        {"name": block.name, "log10_survival_ratio": block.log10_ratio}
        | {f"{name}_before": block.before[name] if block.before else math.nan for name in numbers}
        | {f"{name}_after": block.after[name] if block.after else math.nan for name in numbers}
        for block in blocks
    ]
