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
    texts = [f"{config.name} {describe(config)}" for config in chosen[:_NAMED]]
    unlisted = len(chosen) - _NAMED
    return "; ".join([*texts, *([f"and {unlisted} more"] if unlisted > 0 else [])])


def _score(config: Configuration, metric: str) -> str:
    return evidence.learned_text(config.outcome, config.point, metric)


def _learned(configurations: Sequence[Configuration], metric: str) -> str:
    if not configurations:
        return ""
    chosen = [config for config in configurations if config.outcome.mostly_learned]
    text = f"learned: {len(chosen)} of {count(len(configurations), 'configuration')} with most of their seeds"
    scores = [float(config.point["metric"]) for config in chosen if not isnan(config.point["metric"])]
    if scores:
        low, high = metric_text(min(scores)), metric_text(max(scores))
        text += f" ({metric} {low if low == high else f'{low} to {high}'})"
    return text + "."


def diverged(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those of which a seed diverged."""
    return [config for config in configurations if config.outcome.diverged]


def unmoved(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those whose weights never moved."""
    return [config for config in configurations if never_moved(config.outcome)]


def metric_lost(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those of which a metric measures nothing."""
    return [config for config in configurations if config.outcome.metric_lost]


def unscaled(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those that did not learn, with inputs or targets far from unit scale."""
    return [config for config in configurations if config.outcome.unscaled and not explained(config.outcome)]


def falling(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those that did not learn and whose loss still falls."""
    return [config for config in _unlearned(configurations) if config.outcome.trend == "falling"]


def not_falling(configurations: Sequence[Configuration]) -> dict[str, list[Configuration]]:
    """Return those whose loss does not fall at the end, by its trend, where the gradient was lost neither before
    training nor in it."""
    chosen = [
        config
        for config in _unlearned(configurations)
        if judged_verdict(config.point) == "healthy" and not _lost_later(config)
    ]
    return {trend: [config for config in chosen if config.outcome.trend == trend] for trend in _TRENDS}


def lost_in_training(configurations: Sequence[Configuration]) -> tuple[list[Configuration], list[Configuration]]:
    """Return those whose gradient was lost in training only: without a mark before it, and with one."""
    lost = [config for config in configurations if _lost_later(config)]
    return [config for config in lost if not mark_of(config.point).sign], [
        config for config in lost if mark_of(config.point).sign
    ]


def lost_but_learned(configurations: Sequence[Configuration]) -> list[Configuration]:
    """Return those that learned with a gradient beyond a threshold before training."""
    return [
        config
        for config in configurations
        if judged_verdict(config.point) in _LOST[:3] and config.outcome.mostly_learned
    ]


def _diverged(configurations: Sequence[Configuration]) -> str:
    chosen = diverged(configurations)
    return f"diverged: {_each(chosen, lambda config: evidence.divergence(config.outcome))}." if chosen else ""


def never_moved(outcome: TrainingOutcome) -> bool:
    """Whether in no seed that did not diverge, and in at least one, a block's weights changed by one bit."""
    return bool(outcome.unmoved) and len(outcome.unmoved) == len(outcome.finished)


def _unmoved(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = unmoved(configurations)

    def describe(config: Configuration) -> str:
        return f"({evidence.motionless(config.outcome, str(config.point['verdict']))}; {_score(config, metric)})"

    return f"the weights never moved: {_each(chosen, describe)}." if chosen else ""


def _metric_lost(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = metric_lost(configurations)
    texts = _each(chosen, lambda config: f"({evidence.lost_metric(config.outcome, metric)})")
    return f"no measure of anything, left out of the means: {texts}." if chosen else ""


def explained(outcome: TrainingOutcome) -> bool:
    """Whether what happened in training is said already: it learned, diverged, never moved, or has no metric."""
    lost = len(outcome.diverged) + len(outcome.metric_lost)
    return outcome.mostly_learned or 2 * lost >= len(outcome.seeds) or never_moved(outcome)


def _unscaled(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = unscaled(configurations)

    def describe(config: Configuration) -> str:
        outcome = config.outcome
        first = f"first loss {evidence.first_loss(outcome)}, " if "targets" in outcome.unscaled else ""
        return f"({evidence.scale(outcome)}, {first}{evidence.late_loss(outcome)}; {_score(config, metric)})"

    kinds = joined([*dict.fromkeys(quantity for config in chosen for quantity in config.outcome.unscaled)])
    return f"not learned, with {kinds} far from unit scale: {_each(chosen, describe)}." if chosen else ""


def _unlearned(configurations: Sequence[Configuration]) -> list[Configuration]:
    return [config for config in configurations if not explained(config.outcome) and not config.outcome.unscaled]


def _falling(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = falling(configurations)

    def describe(config: Configuration) -> str:
        parts = (evidence.late_loss(config.outcome), evidence.clipping(config.outcome), _score(config, metric))
        return f"({'; '.join(part for part in parts if part)})"

    return f"not learned, still falling, more steps may do: {_each(chosen, describe)}." if chosen else ""


def _not_falling(configurations: Sequence[Configuration], metric: str) -> list[str]:
    """Say of whom the loss does not fall at the end, where the gradient was lost neither before training nor in it."""

    def describe(config: Configuration) -> str:
        looked_at = evidence.measured(config.outcome, config.point)
        return f"({evidence.late_loss(config.outcome)}; {looked_at}; {_score(config, metric)})"

    return [
        f"not learned, {_TRENDS[trend]}: {_each(chosen, describe)}."
        for trend, chosen in not_falling(configurations).items()
        if chosen
    ]


def _lost_later(config: Configuration) -> bool:
    """Whether the gradient was beyond no threshold before training and is beyond one after it."""
    if 2 * len(config.outcome.diverged) >= len(config.outcome.seeds) or judged_verdict(config.point) != "healthy":
        return False
    return judged_verdict(config.point, final=True) in _LOST


def _lost_in_training(configurations: Sequence[Configuration], metric: str) -> list[str]:
    unmarked, near = lost_in_training(configurations)

    def describe(config: Configuration) -> str:
        survival = evidence.survival_text(config.point) + evidence.layer_text(config.point, final=True)
        loss = "" if config.outcome.mostly_learned else f"; {evidence.late_loss(config.outcome)}"
        return f"({judged_verdict(config.point, final=True)}: {survival}{loss}; {_score(config, metric)})"

    return [
        f"{words}: {_each(chosen, describe)}."
        for words, chosen in (
            ("healthy before training, not after it", unmarked),
            ("near a threshold before training, beyond one after it", near),
        )
        if chosen
    ]


def _lost_but_learned(configurations: Sequence[Configuration], metric: str) -> str:
    chosen = lost_but_learned(configurations)

    def describe(config: Configuration) -> str:
        return f"({evidence.survival_text(config.point)}; {_score(config, metric)})"

    return f"beyond a threshold before training, learned: {_each(chosen, describe)}." if chosen else ""
