"""The comparison of two measurements of a model, for a terminal or a pipe."""

from __future__ import annotations

import math
from typing import Any

from rich.text import Text

from gradlab.report.glyphs import Glyphs
from gradlab.report.model.marks import Mark, mark, verdict_of
from gradlab.report.model.module_comparison import aligned, changes
from gradlab.report.model.module_conclusions import ModuleReport
from gradlab.report.terminal.entries import mark_entry, wrapped
from gradlab.report.terminal.table import Column, Entry, fold

__all__ = ["module_comparison_report"]


def module_comparison_report(
    before: ModuleReport, after: ModuleReport, glyphs: Glyphs, width: int | None
) -> list[Text]:  # fmt: skip
    """Return the lines: what changed, then the survival at each block before and after."""
    title = f"{before.name} before and after" if before.name == after.name else f"{before.name}, then {after.name}"
    lines = wrapped(title, width, "bold")
    sentences = [f"  {glyphs.plain(text)}" for text in changes(before, after)]
    lines += [line for text in sentences for line in wrapped(text, width, indent="    ")]
    blocks = aligned(before, after)
    columns = [
        Column(f"{name}   ", tuple(mark_entry(_mark(row, own), glyphs) if row else Entry("none   ") for row in rows))
        for name, own, rows in (
            ("before", before, [block.before for block in blocks]), ("after", after, [block.after for block in blocks])
        )
    ]  # fmt: skip
    ratios = [block.log10_ratio for block in blocks]
    columns.append(Column("change", tuple(Entry("" if math.isnan(ratio) else f"{ratio:+.1f}") for ratio in ratios)))
    labels = [Column("block", tuple(Entry(block.name) for block in blocks), right=False)]
    return [*lines, Text(), Text("Survival at each block (log10)", "bold"), *fold(labels, columns, width, glyphs)]


def _mark(row: dict[str, Any], result: ModuleReport) -> Mark:
    thresholds = result.options.vanish, result.options.explode
    if row["log10_grad_norm"] == -math.inf:
        return mark("dead", math.nan, *thresholds)
    log10_survival = float(row["log10_survival"])
    return mark(verdict_of(log10_survival, *thresholds), log10_survival, *thresholds)
