"""The conclusions of a run: what learned, what diverged, what vanishes or explodes and how fast, what did not learn.

Each sentence names its evidence, and rests on what was measured before and after training. The most important come
first; where a report shows only some, it shows the first ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, isnan

from gradlab.report.formatting import decade, factor_text, power
from gradlab.report.model import evidence
from gradlab.report.model.brief_conclusions import brief_learning, brief_losses, decay_text, named
from gradlab.report.model.caveats import counted_seeds, truncated, underflow, unmeasurable, unrecorded, wide_intervals
from gradlab.report.model.marks import (
    Point,
    judged_log10,
    judged_verdict,
    mark_of,
    unexplained,
)
from gradlab.report.model.rows import Row, RowGroup
from gradlab.report.model.training_conclusions import Configuration, explained, learning, losses

__all__ = ["causes"]

_NAMED = 3
"""Configurations named in one sentence; the rest are counted."""


def causes(group: RowGroup, *, brief: bool = False) -> list[str]:
    """Return the sentences about the rows of a run, the most important first; each only where it applies.

    `brief`: with an example and a count in the place of all evidence.
    """
    before = group.before_training
    trained = group.fixed.get("train.steps") != 0
    measured = _configurations(group) if trained else []
    sentences = [
        *(brief_learning if brief else learning)(measured, group.metric),
        unmeasurable(before), unrecorded(group), truncated(group),
        _beyond(before, "vanishing", brief=brief), _beyond(before, "exploding", brief=brief),
        *(brief_losses(measured) if brief else losses(measured, group.metric)),
        _healthy(group, trained=trained, brief=brief), _near(before, brief=brief), underflow(group),
        wide_intervals(before),
    ]  # fmt: skip
    return [sentence for sentence in sentences if sentence]


def _configurations(group: RowGroup) -> list[Configuration]:
    return [
        Configuration(_at(group, row, length), point, row.outcomes[length])
        for row in group.rows
        for length, point in row.points.items()
        if length in row.outcomes and row.outcomes[length].steps
    ]


def _named(rows: Sequence[Row], describe: Callable[[Row], str]) -> str:
    unlisted = len(rows) - _NAMED
    return "; ".join([describe(row) for row in rows[:_NAMED]] + ([f"and {unlisted} more"] if unlisted > 0 else []))


def _at(group: RowGroup, row: Row, length: int) -> str:
    return f"{row.name} {group.axis.at(length)}" if group.varies else row.name


def _theory(point: Point) -> str:
    if isnan(point["theory_decay"]):
        return ""
    z = float(point["theory_z"])
    inside = isnan(z) and point["decay_lo"] <= point["theory_decay"] <= point["decay_hi"]
    if inside or not (isnan(z) or unexplained(z)):
        return f", as theory predicts ({point['theory_decay']:.4g})"
    return f", where theory predicts {point['theory_decay']:.4g}" + (f" (z = {z:+.1f})" if isfinite(z) else "")


def _pace(group: RowGroup, row: Row, verdict: str) -> str:
    lengths = [length for length, point in row.points.items() if judged_verdict(point) == verdict]
    length = max(lengths)
    point = row.points[length]
    shrinks = verdict == "vanishing"
    change = "down" if shrinks else "up"
    over = f" over {group.axis.count(length)}" if group.axis.setting == group.axis.along else ""
    if str(point["verdict"]) != verdict:
        outcome = (row.members or (row,))[0].outcomes.get(length)
        layer = f"layer {outcome.worst_layer}" if outcome and outcome.worst_layer else "one layer"
        text = f"{layer} of {row.name} is {change} to {power(judged_log10(point))}{over}"
        text += f" (all layers together: {power(float(point['log10_survival']))})"
    elif not isnan(point["decay"]) and (point["decay"] < 1) == shrinks:
        factor = 1 / point["decay"] if shrinks else point["decay"]
        verb = "loses" if shrinks else "gains"
        text = f"{row.name} {verb} a factor {factor_text(factor)} a {group.axis.step}{_theory(point)}, "
        text += f"{change} to {power(float(point['log10_survival']))}{over}"
    else:
        text = f"{row.name} is {change} to {power(float(point['log10_survival']))}{over}, not evenly"
    text += f" (from {group.axis.setting} {min(lengths)} on)" if group.varies else ""
    return text + _unlearned_there(row, length)


def _unlearned_there(row: Row, length: int) -> str:
    """Return what the loss did where a network with a lost gradient has not learned; of one setting of training."""
    members = [member for member in row.members or (row,) if length in member.outcomes]
    outcome = members[0].outcomes[length] if len(members) == 1 else None
    if outcome is None or not outcome.steps or explained(outcome) or outcome.trend == "falling":
        return ""
    still = evidence.still_blocks(outcome)
    return f", not learned: {evidence.late_loss(outcome)}" + (f", {still}" if still else "")


def _brief_pace(group: RowGroup, row: Row, verdict: str) -> str:
    lengths = [length for length, point in row.points.items() if judged_verdict(point) == verdict]
    point = row.points[max(lengths)]
    where = f" {group.axis.at(max(lengths))}" if group.varies else ""
    layer = "" if str(point["verdict"]) == verdict else " in one layer"
    first = f"from {group.axis.setting} {min(lengths)}" if len(lengths) > 1 else ""
    parts = (first, f"{power(judged_log10(point))}{where}{layer}", decay_text(point))
    return f"{row.name} ({'; '.join(part for part in parts if part)})"


def _beyond(group: RowGroup, verdict: str, *, brief: bool) -> str:
    """Say which rows have this verdict somewhere, the one furthest from 1 first."""
    rows = [row for row in group.rows if any(judged_verdict(point) == verdict for point in row.points.values())]
    sign = 1 if verdict == "vanishing" else -1
    rows.sort(key=lambda row: min(sign * judged_log10(point) for point in row.points.values()))
    if brief and rows:
        return f"{verdict}: {named([_brief_pace(group, row, verdict) for row in rows], 2)}."
    return f"{verdict}: {_named(rows, lambda row: _pace(group, row, verdict))}." if rows else ""


def _near(group: RowGroup, *, brief: bool) -> str:
    """Rows that are marked as fading or growing, and nowhere beyond a threshold."""
    rows = []
    for row in group.rows:
        signs = {mark_of(point).sign for point in row.points.values()}
        if signs & {"fading", "growing"} and signs <= {"", "fading", "growing"}:
            rows.append(row)

    def describe(row: Row) -> str:
        length = max(row.points, key=lambda length: abs(judged_log10(row.points[length])))
        point = row.points[length]
        return f"{_at(group, row, length)} ({mark_of(point).sign}, {power(judged_log10(point))})"

    texts = named([describe(row) for row in rows], 2) if brief else _named(rows, describe)
    return f"near a threshold before training: {texts}." if rows else ""


def _healthy(group: RowGroup, *, trained: bool, brief: bool) -> str:
    rows = [row for row in group.rows if row.points and all(_no_mark(row, length) for length in row.points)]

    def describe(row: Row) -> str:
        point = row.longest
        assert point is not None
        text = f"survival {power(float(point['log10_survival']))}"
        text += f" before, {power(float(point['log10_survival_final']))} after" if trained else ""
        reach = f"; reach about {decade(point['reach'])} {group.axis.units}" if isfinite(point["reach_hi"]) else ""
        return f"{row.name} ({text}{reach})"

    best = sorted(rows, key=lambda row: max(abs(float(point["log10_survival"])) for point in row.points.values()))
    where = f" at every {group.axis.setting}" if group.varies else ""
    when = " before and after training" if trained else ""
    texts = named([row.name for row in best], 2) if brief else _named(best, describe)
    return f"healthy gradient{when}{where}: {texts}." if rows else ""


def _no_mark(row: Row, length: int) -> bool:
    """Whether nothing that was measured says otherwise: no sign before or after training, and training was one."""
    point, outcome = row.points[length], row.outcomes.get(length)
    if mark_of(point).sign or mark_of(point, final=True).sign or isnan(float(point["log10_survival"])):
        return False
    if length in row.failed or counted_seeds(point, "dead", "nonfinite", "diverged"):
        return False
    return outcome is None or not (outcome.unmoved or outcome.metric_lost)
