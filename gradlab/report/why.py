"""Sentences out of the numbers: what vanishes and how fast, what explodes, what kept its gradient and did not learn."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import isfinite, isnan
from typing import Any

import pandas as pd

from gradlab.report.view import Row, View
from gradlab.report.words import count, decade, fold_text, joined, power

__all__ = ["sentences"]

_NAMED = 3
"""Configurations named in one sentence; the rest are counted."""

_LOST = 0.001
"""Share of the gradient's elements that may underflow before it is worth a sentence: zeros cost little."""

Point = Any


def sentences(view: View, metric: str) -> list[str]:
    """Return a few plain sentences about the rows of a view; `metric` is the name of the metric."""
    makers: tuple[Callable[[View, str], str], ...] = (
        _vanishing, _exploding, _unmeasurable, _truncated, _underflow, _diverged, _healthy, _kept_but_not_learned,
        _lost_but_learned, _scatter,
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
    if abs(z) < 3.5 or (isnan(z) and point["decay_lo"] <= point["theory_decay"] <= point["decay_hi"]):
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
        text += f"{verb} a factor {fold_text(factor)} a {view.axis.step}{_theory(point)}, "
        text += f"{'down' if shrinks else 'up'} to {power(_log(point))}{_over(view, depth)}"
    else:
        text += f"is {'down' if shrinks else 'up'} to {power(_log(point))}{_over(view, depth)}, not evenly"
    beyond = f" (beyond the threshold from {view.axis.setting} {_first(row, verdict)} on)"
    return text + (beyond if view.over_depth else "")


def _over(view: View, length: int) -> str:
    """Return how long the profile is, where the number on the axis of the tables is its length."""
    return f" over {view.axis.count(length)}" if view.axis.setting == view.axis.along else ""


def _vanishing(view: View, metric: str) -> str:
    rows = _worst(_with(view, "vanishing"), lambda row: -min(map(_log, row.points.values())))
    return "vanishing: " + _named(rows, lambda row: _pace(view, row, "vanishing")) + "." if rows else ""


def _exploding(view: View, metric: str) -> str:
    rows = _worst(_with(view, "exploding"), lambda row: max(map(_log, row.points.values())))
    return "exploding: " + _named(rows, lambda row: _pace(view, row, "exploding")) + "." if rows else ""


def _points(view: View) -> list[tuple[Row, int, Point]]:
    return [(row, depth, point) for row in view.rows for depth, point in row.points.items()]


def _at(view: View, row: Row, depth: int) -> str:
    return f"{row.name} {view.axis.at(depth)}" if view.over_depth else row.name


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


def _truncated(view: View, metric: str) -> str:
    """Zeros beyond the reach of a truncated backward pass are made, and no dead network."""
    cut = [(row, steps) for row in view.rows for steps in [_steps_back(view, row)] if steps]
    hit = [(row, steps) for row, steps in cut if any(length > steps and p["dead"] for length, p in _lengths(view, row))]
    if not hit:
        return ""
    steps = {steps for _, steps in hit}
    after = count(steps.pop(), "step") if len(steps) == 1 else "the steps named"
    names = joined([row.name for row, _ in hit[:_NAMED]] + ([f"{len(hit) - _NAMED} more"] if len(hit) > _NAMED else []))
    return (
        f"truncated: backpropagation through time ends after {after}, what lies further back is exactly zero: {names}."
    )


def _lengths(view: View, row: Row) -> list[tuple[int, Point]]:
    """Return the length of the profile of each point with it."""
    return [(int(point[view.axis.along]), point) for point in row.points.values()]


def _steps_back(view: View, row: Row) -> int:
    """Return the steps after which a recurrent model cuts its backward pass, 0 for one that does not."""
    model = row.labels[view.keys.index("model")] if "model" in view.keys else str(view.fixed.get("model", ""))
    found = re.search(r"\btruncate=(\d+)", model)
    return int(found[1]) if found else 0


def _underflow(view: View, metric: str) -> str:
    """What a narrow precision loses of the gradient before training, where it loses most."""
    found = [
        (float(point["underflow"]), row, length, point)
        for row, length, point in _points(view)
        if "underflow" in point and point["underflow"] > _LOST
    ]
    if not found:
        return ""
    share, row, length, point = max(found, key=lambda one: one[0])
    others = f" ({count(len(found) - 1, 'other network')} too)" if len(found) > 1 else ""
    where = "" if "precision" in view.keys else f"in {point['precision']} "
    return (
        f"underflow: {where}{_percent(share)} of the gradient's elements are lost at "
        f"{view.axis.unit} {point['underflow_at']} of {_at(view, row, length)}, before training{others}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.2g} %"


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
        reach = f"; at this pace for about {decade(point['reach'])} {view.axis.units}" if ends else ""
        return f"{row.name} (survival {power(_log(point))}{reach})"

    where = f" at every {view.axis.setting}" if view.over_depth else ""
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
    more = f", {count(len(wide) - 1, 'other')} also to more than a factor 10" if len(wide) > 1 else ""
    return f"known only to a factor {power(half)} either way: {_at(view, row, depth)}{more}; use more seeds."
