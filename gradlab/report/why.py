"""Sentences out of the numbers: what vanishes and how fast, what explodes, what kept its gradient and did not learn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, isnan
from typing import Any

import pandas as pd

from gradlab.report.view import Row, View
from gradlab.report.words import count, decade, fold_text, joined, power

__all__ = ["sentences"]

_NAMED = 3
"""Configurations named in one sentence; the rest are counted."""

Point = Any


def sentences(view: View, metric: str) -> list[str]:
    """Return a few plain sentences about the rows of a view; `metric` is the name of the metric."""
    makers: tuple[Callable[[View, str], str], ...] = (
        _vanishing, _exploding, _unmeasurable, _diverged, _healthy, _kept_but_not_learned, _lost_but_learned, _scatter
    )  # fmt: skip
    return [text for maker in makers if (text := maker(view, metric))]


def _worst(rows: Sequence[Row], size: Callable[[Row], float]) -> list[Row]:
    return sorted(rows, key=size, reverse=True)


def _named(rows: Sequence[Row], say: Callable[[Row], str]) -> str:
    rest = len(rows) - _NAMED
    return "; ".join([say(row) for row in rows[:_NAMED]] + ([f"and {rest} more"] if rest > 0 else []))


def _first(row: Row, verdict: str) -> int:
    return min(depth for depth, point in row.points.items() if point["verdict"] == verdict)


def _log(point: Point) -> float:
    return float(point["log10_survival"])


def _with(view: View, verdict: str) -> list[Row]:
    return [row for row in view.rows if any(point["verdict"] == verdict for point in row.points.values())]


def _theory(point: Point) -> str:
    if isnan(point["theory_decay"]):
        return ""
    z = float(point["theory_z"])
    if abs(z) < 3.5:
        return f", as theory predicts ({point['theory_decay']:.4g})"
    return f", where theory predicts {point['theory_decay']:.4g}" + (f" (z = {z:+.1f})" if isfinite(z) else "")


def _pace(view: View, row: Row, verdict: str) -> str:
    depth = max(depth for depth, point in row.points.items() if point["verdict"] == verdict)
    point = row.points[depth]
    shrinks = verdict == "vanishing"
    text = f"{row.name} "
    if not isnan(point["decay"]) and (point["decay"] < 1) == shrinks:
        factor = 1 / point["decay"] if shrinks else point["decay"]
        verb = "loses" if shrinks else "gains"
        text += f"{verb} a factor {fold_text(factor)} a block{_theory(point)}, "
        text += f"{'down' if shrinks else 'up'} to {power(_log(point))} over {depth} blocks"
    else:
        text += f"is {'down' if shrinks else 'up'} to {power(_log(point))} over {depth} blocks, not evenly"
    return text + (f" (beyond the threshold from depth {_first(row, verdict)} on)" if view.over_depth else "")


def _vanishing(view: View, metric: str) -> str:
    rows = _worst(_with(view, "vanishing"), lambda row: -min(map(_log, row.points.values())))
    return "vanishing: " + _named(rows, lambda row: _pace(view, row, "vanishing")) + "." if rows else ""


def _exploding(view: View, metric: str) -> str:
    rows = _worst(_with(view, "exploding"), lambda row: max(map(_log, row.points.values())))
    return "exploding: " + _named(rows, lambda row: _pace(view, row, "exploding")) + "." if rows else ""


def _points(view: View) -> list[tuple[Row, int, Point]]:
    return [(row, depth, point) for row in view.rows for depth, point in row.points.items()]


def _at(view: View, row: Row, depth: int) -> str:
    return f"{row.name} at depth {depth}" if view.over_depth else row.name


def _counted(view: View, column: str) -> tuple[int, str]:
    found = [(row, depth, int(point[column])) for row, depth, point in _points(view) if point[column] > 0]
    places = [f"{_at(view, row, depth)} ({number})" for row, depth, number in found[:_NAMED]]
    if len(found) > _NAMED:
        places.append(f"{len(found) - _NAMED} more")
    return sum(number for *_, number in found), joined(places)


def _unmeasurable(view: View, metric: str) -> str:
    parts = []
    for column, what in (("dead", "a gradient that is exactly zero"), ("nonfinite", "a gradient that is not finite")):
        number, places = _counted(view, column)
        if number:
            have = "has" if number == 1 else "have"
            parts.append(f"{count(number, 'seed')} {have} {what} at step 0, left out of the means: {places}")
    return "; ".join(parts) + "." if parts else ""


def _diverged(view: View, metric: str) -> str:
    number, places = _counted(view, "diverged")
    return f"diverged in training: {places}." if number else ""


def _healthy(view: View, metric: str) -> str:
    rows = [row for row in view.rows if row.points and all(p["verdict"] == "healthy" for p in row.points.values())]
    if not rows:
        return ""
    best = sorted(rows, key=lambda row: max(abs(_log(point)) for point in row.points.values()))

    def say(row: Row) -> str:
        point = row.deepest
        assert point is not None
        ends = point["decay_hi"] < 1 or point["decay_lo"] > 1
        reach = f"; at this pace for about {decade(point['reach'])} blocks" if ends else ""
        return f"{row.name} (survival {power(_log(point))}{reach})"

    where = " at every depth" if view.over_depth else ""
    return f"healthy{where}: {_named(best, say)}."


def _kept_but_not_learned(view: View, metric: str) -> str:
    if view.fixed.get("train.steps") == 0:
        return ""
    found = [
        (row, depth, point)
        for row, depth, point in _points(view)
        if point["verdict"] == "healthy" and abs(_log(point)) < 1 and point["learned"] <= 0.5 and not point["diverged"]
    ]
    return _learning(view, metric, found, "kept its gradient and still did not learn", "the cause lies elsewhere")


def _lost_but_learned(view: View, metric: str) -> str:
    if view.fixed.get("train.steps") == 0:
        return ""
    found = [
        (row, depth, point)
        for row, depth, point in _points(view)
        if point["verdict"] in ("vanishing", "exploding") and point["learned"] > 0.5
    ]
    return _learning(view, metric, found, "learned all the same", "survival at step 0 is not everything")


def _learning(view: View, metric: str, found: list[tuple[Row, int, pd.Series[Any]]], what: str, so: str) -> str:
    if not found:
        return ""
    places = []
    for row, depth, point in found[:_NAMED]:
        seeds = f"{round(point['learned'] * point['n'])} of {count(int(point['n']), 'seed')}"
        score = "" if isnan(point["metric"]) else f"{metric} {point['metric']:.2f}, "
        places.append(f"{_at(view, row, depth)} ({score}{seeds})")
    if len(found) > _NAMED:
        places.append(f"{len(found) - _NAMED} more")
    return f"{what}: {joined(places)}: {so}."


def _scatter(view: View, metric: str) -> str:
    halves = [
        (float(point["log10_survival_hi"] - point["log10_survival_lo"]) / 2, row, depth)
        for row, depth, point in _points(view)
    ]
    wide = [one for one in halves if one[0] > 1]
    if not wide:
        return ""
    half, row, depth = max(wide, key=lambda one: one[0])
    more = f", {len(wide) - 1} others also to more than a factor 10" if len(wide) > 1 else ""
    return f"known only to a factor {power(half)} either way: {_at(view, row, depth)}{more}; use more seeds."
