"""What training made of configurations, as sentences: the same for a run and for a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

from gradlab.report.formatting import count, joined, metric_text
from gradlab.report.model import evidence
from gradlab.report.model.marks import Point, judged_verdict, mark_of
from gradlab.report.model.outcomes import TrainingOutcome

__all__ = ["Configuration", "explained", "learning", "losses"]

_NAMED = 2
"""Configurations named in one sentence; the rest are counted."""
_LOST = ("vanishing", "exploding", "dead", "nonfinite")


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration that was measured: its name, its numbers and what training made of it."""

    name: str
    point: Point
    outcome: TrainingOutcome


Describe = Callable[[Configuration], str]


def learning(configurations: Sequence[Configuration], metric: str) -> list[str]:
    """Return what learned, diverged, never moved, has no metric, or was far from unit scale; only what applies."""
    sentences = (
        _learned(configurations, metric),
        _diverged(configurations),
        _unmoved(configurations, metric),
        _metric_lost(configurations, metric),
        _unscaled(configurations, metric),
    )
    return [sentence for sentence in sentences if sentence]


def losses(configurations: Sequence[Configuration], metric: str) -> list[str]:
    """Return whose gradient was lost in training, whose loss still falls or stands still, and who learned without."""
    sentences = (
        *_lost_in_training(configurations, metric),
        _falling(configurations, metric),
        *_not_falling(configurations, metric),
        _lost_but_learned(configurations, metric),
    )
    return [sentence for sentence in sentences if sentence]


def _each(chosen: Sequence[Configuration], describe: Describe) -> str:
    """Return configurations with what is said of each, the first few by name."""
    texts = [f"{each.name} {describe(each)}" for each in chosen[:_NAMED]]
    rest = len(chosen) - _NAMED
    return "; ".join([*texts, *([f"and {rest} more"] if rest > 0 else [])])


def _score(each: Configuration, metric: str) -> str:
    return evidence.learned_text(each.outcome, each.point, metric)


def _learned(configurations: Sequence[Configuration], metric: str) -> str:
    if not configurations:
        return ""
    chosen = [each for each in configurations if each.outcome.mostly_learned]
    text = f"learned: {len(chosen)} of {count(len(configurations), 'configuration')} with most of their seeds"
    scores = [float(each.point["metric"]) for each in chosen if not isnan(each.point["metric"])]
    if scores:
        low, high = metric_text(min(scores)), metric_text(max(scores))
        text += f" ({metric} {low if low == high else f'{low} to {high}'})"
    return text + "."


def _diverged(configurations: Sequence[Configuration]) -> str:
    chosen = [each for each in configurations if each.outcome.diverged]
    return f"diverged: {_each(chosen, lambda each: evidence.divergence(each.outcome))}." if chosen else ""


def never_moved(outcome: TrainingOutcome) -> bool:
    """Whether in no seed that did not diverge, and in at least one, a block's weights changed by one bit."""
    return bool(outcome.unmoved) and len(outcome.unmoved) == len(outcome.finished)


def _unmoved(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = [each for each in configurations if never_moved(each.outcome)]

    def describe(each: Configuration) -> str:
        return f"({evidence.motionless(each.outcome, str(each.point['verdict']))}; {_score(each, metric)})"

    return f"the weights never moved: {_each(chosen, describe)}." if chosen else ""


def _metric_lost(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = [each for each in configurations if each.outcome.metric_lost]
    texts = _each(chosen, lambda each: f"({evidence.lost_metric(each.outcome, metric)})")
    return f"no measure of anything, left out of the means: {texts}." if chosen else ""


def explained(outcome: TrainingOutcome) -> bool:
    """Whether what happened in training is said already: it learned, diverged, never moved, or has no metric."""
    lost = len(outcome.diverged) + len(outcome.metric_lost)
    return outcome.mostly_learned or 2 * lost >= len(outcome.seeds) or never_moved(outcome)


def _unscaled(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = [each for each in configurations if each.outcome.unscaled and not explained(each.outcome)]

    def describe(each: Configuration) -> str:
        outcome = each.outcome
        first = f"first loss {evidence.first_loss(outcome)}, " if "targets" in outcome.unscaled else ""
        return f"({evidence.scale(outcome)}, {first}{evidence.late_loss(outcome)}; {_score(each, metric)})"

    kinds = joined([*dict.fromkeys(which for each in chosen for which in each.outcome.unscaled)])
    return f"not learned, with {kinds} far from unit scale: {_each(chosen, describe)}." if chosen else ""


def _unlearned(configurations: Sequence[Configuration]) -> list[Configuration]:
    return [each for each in configurations if not explained(each.outcome) and not each.outcome.unscaled]


def _falling(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = [each for each in _unlearned(configurations) if each.outcome.trend == "falling"]

    def describe(each: Configuration) -> str:
        parts = (evidence.late_loss(each.outcome), evidence.clipping(each.outcome), _score(each, metric))
        return f"({'; '.join(part for part in parts if part)})"

    return f"not learned, still falling, more steps may do: {_each(chosen, describe)}." if chosen else ""


def _not_falling(configurations: Sequence[Configuration], metric: str) -> list[str]:
    """Say of whom the loss does not fall at the end, where the gradient was lost neither before training nor in it."""
    chosen = [
        each for each in _unlearned(configurations) if judged_verdict(each.point) == "healthy" and not _lost_later(each)
    ]
    words = {
        "level": "stalled", "rising": "loss rising at the end", "unclear": "no clear trend of the loss",
        "short": "too few steps to see where the loss goes", "unmeasured": "trend of the loss not measured",
    }  # fmt: skip

    def describe(each: Configuration) -> str:
        looked_at = evidence.measured(each.outcome, each.point)
        return f"({evidence.late_loss(each.outcome)}; {looked_at}; {_score(each, metric)})"

    return [
        f"not learned, {word}: {_each(own, describe)}."
        for trend, word in words.items()
        if (own := [each for each in chosen if each.outcome.trend == trend])
    ]


def _lost_later(each: Configuration) -> bool:
    """Whether the gradient was beyond no threshold before training and is beyond one after it."""
    if 2 * len(each.outcome.diverged) >= len(each.outcome.seeds) or judged_verdict(each.point) != "healthy":
        return False
    return judged_verdict(each.point, final=True) in _LOST


def _lost_in_training(configurations: Sequence[Configuration], metric: str) -> list[str]:
    lost = [each for each in configurations if _lost_later(each)]
    near = [each for each in lost if mark_of(each.point).sign]
    others = [each for each in lost if not mark_of(each.point).sign]

    def describe(each: Configuration) -> str:
        survival = evidence.survival_text(each.point) + evidence.layer_text(each.point, final=True)
        loss = "" if each.outcome.mostly_learned else f"; {evidence.late_loss(each.outcome)}"
        return f"({judged_verdict(each.point, final=True)}: {survival}{loss}; {_score(each, metric)})"

    return [
        f"{words}: {_each(chosen, describe)}."
        for words, chosen in (
            ("healthy before training, not after it", others),
            ("near a threshold before training, beyond one after it", near),
        )
        if chosen
    ]


def _lost_but_learned(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = [
        each for each in configurations if judged_verdict(each.point) in _LOST[:3] and each.outcome.mostly_learned
    ]  # fmt: skip

    def describe(each: Configuration) -> str:
        return f"({evidence.survival_text(each.point)}; {_score(each, metric)})"

    return f"beyond a threshold before training, learned: {_each(chosen, describe)}." if chosen else ""
