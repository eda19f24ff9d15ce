"""The comparison of measured models, for a terminal or a pipe."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

from gradlab.report.formatting import count, log_text, number_text
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.marks import mark, sign_names, verdict_of
from gradlab.report.model.module_comparison import CHANGE, AlignedBlock, ComparedModel, aligned, changes
from gradlab.report.model.module_report import ModuleReport
from gradlab.report.model.module_table import MOST, block_mark
from gradlab.report.model.watched_training import evenly_spaced
from gradlab.report.terminal.entries import legend_text, mark_entry, wrapped
from gradlab.report.terminal.table import Column, Entry, fold, folded_label

__all__ = ["module_comparison_report"]

_LN10 = math.log(10)
_NONE = Entry("none   ")
_LABEL = 16
"""Columns that the label of a model takes at most above its numbers."""


def module_comparison_report(models: Sequence[ComparedModel], glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the lines: what differs, the models where they have names, then the survival at each block."""
    names = [model.report.name for model in models]
    change = tuple(model.label for model in models) == CHANGE
    if change:
        title = f"{names[0]} before and after" if names[0] == names[1] else f"{names[0]}, then {names[1]}"
    else:
        title = f"{count(len(models), 'measured model')}: {', '.join(dict.fromkeys(names))}"
    lines = wrapped(title, width, "bold")
    sentences = [f"  {glyphs.plain(text)}" for text in changes(models)]
    lines += [line for text in sentences for line in wrapped(text, width, indent="    ")]
    if not change:
        lines += [Text(), *_models(models, glyphs, width)]
    blocks = aligned(models)
    return [*lines, Text(), Text("Survival at each block (log10)", "bold"), *_blocks(models, blocks, glyphs, width)]


def _models(models: Sequence[ComparedModel], glyphs: Glyphs, width: int | None) -> list[Text]:
    labels = [Column("", tuple(Entry(model.label) for model in models), right=False)]
    summaries = [model.report.summary for model in models]
    steps: list[Column] = []
    starts: list[Column] = []
    if any(model.step is not None for model in models):
        texts = ("probe" if model.step is None else f"{model.step:,}" for model in models)
        first = tuple(Entry("") if model.start is None else _whole(model.start, glyphs) for model in models)
        steps, starts = [Column("at step", tuple(map(Entry, texts)))], [Column("first step   ", first)]
    columns = [
        *steps,
        Column("verdict", tuple(Entry(summary.verdict) for summary in summaries), right=False),
        Column("survival   ", tuple(_whole(model.report, glyphs) for model in models)),
        *starts,
        Column("factor a block", tuple(_number(math.exp(min(summary.log_decay, 700))) for summary in summaries)),
        Column("loss", tuple(_number(model.report.loss) for model in models)),
        Column("blocks", tuple(Entry(f"{len(model.report.blocks):,}") for model in models)),
    ]
    return fold(labels, columns, width, glyphs)


def _blocks(
    models: Sequence[ComparedModel], blocks: Sequence[AlignedBlock], glyphs: Glyphs, width: int | None
) -> list[Text]:
    total = len(blocks)
    blocks = [blocks[place] for place in evenly_spaced(total, total if width is None else MOST)]
    columns, signs = [], set()
    for place, model in enumerate(models):
        rows = [block.rows[place] for block in blocks]
        marks = [None if row is None else block_mark(row, model.report.vanish, model.report.explode) for row in rows]
        entries = tuple(mark_entry(mark, glyphs) if mark is not None and mark.text else _NONE for mark in marks)
        columns.append(Column(f"{folded_label(model.label, _LABEL)}   ", entries))
        signs |= {mark.sign for mark in marks if mark is not None}
    for place, model in enumerate(models[1:], start=1):
        several = len(models) > 2
        ratios = tuple(Entry(log_text(block.log10_ratio(place))) for block in blocks)
        title = folded_label(model.label, _LABEL) if several else "change"
        columns.append(Column(title, ratios, group=f"change against {models[0].label}" if several else ""))
    labels = [Column("block", tuple(Entry(block.name) for block in blocks), right=False)]
    lines = fold(labels, columns, width, glyphs)
    if len(blocks) < total:
        note = f"{len(blocks)} of {total:,} blocks are shown; all are with --csv and with --json"
        lines += wrapped(note, width, "dim")
    limits = {(model.report.vanish, model.report.explode) for model in models}
    vanish, explode = limits.pop() if len(limits) == 1 else (None, None)
    if legend := [entry for entry in sign_names(vanish, explode, {"dead", "nonfinite"}) if entry[0] in signs]:
        lines += wrapped(legend_text(legend, glyphs), width, "dim")
    return lines


def _whole(report: ModuleReport, glyphs: Glyphs) -> Entry:
    """Return the survival of a whole model as a field."""
    log10_survival, thresholds = report.summary.log_survival / _LN10, (report.vanish, report.explode)
    zero = math.isnan(log10_survival) and report.summary.verdict in ("dead", "masked", "detached")
    if zero or log10_survival == -math.inf:
        return mark_entry(mark("dead", math.nan, *thresholds), glyphs)
    return mark_entry(mark(verdict_of(log10_survival, *thresholds), log10_survival, *thresholds), glyphs)


def _number(value: float | None) -> Entry:
    return Entry("" if value is None or math.isnan(value) else number_text(value))
