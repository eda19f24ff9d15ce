"""The report of a watched training loop: its measured steps, the blocks of the last one, what is to be known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.text import Text

from gradlab.report.formatting import count, number_text
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.watched_training import STEPS_LISTED, WatchedTraining, evenly_spaced
from gradlab.report.terminal.entries import mark_entry, wrapped
from gradlab.report.terminal.module import block_lines, sentence_lines
from gradlab.report.terminal.sparkline import spark
from gradlab.report.terminal.table import Column, Entry, fold

__all__ = ["step_lines", "watched_report"]

_SPARK = 24
Row = Mapping[str, Any]


def watched_report(training: WatchedTraining, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the lines of a report, no wider than `width`.

    Of many steps twelve are shown, evenly spaced, the last among them.
    """
    parts = [training.name, training.model, f"{count(len(training.steps), 'step')} measured"]
    parts += [f"every {training.every:,} steps"] if training.every is not None and training.every > 1 else []
    parts += [training.state] if training.state else []
    lines = wrapped(f" {glyphs.dot} ".join(filter(None, parts)), width, "bold")
    if training.steps and training.blocks:
        last, report = training.steps[-1]["step"], training.report()
        lines += [*sentence_lines(report, glyphs, width), Text(), *_steps(training, glyphs, width), Text()]
        lines += [Text(f"Blocks at step {last:,}", "bold"), *block_lines(report, glyphs, width)]
    lines += [Text()] * bool(training.notes and training.steps)
    for note in training.notes:
        lines += wrapped(f"  {glyphs.plain(note)}", width, indent="    ")
    return lines


def _steps(training: WatchedTraining, glyphs: Glyphs, width: int | None) -> list[Text]:
    steps = training.steps
    rows = [steps[place] for place in evenly_spaced(len(steps), STEPS_LISTED)]
    room = _SPARK if width is None else min(max(width // 4, 6), _SPARK)
    profiles = [[row["log10_grad_norm"] for row in training.rows_at(step["step"])] for step in rows]
    columns = [
        Column("survival   ", tuple(mark_entry(training.mark(row), glyphs) for row in rows)),
        Column("verdict", tuple(Entry(row["verdict"]) for row in rows), right=False),
    ]
    if any(not math.isnan(row["loss"]) for row in rows):
        columns.append(_column("loss", rows, lambda row: _number(row["loss"])))
    if any(map(_clipped, steps)):
        for title, key in (("before", "clip_norm_before"), ("after", "clip_norm_after")):
            texts = tuple(Entry(_number(row[key])) for row in rows)
            columns.append(Column(title, texts, group="|gradient|, clipping"))
    elif any(not math.isnan(row["clip_norm_before"]) for row in rows):
        columns.append(_column("|gradient|", rows, lambda row: _number(row["clip_norm_before"])))
    if any(row["loss_scale"] != 1 for row in rows):
        columns.append(_column("loss scale", rows, lambda row: f"{row['loss_scale']:g}"))
    if any(row["overflows"] for row in rows):
        columns.append(_column("overflows", rows, lambda row: str(row["overflows"] or "")))
        columns.append(Column("overflow at", tuple(Entry(row["overflow_at"]) for row in rows), right=False))
    bars = tuple(Entry(spark(glyphs, profile, room)) for profile in profiles)
    columns.insert(0, Column("first to last block" if room > 18 else "blocks", bars, right=False))
    lines = fold([_column("step", rows, lambda row: f"{row['step']:,}")], columns, width, glyphs)
    hidden = sum(bool(step["overflows"]) for step in steps) - sum(bool(row["overflows"]) for row in rows)
    note = f"{len(rows)} of {len(steps):,} steps" if len(rows) < len(steps) else ""
    if hidden:
        note += f"; {count(hidden, 'further step')} with gradients that overflowed before"
    return [*lines, *(wrapped(note, width, "dim") if note else [])]


def _clipped(step: Row) -> bool:
    """Return whether the gradient of a step was clipped, beyond rounding."""
    return bool(step["clip_norm_after"] < step["clip_norm_before"] * (1 - 1e-6))


def step_lines(training: WatchedTraining, steps: Sequence[Row], glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return measured steps as lines, one for each where it fits the width."""
    return [line for step in steps for line in wrapped(_step_text(training, step, glyphs), width)]


def _step_text(training: WatchedTraining, step: Row, glyphs: Glyphs) -> str:
    profile = [row["log10_grad_norm"] for row in training.rows_at(step["step"])]
    mark = training.mark(step)
    parts = [f"step {step['step']:,}", f"{spark(glyphs, profile, 12)}", f"log10 survival {mark.text or 'none'}"]
    parts[-1] += f" {glyphs.sign(mark.sign)}".rstrip()
    parts.append(str(step["verdict"]))
    if not math.isnan(step["loss"]):
        parts.append(f"loss {number_text(step['loss'])}")
    before, after = step["clip_norm_before"], step["clip_norm_after"]
    if not math.isnan(before):
        clipped = f", clipped to {number_text(after)}" if _clipped(step) else ""
        parts.append(f"|gradient| {number_text(before)}{clipped}")
    if step["overflows"]:
        at = f", first at {step['overflow_at']}" if step["overflow_at"] else ""
        parts.append(f"{count(step['overflows'], 'overflow')} before{at}")
    return "  ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in filter(None, parts))


def _column(title: str, rows: Sequence[Row], text: Callable[[Row], str]) -> Column:
    return Column(title, tuple(Entry(text(row)) for row in rows))


def _number(value: float) -> str:
    return "" if math.isnan(value) else number_text(value)
