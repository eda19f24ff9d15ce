"""What training made of configurations, as sentences: the same for a run and for a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

from gradlab.report.formatting import count, joined, metric_text
from gradlab.report.model import evidence
from gradlab.report.model.marks import Point, judged_verdict, mark_of
from gradlab.report.model.outcomes import TrainingOutcome

__all__ = [
    "Configuration", "diverged", "explained", "falling", "learning", "losses", "lost_but_learned", "lost_in_training",
    "metric_lost", "not_falling", "unmoved", "unscaled",
]  # fmt: skip

_NAMED = 2
"""Configurations named in one sentence; the rest are counted."""
_LOST = ("vanishing", "exploding", "dead", "nonfinite")
_TRENDS = {
    "level": "stalled", "rising": "loss rising at the end", "unclear": "no clear trend of the loss",
    "short": "too few steps to see where the loss goes", "unmeasured": "trend of the loss not measured",
}  # fmt: skip
"""What is said of a loss that does not fall, by its trend."""


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


def diverged(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those of which a seed diverged."""
    return [each for each in configurations if each.outcome.diverged]


def unmoved(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those whose weights never moved."""
    return [each for each in configurations if never_moved(each.outcome)]


def metric_lost(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those of which a metric measures nothing."""
    return [each for each in configurations if each.outcome.metric_lost]


def unscaled(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those that did not learn, with inputs or targets far from unit scale."""
    return [each for each in configurations if each.outcome.unscaled and not explained(each.outcome)]


def falling(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those that did not learn and whose loss still falls."""
    return [each for each in _unlearned(configurations) if each.outcome.trend == "falling"]


def not_falling(configurations: Sequence[Configuration]) -> dict[str, list[Configuration]]:
    """Return those whose loss does not fall at the end, by its trend, where the gradient was lost neither before
    training nor in it."""
    chosen = [
        each for each in _unlearned(configurations) if judged_verdict(each.point) == "healthy" and not _lost_later(each)
    ]
    return {trend: [each for each in chosen if each.outcome.trend == trend] for trend in _TRENDS}


def lost_in_training(configurations: Sequence[Configuration]) -> tuple[list[Configuration], list[Configuration]]:
    """Return those whose gradient was lost in training only: without a mark before it, and with one."""
    lost = [each for each in configurations if _lost_later(each)]
    return [each for each in lost if not mark_of(each.point).sign], [each for each in lost if mark_of(each.point).sign]


def lost_but_learned(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those that learned with a gradient beyond a threshold before training."""
    return [
        each for each in configurations if judged_verdict(each.point) in _LOST[:3] and each.outcome.mostly_learned
    ]  # fmt: skip


def _diverged(configurations: Sequence[Configuration]) -> str:
    chosen = diverged(configurations)
    return f"diverged: {_each(chosen, lambda each: evidence.divergence(each.outcome))}." if chosen else ""


def never_moved(outcome: TrainingOutcome) -> bool:
    """Whether in no seed that did not diverge, and in at least one, a block's weights changed by one bit."""
    return bool(outcome.unmoved) and len(outcome.unmoved) == len(outcome.finished)


def _unmoved(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = unmoved(configurations)

    def describe(each: Configuration) -> str:
        return f"({evidence.motionless(each.outcome, str(each.point['verdict']))}; {_score(each, metric)})"

    return f"the weights never moved: {_each(chosen, describe)}." if chosen else ""


def _metric_lost(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = metric_lost(configurations)
    texts = _each(chosen, lambda each: f"({evidence.lost_metric(each.outcome, metric)})")
    return f"no measure of anything, left out of the means: {texts}." if chosen else ""


def explained(outcome: TrainingOutcome) -> bool:
    """Whether what happened in training is said already: it learned, diverged, never moved, or has no metric."""
    lost = len(outcome.diverged) + len(outcome.metric_lost)
    return outcome.mostly_learned or 2 * lost >= len(outcome.seeds) or never_moved(outcome)


def _unscaled(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = unscaled(configurations)

    def describe(each: Configuration) -> str:
        outcome = each.outcome
        first = f"first loss {evidence.first_loss(outcome)}, " if "targets" in outcome.unscaled else ""
        return f"({evidence.scale(outcome)}, {first}{evidence.late_loss(outcome)}; {_score(each, metric)})"

    kinds = joined([*dict.fromkeys(which for each in chosen for which in each.outcome.unscaled)])
    return f"not learned, with {kinds} far from unit scale: {_each(chosen, describe)}." if chosen else ""


def _unlearned(configurations: Sequence[Configuration]) -> list[Configuration]:
    return [each for each in configurations if not explained(each.outcome) and not each.outcome.unscaled]


def _falling(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = falling(configurations)

    def describe(each: Configuration) -> str:
        parts = (evidence.late_loss(each.outcome), evidence.clipping(each.outcome), _score(each, metric))
        return f"({'; '.join(part for part in parts if part)})"

    return f"not learned, still falling, more steps may do: {_each(chosen, describe)}." if chosen else ""


def _not_falling(configurations: Sequence[Configuration], metric: str) -> list[str]:
    """Say of whom the loss does not fall at the end, where the gradient was lost neither before training nor in it."""

    def describe(each: Configuration) -> str:
        looked_at = evidence.measured(each.outcome, each.point)
        return f"({evidence.late_loss(each.outcome)}; {looked_at}; {_score(each, metric)})"

    return [
        f"not learned, {_TRENDS[trend]}: {_each(chosen, describe)}."
        for trend, chosen in not_falling(configurations).items()
        if chosen
    ]


def _lost_later(each: Configuration) -> bool:
    """Whether the gradient was beyond no threshold before training and is beyond one after it."""
    if 2 * len(each.outcome.diverged) >= len(each.outcome.seeds) or judged_verdict(each.point) != "healthy":
        return False
    return judged_verdict(each.point, final=True) in _LOST


def _lost_in_training(configurations: Sequence[Configuration], metric: str) -> list[str]:
    others, near = lost_in_training(configurations)

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
    chosen = lost_but_learned(configurations)

    def describe(each: Configuration) -> str:
        return f"({evidence.survival_text(each.point)}; {_score(each, metric)})"

    return f"beyond a threshold before training, learned: {_each(chosen, describe)}." if chosen else ""
