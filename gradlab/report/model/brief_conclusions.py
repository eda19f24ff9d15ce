"""The conclusions in short, for a report that is not verbose: of each kind one sentence with one example and a count.

They select what `causes`, `training_conclusions` and `conclusions` select; the evidence stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from gradlab.report.formatting import count, joined, metric_text, number_text, power
from gradlab.report.model import evidence
from gradlab.report.model import training_conclusions as training
from gradlab.report.model.marks import Point, judged_verdict, unexplained
from gradlab.report.model.outcomes import TrainingOutcome
from gradlab.report.model.training_conclusions import Configuration

__all__ = ["brief_learning", "brief_losses", "decay_text", "named"]

_TRENDS = {
    "falling": "loss still falling", "level": "stalled", "rising": "loss rising at the end",
    "unclear": "no clear trend of the loss", "short": "too few steps for a trend", "unmeasured": "loss not measured",
}  # fmt: skip


def named(texts: Sequence[str], most: int = 1) -> str:
    """Return the first texts, and how many more there are."""
    unlisted = len(texts) - most
    return "; ".join(texts[:most]) + (f" and {unlisted} more" if unlisted > 0 else "")


def decay_text(point: Point) -> str:
    """Return the decay beside that of theory, with z where theory does not explain it; empty without a decay."""
    if isnan(point["decay"]):
        return ""
    text, theory, z = f"decay {point['decay']:.3g}", float(point["theory_decay"]), float(point["theory_z"])
    if isnan(theory):
        return text
    return f"{text}, theory {theory:.3g}" + (f", z = {z:+.1f}" if not isnan(z) and unexplained(z) else "")


def brief_learning(configurations: Sequence[Configuration], metric: str) -> list[str]:
    """Return what learned, diverged, never moved, has no metric, or was far from unit scale; only what applies."""
    if not configurations:
        return []
    learned = [config for config in configurations if config.outcome.mostly_learned]
    scores = [float(config.point["metric"]) for config in learned if not isnan(config.point["metric"])]
    low, high = (metric_text(score) for score in (min(scores), max(scores))) if scores else ("", "")
    span = f" ({metric} {low if low == high else f'{low} to {high}'})" if scores else ""
    unscaled = training.unscaled(configurations)
    kinds = joined([*dict.fromkeys(quantity for config in unscaled for quantity in config.outcome.unscaled)])
    return [
        f"learned: {len(learned)} of {count(len(configurations), 'configuration')}{span}.",
        *_kind("diverged", [(config, _divergence(config.outcome)) for config in training.diverged(configurations)]),
        *_kind("the weights never moved", [(config, "") for config in training.unmoved(configurations)]),
        *_kind(
            "no measure of anything, left out of the means",
            [(config, evidence.lost_metric(config.outcome, metric)) for config in training.metric_lost(configurations)],
        ),
        *_kind(
            f"not learned, with {kinds} far from unit scale",
            [(config, evidence.scale(config.outcome)) for config in unscaled],
        ),
    ]


def brief_losses(configurations: Sequence[Configuration]) -> list[str]:
    """Return whose gradient was lost in training, where the loss of the others went, and who learned without."""
    unmarked, near = training.lost_in_training(configurations)

    def after(config: Configuration) -> str:
        verdict, final = judged_verdict(config.point, final=True), float(config.point["log10_survival_final"])
        return verdict if isnan(final) else f"{verdict}, {power(final)} after"

    return [
        *_kind("healthy before training, not after it", [(config, after(config)) for config in unmarked]),
        *_kind("near a threshold before training, beyond one after it", [(config, after(config)) for config in near]),
        *_unlearned(configurations),
        *_kind(
            "beyond a threshold before training, learned",
            [(config, "") for config in training.lost_but_learned(configurations)],
        ),
    ]


def _kind(words: str, chosen: Sequence[tuple[Configuration, str]]) -> list[str]:
    texts = [f"{config.name} ({text})" if text else config.name for config, text in chosen]
    return [f"{words}: {named(texts)}."] if texts else []


def _divergence(outcome: TrainingOutcome) -> str:
    at = evidence.steps_text([int(seed["diverged_at"]) for seed in outcome.diverged]).removeprefix("at ")
    return f"{at}, {len(outcome.diverged)}/{count(len(outcome.seeds), 'seed')}"


def _unlearned(configurations: Sequence[Configuration]) -> list[str]:
    """Return one sentence about those that did not learn, by where their loss goes."""
    by_trend = {"falling": training.falling(configurations), **training.not_falling(configurations)}
    parts = []
    for trend, chosen in by_trend.items():
        if chosen:
            loss = _loss(chosen[0].outcome)
            parts.append(f"{named([config.name for config in chosen])} ({_TRENDS[trend]}{loss and ': '}{loss})")
    return [f"not learned: {'; '.join(parts)}."] if parts else []


def _loss(outcome: TrainingOutcome) -> str:
    third, last = (outcome.mean(f"train_loss_{name}") for name in ("q3", "q4"))
    if isnan(third) or isnan(last):
        return ""
    if outcome.trend in ("falling", "rising", "unclear"):
        return f"{number_text(third)} to {number_text(last)}"
    chance = f", chance ln {outcome.mean('out_features'):.0f}" if outcome.at_chance else ""
    return f"{number_text(last)}{chance}"
