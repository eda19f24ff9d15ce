"""The conclusions of a run: what learned, what diverged, what vanishes or explodes and how fast, what did not learn.

Each sentence names its evidence, and rests on what was measured before and after training. The most important come
first; where a report shows only some, it shows the first ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite, isnan

from gradlab.report.formatting import count, decade, factor_text, joined, metric_text, power
from gradlab.report.model import evidence
from gradlab.report.model.caveats import counted_seeds, truncated, underflow, unmeasurable, wide_intervals
from gradlab.report.model.marks import (
    Point,
    judged_log10,
    judged_verdict,
    learned,
    mark_of,
    unexplained,
)
from gradlab.report.model.outcomes import TrainingOutcome
from gradlab.report.model.rows import Row, RowGroup

__all__ = ["causes"]

_NAMED = 3
"""Configurations named in one sentence; the rest are counted."""

Place = tuple[Row, int, Point, TrainingOutcome]
"""One configuration that was measured: its row, its length, its numbers and what training made of it."""


def causes(group: RowGroup) -> list[str]:
    """Return the sentences about the rows of a run, the most important first; each only where it applies."""
    before = group.before_training
    trained = group.fixed.get("train.steps") != 0
    makers: tuple[Callable[[], str], ...] = (
        *((lambda: _learned(group), lambda: _diverged(group), lambda: _unmoved(group), lambda: _metric_lost(group),
           lambda: _unscaled(group)) if trained else ()),
        lambda: unmeasurable(before), lambda: truncated(group),
        lambda: _beyond(before, "vanishing"), lambda: _beyond(before, "exploding"),
        *((lambda: _lost_in_training(group), lambda: _falling(group), lambda: _stalled(group)) if trained else ()),
        lambda: _healthy(group, trained=trained), lambda: _near(before),
        *((lambda: _lost_but_learned(group),) if trained else ()),
        lambda: underflow(group), lambda: wide_intervals(before),
    )  # fmt: skip
    return [sentence for maker in makers if (sentence := maker())]


def _named(rows: Sequence[Row], describe: Callable[[Row], str]) -> str:
    rest = len(rows) - _NAMED
    return "; ".join([describe(row) for row in rows[:_NAMED]] + ([f"and {rest} more"] if rest > 0 else []))


def _places(group: RowGroup) -> list[Place]:
    return [
        (row, length, point, row.outcomes[length])
        for row in group.rows
        for length, point in row.points.items()
        if length in row.outcomes
    ]


def _at(group: RowGroup, row: Row, length: int) -> str:
    return f"{row.name} {group.axis.at(length)}" if group.varies else row.name


def _each(group: RowGroup, places: Sequence[Place], describe: Callable[[Place], str]) -> str:
    """Return the configurations with what is said of each, the first few by name."""
    texts = [f"{_at(group, place[0], place[1])} {describe(place)}" for place in places[:_NAMED]]
    rest = len(places) - _NAMED
    return "; ".join([*texts, *([f"and {rest} more"] if rest > 0 else [])])


def _score(group: RowGroup, place: Place) -> str:
    return evidence.learned_text(place[3], place[2], group.metric)


# what training made of them


def _learned(group: RowGroup) -> str:
    places = _places(group)
    if not places:
        return ""
    chosen = [place for place in places if learned(place[2])]
    text = f"learned: {len(chosen)} of {count(len(places), 'configuration')}"
    scores = [float(point["metric"]) for _, _, point, _ in chosen if not isnan(point["metric"])]
    if scores:
        low, high = metric_text(min(scores)), metric_text(max(scores))
        text += f" ({group.metric} {low if low == high else f'{low} to {high}'})"
    return text + "."


def _diverged(group: RowGroup) -> str:
    places = [place for place in _places(group) if place[3].diverged]
    return f"diverged: {_each(group, places, lambda place: evidence.divergence(place[3]))}." if places else ""


def _unmoved(group: RowGroup) -> str:
    places = [place for place in _places(group) if _never_moved(place[3])]

    def describe(place: Place) -> str:
        return f"({evidence.motionless(place[3], str(place[2]['verdict']))}; {_score(group, place)})"

    return f"the weights never moved: {_each(group, places, describe)}." if places else ""


def _never_moved(outcome: TrainingOutcome) -> bool:
    """Whether in no seed that did not diverge, and in at least one, a block's weights changed by one bit."""
    return bool(outcome.unmoved) and len(outcome.unmoved) == len(outcome.finished)


def _metric_lost(group: RowGroup) -> str:
    places = [place for place in _places(group) if place[3].metric_lost]
    texts = _each(group, places, lambda place: f"({evidence.lost_metric(place[3], group.metric)})")
    return f"no measure of anything, left out of the means: {texts}." if places else ""


def _explained(outcome: TrainingOutcome) -> bool:
    """Whether what happened in training is said already: it learned, diverged, or never moved."""
    return outcome.mostly_learned or 2 * len(outcome.diverged) >= len(outcome.seeds) or _never_moved(outcome)


def _unscaled(group: RowGroup) -> str:
    places = [place for place in _places(group) if place[3].unscaled and not _explained(place[3])]

    def describe(place: Place) -> str:
        outcome = place[3]
        first = f"first loss {evidence.first_loss(outcome)}, " if outcome.unscaled == "targets" else ""
        return f"({evidence.scale(outcome)}, {first}{evidence.late_loss(outcome)}; {_score(group, place)})"

    kinds = list(dict.fromkeys(place[3].unscaled for place in places))
    return (
        f"not learned, with {joined([*kinds])} far from unit scale: {_each(group, places, describe)}." if places else ""
    )


def _unlearned(group: RowGroup) -> list[Place]:
    return [place for place in _places(group) if not _explained(place[3]) and not place[3].unscaled]


def _falling(group: RowGroup) -> str:
    places = [place for place in _unlearned(group) if place[3].trend == "falling"]

    def describe(place: Place) -> str:
        return f"({evidence.late_loss(place[3])}; {_score(group, place)})"

    return f"not learned, still falling, more steps may do: {_each(group, places, describe)}." if places else ""


def _stalled(group: RowGroup) -> str:
    """Those whose loss does not fall at the end, and whose gradient was not lost before training."""
    places = [
        place
        for place in _unlearned(group)
        if place[3].trend != "falling" and judged_verdict(place[2]) == "healthy" and not _lost_later(place)
    ]  # fmt: skip
    words = {"level": "stalled", "rising": "rising at the end", "unknown": "too few steps to see where the loss goes"}
    sentences = []
    for trend, word in words.items():
        own = [place for place in places if place[3].trend == trend]

        def describe(place: Place) -> str:
            *_, point, outcome = place
            return f"({evidence.late_loss(outcome)}; {evidence.measured(outcome, point)}; {_score(group, place)})"

        if own:
            sentences.append(f"not learned, {word}: {_each(group, own, describe)}.")
    return " ".join(sentences)


def _lost_later(place: Place) -> bool:
    """Whether the gradient was healthy before training and is beyond a threshold after it."""
    *_, point, outcome = place
    if 2 * len(outcome.diverged) >= len(outcome.seeds) or judged_verdict(point) != "healthy":
        return False
    return judged_verdict(point, final=True) in ("vanishing", "exploding", "dead", "nonfinite")


def _lost_in_training(group: RowGroup) -> str:
    places = [place for place in _places(group) if _lost_later(place)]

    def describe(place: Place) -> str:
        verdict = judged_verdict(place[2], final=True)
        layer = evidence.layer_text(place[2], final=True)
        loss = "" if place[3].mostly_learned else f"; {evidence.late_loss(place[3])}"
        return f"({verdict}: {evidence.survival_text(place[2])}{layer}{loss}; {_score(group, place)})"

    return f"healthy before training, not after it: {_each(group, places, describe)}." if places else ""


def _lost_but_learned(group: RowGroup) -> str:
    places = [
        place
        for place in _places(group)
        if judged_verdict(place[2]) in ("vanishing", "exploding", "dead") and learned(place[2])
    ]

    def describe(place: Place) -> str:
        return f"({evidence.survival_text(place[2])}; {_score(group, place)})"

    return f"learned in spite of it: {_each(group, places, describe)}." if places else ""


# the gradient


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
    text += f" (beyond the threshold from {group.axis.setting} {min(lengths)} on)" if group.varies else ""
    return text + _unlearned_there(row, length)


def _unlearned_there(row: Row, length: int) -> str:
    """Return what the loss did where a network with a lost gradient has not learned; of one setting of training."""
    members = [member for member in row.members or (row,) if length in member.outcomes]
    outcome = members[0].outcomes[length] if len(members) == 1 else None
    if outcome is None or not outcome.steps or _explained(outcome) or outcome.trend == "falling":
        return ""
    return f", not learned: {evidence.late_loss(outcome)}"


def _beyond(group: RowGroup, verdict: str) -> str:
    """Say which rows have this verdict somewhere, the one furthest from 1 first."""
    rows = [row for row in group.rows if any(judged_verdict(point) == verdict for point in row.points.values())]
    sign = 1 if verdict == "vanishing" else -1
    rows.sort(key=lambda row: min(sign * judged_log10(point) for point in row.points.values()))
    return f"{verdict}: {_named(rows, lambda row: _pace(group, row, verdict))}." if rows else ""


def _near(group: RowGroup) -> str:
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

    return f"near a threshold before training: {_named(rows, describe)}." if rows else ""


def _healthy(group: RowGroup, *, trained: bool) -> str:
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
    return f"healthy gradient{when}{where}: {_named(best, describe)}." if rows else ""


def _no_mark(row: Row, length: int) -> bool:
    """Whether nothing that was measured says otherwise: no sign before or after training, and training was one."""
    point, outcome = row.points[length], row.outcomes.get(length)
    if mark_of(point).sign or mark_of(point, final=True).sign or isnan(float(point["log10_survival"])):
        return False
    if length in row.failed or counted_seeds(point, "dead", "nonfinite", "diverged"):
        return False
    return outcome is None or not (outcome.unmoved or outcome.metric_lost)
