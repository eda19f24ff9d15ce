"""The sentences below a run's tables: what vanishes or explodes and how fast, what diverged, what did not learn."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import isfinite, isnan

from gradlab.report.formatting import count, decade, factor_text, joined, power
from gradlab.report.model.marks import Point, learned, unexplained
from gradlab.report.model.rows import Row, RowGroup

__all__ = ["causes"]

_NAMED = 3
"""Configurations named in one sentence; the rest are counted."""
_UNDERFLOW = 0.001
"""Share of the gradient's elements that underflow from which a sentence names it."""
_WIDE = 1.0
"""Half width of an interval of log10 survival from which a sentence asks for more seeds."""

Place = tuple[Row, int, Point]
"""One configuration of a row: the row, the length and its numbers."""


def causes(group: RowGroup) -> list[str]:
    """Return the sentences about the rows of a run; each only where it applies."""
    makers: tuple[Callable[[RowGroup], str], ...] = (
        _vanishing, _exploding, _unmeasurable, _truncated, _underflow, _diverged, _healthy, _healthy_not_learned,
        _lost_but_learned, _wide_intervals,
    )  # fmt: skip
    return [sentence for maker in makers if (sentence := maker(group))]


def _named(rows: Sequence[Row], describe: Callable[[Row], str]) -> str:
    rest = len(rows) - _NAMED
    return "; ".join([describe(row) for row in rows[:_NAMED]] + ([f"and {rest} more"] if rest > 0 else []))


def _log(point: Point) -> float:
    return float(point["log10_survival"])


def _theory(point: Point) -> str:
    if isnan(point["theory_decay"]):
        return ""
    z = float(point["theory_z"])
    inside = isnan(z) and point["decay_lo"] <= point["theory_decay"] <= point["decay_hi"]
    if inside or not (isnan(z) or unexplained(z)):
        return f", as theory predicts ({point['theory_decay']:.4g})"
    return f", where theory predicts {point['theory_decay']:.4g}" + (f" (z = {z:+.1f})" if isfinite(z) else "")


def _pace(group: RowGroup, row: Row, verdict: str) -> str:
    lengths = [length for length, point in row.points.items() if point["verdict"] == verdict]
    length = max(lengths)
    point = row.points[length]
    shrinks = verdict == "vanishing"
    change = "down" if shrinks else "up"
    over = f" over {group.axis.count(length)}" if group.axis.setting == group.axis.along else ""
    if not isnan(point["decay"]) and (point["decay"] < 1) == shrinks:
        factor = 1 / point["decay"] if shrinks else point["decay"]
        verb = "loses" if shrinks else "gains"
        text = f"{row.name} {verb} a factor {factor_text(factor)} a {group.axis.step}{_theory(point)}, "
        text += f"{change} to {power(_log(point))}{over}"
    else:
        text = f"{row.name} is {change} to {power(_log(point))}{over}, not evenly"
    return text + (f" (beyond the threshold from {group.axis.setting} {min(lengths)} on)" if group.varies else "")


def _beyond(group: RowGroup, verdict: str) -> list[tuple[float, Row]]:
    """Return the rows with this verdict somewhere, the one furthest from 1 first, each with log10 of its extreme."""
    rows = [row for row in group.rows if any(point["verdict"] == verdict for point in row.points.values())]
    pick = min if verdict == "vanishing" else max
    extremes = [(pick(map(_log, row.points.values())), row) for row in rows]
    return sorted(extremes, key=lambda pair: pair[0], reverse=verdict == "exploding")


def _vanishing(group: RowGroup) -> str:
    rows = [row for _, row in _beyond(group, "vanishing")]
    return "vanishing: " + _named(rows, lambda row: _pace(group, row, "vanishing")) + "." if rows else ""


def _exploding(group: RowGroup) -> str:
    rows = [row for _, row in _beyond(group, "exploding")]
    return "exploding: " + _named(rows, lambda row: _pace(group, row, "exploding")) + "." if rows else ""


def _places(group: RowGroup) -> list[Place]:
    return [(row, length, point) for row in group.rows for length, point in row.points.items()]


def _at(group: RowGroup, row: Row, length: int) -> str:
    return f"{row.name} {group.axis.at(length)}" if group.varies else row.name


def _counted(group: RowGroup, column: str) -> tuple[int, str]:
    places = [(row, length, int(point[column])) for row, length, point in _places(group) if point[column] > 0]
    names = [f"{_at(group, row, length)} ({number})" for row, length, number in places[:_NAMED]]
    if len(places) > _NAMED:
        names.append(f"{len(places) - _NAMED} more")
    return sum(number for *_, number in places), joined(names)


def _unmeasurable(group: RowGroup) -> str:
    parts = []
    for column, what in (("dead", "a gradient that is exactly zero"), ("nonfinite", "a gradient that is not finite")):
        number, places = _counted(group, column)
        if number:
            have = "has" if number == 1 else "have"
            parts.append(f"{count(number, 'seed')} {have} {what} at step 0, left out of the means: {places}")
    return "; ".join(parts) + "." if parts else ""


def _truncated(group: RowGroup) -> str:
    """Zeros beyond the end of a truncated backward pass are made by it: they are no dead network."""
    cut = [(row, steps) for row in group.rows if (steps := _truncation(group, row)) and _dead_beyond(group, row, steps)]
    if not cut:
        return ""
    lengths = {steps for _, steps in cut}
    after = count(lengths.pop(), "step") if len(lengths) == 1 else "the steps named"
    names = [row.name for row, _ in cut[:_NAMED]] + ([f"{len(cut) - _NAMED} more"] if len(cut) > _NAMED else [])
    return (
        f"truncated: backpropagation through time ends after {after}, what lies further back is exactly zero: "
        f"{joined(names)}."
    )


def _dead_beyond(group: RowGroup, row: Row, steps: int) -> bool:
    return any(int(point[group.axis.along]) > steps and point["dead"] for point in row.points.values())


def _truncation(group: RowGroup, row: Row) -> int:
    """Return the steps after which a recurrent model ends its backward pass, 0 for one that does not."""
    model = row.labels[group.keys.index("model")] if "model" in group.keys else str(group.fixed.get("model", ""))
    match = re.search(r"\btruncate=(\d+)", model)
    return int(match[1]) if match else 0


def _underflow(group: RowGroup) -> str:
    """Where the precision of training loses most of the gradient before training."""
    places = [place for place in _places(group) if "underflow" in place[2] and place[2]["underflow"] > _UNDERFLOW]
    if not places:
        return ""
    row, length, point = max(places, key=lambda place: float(place[2]["underflow"]))
    others = f" ({count(len(places) - 1, 'other network')} too)" if len(places) > 1 else ""
    precision = "" if "precision" in group.keys else f"in {point['precision']} "
    return (
        f"underflow: {precision}{_percent(point['underflow'])} of the gradient's elements are lost at "
        f"{group.axis.unit} {point['underflow_at']} of {_at(group, row, length)}, before training{others}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.2g} %"


def _diverged(group: RowGroup) -> str:
    number, places = _counted(group, "diverged")
    return f"diverged in training: {places}." if number else ""


def _healthy(group: RowGroup) -> str:
    rows = [row for row in group.rows if row.points and all(p["verdict"] == "healthy" for p in row.points.values())]
    if not rows:
        return ""

    def describe(row: Row) -> str:
        point = row.longest
        assert point is not None
        reach = f"; reach about {decade(point['reach'])} {group.axis.units}" if isfinite(point["reach_hi"]) else ""
        return f"{row.name} (survival {power(_log(point))}{reach})"

    best = sorted(rows, key=lambda row: max(abs(_log(point)) for point in row.points.values()))
    where = f" at every {group.axis.setting}" if group.varies else ""
    return f"healthy{where}: {_named(best, describe)}."


def _healthy_not_learned(group: RowGroup) -> str:
    places = [
        place
        for place in _places(group)
        if place[2]["verdict"] == "healthy" and abs(_log(place[2])) < 1 and not learned(place[2])
        and not place[2]["diverged"]
    ]  # fmt: skip
    names = _learning(group, places)
    return f"survival within an order of magnitude of one, not learned: {names}." if names else ""


def _lost_but_learned(group: RowGroup) -> str:
    places = [p for p in _places(group) if p[2]["verdict"] in ("vanishing", "exploding") and learned(p[2])]
    names = _learning(group, places)
    return f"vanishing or exploding before training, learned: {names}." if names else ""


def _learning(group: RowGroup, places: Sequence[Place]) -> str:
    if group.fixed.get("train.steps") == 0:
        return ""
    names = []
    for row, length, point in places[:_NAMED]:
        seeds = f"{round(point['learned'] * point['n'])} of {count(int(point['n']), 'seed')}"
        score = "" if isnan(point["metric"]) else f"{group.metric} {point['metric']:.2f}, "
        names.append(f"{_at(group, row, length)} ({score}{seeds})")
    return joined(names + ([f"{len(places) - _NAMED} more"] if len(places) > _NAMED else []))


def _wide_intervals(group: RowGroup) -> str:
    halves = [
        (float(point["log10_survival_hi"] - point["log10_survival_lo"]) / 2, row, length)
        for row, length, point in _places(group)
    ]
    wide = [entry for entry in halves if entry[0] > _WIDE]
    if not wide:
        return ""
    half, row, length = max(wide, key=lambda entry: entry[0])
    others = f", {count(len(wide) - 1, 'other')} also to more than a factor 10" if len(wide) > 1 else ""
    return f"survival known to a factor {power(half)} only: {_at(group, row, length)}{others}; use more seeds."
