"""The report of a watched training loop: its measured steps, the blocks of the last one, what is to be known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.text import Text

from gradlab.report.formatting import count, log_text, number_text
from gradlab.report.glyphs import Glyphs
from gradlab.report.terminal.entries import wrapped
from gradlab.report.terminal.sparkline import spark
from gradlab.report.terminal.table import Column, Entry, fold

__all__ = ["watched_report"]

_STEPS_SHOWN = 12
Rows = Sequence[Mapping[str, Any]]


def watched_report(
    name: str, model: str, steps: Rows, blocks: Rows, notes: Sequence[str], glyphs: Glyphs, width: int | None
) -> list[Text]:
    """Return the lines of a report, no wider than `width`.

    Args:
        steps, blocks: rows of the two tables; of many steps twelve are shown, evenly spaced, the last among them.
    """
    measured = f"{count(len(steps), 'step')} measured"
    lines = [*wrapped(f"{name} {glyphs.dot} {model} {glyphs.dot} {measured}", width, "bold"), Text()]
    if steps:
        last = steps[-1]["step"]
        lines += [*_steps(steps, blocks, glyphs, width), Text()]
        own = [row for row in blocks if row["step"] == last]
        lines += [Text(f"Blocks at step {last:,}", "bold"), *_blocks(own, glyphs, width)]
    lines += [Text()] * bool(notes and steps)
    for note in notes:
        lines += wrapped(f"  {glyphs.plain(note)}", width, indent="    ")
    return lines


def _steps(steps: Rows, blocks: Rows, glyphs: Glyphs, width: int | None) -> list[Text]:
    shown = _spread(len(steps), _STEPS_SHOWN)
    rows = [steps[place] for place in shown]
    profiles = {row["step"]: [] for row in rows}  # type: ignore[var-annotated]
    for row in blocks:
        if row["step"] in profiles:
            profiles[row["step"]].append(row["log10_grad_norm"])
    columns = [
        Column("first to last block", tuple(Entry(spark(glyphs, profiles[row["step"]])) for row in rows), right=False),
        _column("log10 survival", rows, lambda row: log_text(row["log10_survival"])),
        Column("verdict", tuple(Entry(row["verdict"]) for row in rows), right=False),
    ]
    for title, key in _WHERE_KNOWN:
        if any(not math.isnan(row[key]) for row in rows):
            columns.append(_column(title, rows, lambda row, key=key: _number(row[key])))  # type: ignore[misc]
    if any(row["loss_scale"] != 1 for row in rows):
        columns.append(_column("loss scale", rows, lambda row: f"{row['loss_scale']:g}"))
    if any(row["overflows"] for row in rows):
        columns.append(_column("overflows", rows, lambda row: str(row["overflows"] or "")))
        columns.append(Column("overflow at", tuple(Entry(row["overflow_at"]) for row in rows), right=False))
    lines = fold([_column("step", rows, lambda row: f"{row['step']:,}")], columns, width, glyphs)
    if len(rows) < len(steps):
        lines.append(Text(f"{len(rows)} of {len(steps):,} steps", "dim"))
    return lines


_WHERE_KNOWN = (
    ("loss", "loss"), ("|gradient| before clipping", "clip_norm_before"), ("after", "clip_norm_after"),
)  # fmt: skip


def _blocks(rows: Rows, glyphs: Glyphs, width: int | None) -> list[Text]:
    labels = [
        _column("", rows, lambda row: str(row["block"])),
        Column("block", tuple(Entry(row["name"]) for row in rows), right=False),
    ]
    columns = [
        _column("log10 |g|", rows, lambda row: log_text(row["log10_grad_norm"])),
        _column("factor", rows, lambda row: _number(row["factor"])),
        _column("rms of output", rows, lambda row: _number(row["act_rms"])),
        _column("|weights|", rows, lambda row: _number(row["weight_norm"])),
        _column("update/weights", rows, lambda row: _number(row["update_ratio"])),
    ]
    return fold(labels, columns, width, glyphs)


def _column(title: str, rows: Rows, text: Callable[[Mapping[str, Any]], str]) -> Column:
    return Column(title, tuple(Entry(text(row)) for row in rows))


def _number(value: float) -> str:
    return "" if math.isnan(value) else number_text(value)


def _spread(length: int, most: int) -> list[int]:
    """Return at most so many places of a sequence, evenly spaced, the first and the last among them."""
    if length <= most:
        return list(range(length))
    return sorted({round(place * (length - 1) / (most - 1)) for place in range(most)})
