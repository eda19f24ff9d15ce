"""Effects as tables with a drawing: shares of variance as bars, effects and differences as intervals around zero."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from gradlab.report.glyphs import ASCII, Glyphs
from gradlab.report.model.effects import EffectTable, PairedTable, VarianceRow, VarianceTable, percent
from gradlab.report.terminal.table import Column, Entry

__all__ = ["effect_columns", "paired_columns", "variance_columns"]

_BAR = 12
_INTERVAL = 25
_PERCENT = 7

Interval = tuple[float, float, float]
"""Low, mean and high."""


def variance_columns(table: VarianceTable, glyphs: Glyphs) -> tuple[list[Column], list[Column]]:
    """Return the labels and one column of shares for each response."""
    labels = Column("", tuple(Entry(glyphs.plain(row.name)) for row in table.rows), right=False)
    columns = [
        Column(response, tuple(_share(row, index, glyphs) for row in table.rows), right=False)
        for index, response in enumerate(table.responses)
    ]
    return [labels], columns


def _share(row: VarianceRow, index: int, glyphs: Glyphs) -> Entry:
    share = row.shares[index]
    if share is None:
        return Entry("")
    if isnan(share):
        return Entry("n/a".rjust(_PERCENT))
    text = percent(share).rjust(_PERCENT)
    eighths = round(min(max(share, 0.0), 1.0) * _BAR * 8)
    if glyphs is ASCII:
        bar = "#" * round(eighths / 8)
    else:
        bar = "█" * (eighths // 8) + (" ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else "")
    return Entry(f"{text} {bar.ljust(_BAR)}")


def _intervals(intervals: Sequence[Interval], glyphs: Glyphs) -> tuple[Entry, ...]:
    """Draw each interval on one common scale that has zero on it."""
    ends = [value for interval in intervals for value in interval if not isnan(value)]
    left, right = min([*ends, 0.0]), max([*ends, 0.0])
    span = (right - left) or 1.0
    line, dot, zero = ("-", "o", "|") if glyphs is ASCII else ("─", "●", "│")

    def at(value: float) -> int:
        return round((value - left) / span * (_INTERVAL - 1))

    entries = []
    for low, mean, high in intervals:
        signs = [" "] * _INTERVAL
        signs[at(0.0)] = zero
        if not isnan(low):
            for place in range(at(low), at(high) + 1):
                signs[place] = line
        if not isnan(mean):
            signs[at(mean)] = dot
        entries.append(Entry("".join(signs).rstrip()))
    return tuple(entries)


def _number(value: float, log: bool) -> str:
    return "" if isnan(value) else f"{value:+.2f}" if log else f"{value:+.3f}" if abs(value) < 1e4 else f"{value:+.3g}"


def _with_half(interval: Interval, log: bool, glyphs: Glyphs) -> str:
    low, mean, high = interval
    half = "" if isnan(low) else f" {glyphs.plus_minus}{_number((high - low) / 2, log).lstrip('+')}"
    return _number(mean, log) + half


def effect_columns(table: EffectTable, glyphs: Glyphs, *, whole: bool) -> tuple[list[Column], list[Column]]:
    """Return labels and columns of the main effects on one response, of which there is at least one; `whole`: with how
    many settings and cells each rests on."""
    rows = table.rows
    first = [index == 0 or rows[index - 1].factor != level.factor for index, level in enumerate(rows)]
    names = tuple(Entry(level.factor if new else "") for level, new in zip(rows, first, strict=True))
    intervals = [(level.low, level.effect, level.high) for level in rows]
    counts = [
        Column("matched", tuple(Entry(f"{level.matched:,}") for level in rows)),
        Column("cells", tuple(Entry(f"{level.cells:,}") for level in rows)),
    ] if whole else []  # fmt: skip
    return [
        Column("factor", names, right=False),
        Column("level", tuple(Entry(level.level) for level in rows), right=False),
    ], [
        Column("effect", tuple(Entry(_with_half(interval, table.log, glyphs)) for interval in intervals)),
        Column("", _intervals(intervals, glyphs), right=False),
        *counts,
    ]


def paired_columns(table: PairedTable, glyphs: Glyphs) -> tuple[list[Column], list[Column]]:
    """Return labels and columns of paired comparisons."""
    labels = [
        Column(key, tuple(Entry(change.target[index]) for change in table.rows), right=False)
        for index, key in enumerate(table.settings)
    ]
    tests = [change.difference for change in table.rows]
    intervals = [(test.low, test.mean, test.high) for test in tests]
    arrows = {"+": glyphs.plain("↑"), "-": glyphs.plain("↓")}
    return labels, [
        Column("", tuple(Entry(arrows.get(test.sign, test.sign), "bold") for test in tests)),
        Column("change", tuple(Entry(_with_half(interval, table.log, glyphs)) for interval in intervals)),
        Column("", _intervals(intervals, glyphs), right=False),
        Column("p (t)", tuple(Entry(_p_value(test.p)) for test in tests)),
        Column("p (sign flips)", tuple(Entry(_p_value(test.p_flip)) for test in tests)),
        Column("same sign", tuple(Entry(f"{test.agree}/{test.blocks}") for test in tests)),
        Column("pairs", tuple(Entry(f"{test.pairs:,}") for test in tests)),
        Column("n", tuple(Entry(str(test.seeds)) for test in tests)),
    ]


def _p_value(p: float) -> str:
    return "" if isnan(p) else f"{p:.3f}" if p >= 0.0005 else f"{p:.0e}"
