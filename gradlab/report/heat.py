"""The tables of a report: survival over depth as a heat map, the numbers beside it, and what training made of it."""

from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np
import pandas as pd

from gradlab.record import Floats
from gradlab.report.glyphs import Glyphs, mark, spark, style
from gradlab.report.layout import GAP, Column, Entry
from gradlab.report.view import Row, View, profiles_of
from gradlab.report.words import decade, decay_text, log_text
from gradlab.results.statistics import reach
from gradlab.results.tables import Tables

__all__ = ["labels", "largest_half", "survival_columns", "training_columns"]

Point = Any

_NOTHING = Entry("")


def labels(view: View) -> list[Column]:
    """Return one column for each setting that tells the rows apart."""
    if not view.keys:
        return [] if view.over_depth else [Column("", tuple(_NOTHING for _ in view.rows))]
    return [
        Column(key, tuple(Entry(row.labels[index]) for row in view.rows), right=False)
        for index, key in enumerate(view.keys)
    ]


def _half(point: Point) -> float:
    return float(point["log10_survival_hi"] - point["log10_survival_lo"]) / 2


def largest_half(view: View) -> tuple[float, Row, int] | None:
    """Return the largest half width of a 95 % interval of log10 survival, and where it is; None without intervals."""
    every = [
        (_half(point), row, depth)
        for row in view.rows
        for depth, point in row.points.items()
        if not isnan(_half(point))
    ]
    return max(every, key=lambda one: one[0]) if every else None


def survival_columns(view: View, tables: Tables, glyphs: Glyphs, *, intervals: bool) -> list[Column]:
    """Return survival by depth, with its 95 % `intervals` or without, then what describes the deepest networks."""
    columns = [
        Column(
            f"{depth}   " if view.over_depth else "log10 survival",
            tuple(_survival(row, depth, glyphs, intervals=intervals) for row in view.rows),
            group=view.axis.setting if view.over_depth else "",
            gap=GAP if depth == view.depths[-1] else 0,
        )
        for depth in view.depths
    ]
    where = view.axis.at(max(view.depths)) if view.over_depth else ""

    def add(header: str, entries: list[Entry], right: bool = True) -> None:
        if any(entry.text for entry in entries):
            columns.append(Column(header, tuple(entries), right=right, group=where))

    points = [row.deepest for row in view.rows]
    add(view.axis.decay, [_decay(point, glyphs) for point in points])
    add("theory", [_number(point, "theory_decay", "{:.4f}") for point in points])
    add("z", [_theory_z(point) for point in points])
    add("reach", [_reach(point, glyphs) for point in points])
    if view.over_depth:
        add("learns to", [Entry(str(row.learns_to or "-") if row.points else "") for row in view.rows])
    profiles = profiles_of(tables, view)
    if max(map(len, profiles), default=0) > 1:
        bars = [spark(glyphs, profile.tolist()) for profile in profiles]
        longest = max(map(len, bars)) + 1
        ranges = [_range(profile, glyphs) for profile in profiles]
        both = [Entry((bar.ljust(longest) + range_).rstrip()) for bar, range_ in zip(bars, ranges, strict=True)]
        add(f"log10 |g| {view.axis.direction}", both, right=False)
    return columns


def _survival(row: Row, depth: int, glyphs: Glyphs, *, intervals: bool) -> Entry:
    point = row.points.get(depth)
    if point is None:
        return Entry(" failed  ", "bold") if depth in row.failed else _NOTHING
    value, verdict = float(point["log10_survival"]), str(point["verdict"])
    thresholds = float(point["thresholds.vanish"]), float(point["thresholds.explode"])
    text = log_text(value) or {"dead": "zero", "nonfinite": "nan"}.get(verdict, "")
    half = _half(point)
    if intervals and not isnan(half):
        text += f" {glyphs.plus_minus}{half:.2f}"
    shown = f" {text} {mark(glyphs, verdict, value, *thresholds)} "
    return Entry(shown, style(verdict, value, *thresholds))


def _decay(point: pd.Series[Any] | None, glyphs: Glyphs) -> Entry:
    if point is None:
        return _NOTHING
    return Entry(decay_text(float(point["decay"]), float(point["decay_hi"] - point["decay_lo"]) / 2, glyphs))


def _number(point: pd.Series[Any] | None, column: str, form: str) -> Entry:
    return _NOTHING if point is None or isnan(point[column]) else Entry(form.format(point[column]))


def _theory_z(point: pd.Series[Any] | None) -> Entry:
    entry = _number(point, "theory_z", "{:+.1f}")
    return Entry(entry.text, "bold") if entry.text and point is not None and abs(point["theory_z"]) > 3.5 else entry


def _reach(point: pd.Series[Any] | None, glyphs: Glyphs) -> Entry:
    if point is None or isnan(point["reach"]):
        return _NOTHING
    if point["decay_lo"] <= 1 <= point["decay_hi"]:  # not told apart from 1: only a bound is known
        nearest = float(reach(np.log([point["decay_lo"], point["decay_hi"]])).min())
        return Entry(glyphs.infinite if np.isinf(nearest) else f">{decade(nearest)}")
    return Entry(glyphs.infinite if np.isinf(point["reach"]) else decade(float(point["reach"])))


def _range(profile: Floats, glyphs: Glyphs) -> str:
    finite = profile[np.isfinite(profile)]
    return f"{log_text(finite.min())}{glyphs.to}{log_text(finite.max())}" if len(finite) else ""


def training_columns(view: View, glyphs: Glyphs, metric: str) -> list[Column]:
    """Return what was learned by depth, then loss and survival of each row's deepest network after training."""
    columns = [
        Column(
            f"{depth}  " if view.over_depth else metric,
            tuple(_learned(row.points.get(depth), glyphs) for row in view.rows),
            group=view.axis.setting if view.over_depth else "",
        )
        for depth in view.depths
    ]
    where = view.axis.at(max(view.depths)) if view.over_depth else ""
    points = [row.deepest for row in view.rows]
    return [
        *columns,
        Column("learned", tuple(_seeds(point) for point in points), group=where),
        Column("loss", tuple(_number(point, "loss", "{:#.3g}") for point in points), group=where),
        Column("log10 survival", tuple(_final(point, glyphs) for point in points), group=where),
    ]


def _learned(point: pd.Series[Any] | None, glyphs: Glyphs) -> Entry:
    if point is None:
        return _NOTHING
    if isnan(point["metric"]):
        return Entry("diverged  " if point["diverged"] else "")
    return Entry(f"{point['metric']:.2f} {glyphs.learned if point['learned'] > 0.5 else ' '}")


def _seeds(point: pd.Series[Any] | None) -> Entry:
    return _NOTHING if point is None else Entry(f"{round(point['learned'] * point['n'])}/{point['n']}")


def _final(point: pd.Series[Any] | None, glyphs: Glyphs) -> Entry:
    if point is None:
        return _NOTHING
    value, verdict = float(point["log10_survival_final"]), str(point["verdict_final"])
    thresholds = float(point["thresholds.vanish"]), float(point["thresholds.explode"])
    text = log_text(value) or {"dead": "zero", "nonfinite": "nan"}.get(verdict, "")
    return Entry(f" {text} {mark(glyphs, verdict, value, *thresholds)} ", style(verdict, value, *thresholds))
