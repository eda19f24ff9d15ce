"""The tables of a run: survival by length and the numbers of the longest networks, and what training made of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan

import numpy as np

from gradlab.record import Floats
from gradlab.report.formatting import fixed_text, log_text, metric_text, number_text, span_text
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.marks import Point, learned, mark_of, unexplained
from gradlab.report.model.rows import Row, RowGroup
from gradlab.report.model.stacked import LayerSurvival
from gradlab.report.terminal.entries import NONE, half_width, heading, mark_entry, reach_entry, without_metric
from gradlab.report.terminal.sparkline import spark
from gradlab.report.terminal.table import GAP, Column, Entry

__all__ = ["longest_columns", "outcome_columns", "stacked_columns", "survival_columns", "training_columns"]


def survival_columns(group: RowGroup, glyphs: Glyphs, *, intervals: bool) -> list[Column]:
    """Return survival by length, with its 95 % `intervals` or without."""
    return [
        Column(
            f"{length}   " if group.varies else heading("log10_survival"),
            tuple(_survival(row, length, glyphs, intervals=intervals) for row in group.rows),
            group=group.axis.setting if group.varies else "",
            gap=GAP if length == group.lengths[-1] else 0,
        )
        for length in group.lengths
    ]


def longest_columns(group: RowGroup, profiles: list[Floats], glyphs: Glyphs) -> list[Column]:
    """Return the numbers of the longest networks before training.

    `profiles`: for each row log10 g_l of its longest network, [L]; empty without one.
    """
    longest = _longest(group)
    points = [row.longest for row in group.rows]
    optional = [
        (group.axis.decay, [_decay(point, glyphs) for point in points], True),
        (heading("theory_decay"), [_number(point, "theory_decay", 4) for point in points], True),
        (heading("theory_z"), [_z(point) for point in points], True),
        (heading("reach"), [reach_entry(point, glyphs) for point in points], True),
    ]
    if max(map(len, profiles), default=0) > 1:
        optional.append((f"log10 |g| {group.axis.direction}", _sparks(profiles, glyphs), False))
    return [
        Column(header, tuple(entries), right=right, group=longest)
        for header, entries, right in optional
        if any(entry.text != NONE.text for entry in entries)
    ]


def _longest(group: RowGroup) -> str:
    """Return the length that the numbers of each row's longest network are of; empty where there is one."""
    lengths = {max(row.points) for row in group.rows if row.points}
    if not group.varies or not lengths:
        return ""
    return group.axis.at(lengths.pop()) if len(lengths) == 1 else f"at the largest {group.axis.setting} of each"


def _survival(row: Row, length: int, glyphs: Glyphs, *, intervals: bool) -> Entry:
    point = row.points.get(length)
    if point is None:
        return _missing(row, length)
    half = half_width(point, "log10_survival") if intervals else float("nan")
    return mark_entry(mark_of(point), glyphs, half)


def _missing(row: Row, length: int) -> Entry:
    """Return the field of a configuration without a measured cell."""
    return Entry(" failed  ", "bold") if length in row.failed else Entry(" not run  ")


def _decay(point: Point | None, glyphs: Glyphs) -> Entry:
    if point is None or isnan(point["decay"]):
        return NONE
    half = half_width(point, "decay")
    text = fixed_text(float(point["decay"]), 3)
    return Entry(text + ("" if isnan(half) else f" {glyphs.plus_minus}{fixed_text(half, 3)}"))


def _number(point: Point | None, column: str, decimals: int) -> Entry:
    return NONE if point is None or isnan(point[column]) else Entry(fixed_text(float(point[column]), decimals))


def _z(point: Point | None) -> Entry:
    if point is None or isnan(point["theory_z"]):
        return NONE
    z = float(point["theory_z"])
    return Entry(f"{z:+.1f}" if abs(z) < 1e4 else f"{z:+.1e}", "bold" if unexplained(z) else "")


def _max_trainable(row: Row) -> Entry:
    return Entry(str(row.max_trainable or "none") if row.points else "none")


def _sparks(profiles: list[Floats], glyphs: Glyphs) -> list[Entry]:
    bars = [spark(glyphs, profile.tolist()) for profile in profiles]
    widest = max(map(len, bars)) + 1
    ends = [_range(profile, glyphs) for profile in profiles]
    return [Entry((bar.ljust(widest) + range_).strip() or "none") for bar, range_ in zip(bars, ends, strict=True)]


def _range(profile: Floats, glyphs: Glyphs) -> str:
    finite = profile[np.isfinite(profile)]
    return f"{log_text(finite.min())}{glyphs.to}{log_text(finite.max())}" if len(finite) else ""


def stacked_columns(survivals: Sequence[Sequence[LayerSurvival]], glyphs: Glyphs) -> list[Column]:
    """Return the survival of all layers together, then of each; `survivals` as of `stacked_survival`."""

    def entry(row: Sequence[LayerSurvival], at: int) -> Entry:
        return mark_entry(row[at].mark, glyphs, row[at].half) if at < len(row) else NONE

    return [
        Column(f"{at or 'all'}   ", tuple(entry(row, at) for row in survivals), group="layer" if at else "", gap=0)
        for at in range(max(map(len, survivals)))
    ]


def training_columns(group: RowGroup, glyphs: Glyphs) -> list[Column]:
    """Return what was learned by length."""
    return [
        Column(
            f"{length}  " if group.varies else group.metric,
            tuple(_metric(row, length, glyphs) for row in group.rows),
            group=group.axis.setting if group.varies else "",
        )
        for length in group.lengths
    ]


def outcome_columns(group: RowGroup, glyphs: Glyphs) -> list[Column]:
    """Return the largest length that learned, then loss and survival of each row's longest network after training."""
    longest = _longest(group)
    trainable = [Column("trainable", tuple(_max_trainable(row) for row in group.rows))] if group.varies else []
    return [
        *trainable,
        Column(heading("learned"), tuple(_seeds(row.longest) for row in group.rows), group=longest),
        Column(heading("loss"), tuple(_loss(row) for row in group.rows), group=longest),
        Column(heading("log10_survival"), tuple(_final(row.longest, glyphs) for row in group.rows), group=longest),
    ]


def _metric(row: Row, length: int, glyphs: Glyphs) -> Entry:
    point = row.points.get(length)
    if point is None:
        return _missing(row, length)
    if isnan(point["metric"]):
        return Entry(f"{without_metric(point, row.outcomes.get(length))}  ")
    return Entry(f"{metric_text(float(point['metric']))} {glyphs.learned if learned(point) else ' '}")


def _seeds(point: Point | None) -> Entry:
    return NONE if point is None else Entry(f"{round(point['learned'] * point['n'])}/{point['n']}")


def _loss(row: Row) -> Entry:
    """Return the loss after training, or where every seed diverged the last finite one."""
    point = row.longest
    if point is None:
        return NONE
    if not isnan(point["loss"]):
        return Entry(number_text(float(point["loss"])))
    outcome = row.outcomes.get(max(row.points))
    last = [float(seed["loss_last_finite"]) for seed in outcome.diverged] if outcome else []
    finite = [loss for loss in last if isfinite(loss)]
    return Entry(f"last {span_text(finite)}" if finite else "not finite")


def _final(point: Point | None, glyphs: Glyphs) -> Entry:
    return NONE if point is None else mark_entry(mark_of(point, final=True), glyphs)
