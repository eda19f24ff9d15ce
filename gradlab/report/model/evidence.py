"""The phrases by which a conclusion shows what it rests on: each says numbers that were measured, and nothing else."""

from __future__ import annotations

from math import isinf, isnan

from gradlab.report.formatting import count, metric_text, number_text, percent, power, span_text
from gradlab.report.model.marks import Point, judged_log10, mark_of
from gradlab.report.model.outcomes import CERTAIN, TrainingOutcome

__all__ = [
    "UNTROUBLED", "clipping",
    "divergence", "first_loss", "late_loss", "layer_text", "learned_text", "lost_metric", "measured", "motionless",
    "scale", "short_outcome", "steps_text", "still_blocks", "survival_text",
]  # fmt: skip

_CLIPPED = 0.5
"""Share of the steps from which clipping is part of the evidence."""
_SATURATED = 0.75
"""Share of the pairs of sample and unit from which saturation is."""


def steps_text(steps: list[int]) -> str:
    """Return `at step 3` or `at steps 3 to 9`."""
    low, high = min(steps), max(steps)
    return f"at step {low:,}" if low == high else f"at steps {low:,} to {high:,}"


def divergence(outcome: TrainingOutcome) -> str:
    """Return when the seeds that diverged did, how many, and their last finite loss."""
    seeds = outcome.diverged
    losses = _last_losses(outcome)
    loss = f"last finite loss {span_text(losses)}" if losses else ""
    if all(int(seed["diverged_at"]) == 0 for seed in seeds):
        loss = "the loss was never finite"
    text = f"{steps_text([int(seed['diverged_at']) for seed in seeds])} ({_share(len(seeds), outcome)}"
    return text + "".join(f"; {part}" for part in (loss, scale(outcome)) if part) + ")"


def _share(number: int, outcome: TrainingOutcome) -> str:
    return f"{number} of {count(len(outcome.seeds), 'seed')}"


UNTROUBLED = ("learned", "still falling", "stalled", "at chance", "rising at the end", "no clear trend",
              "not learned", "not trained")  # fmt: skip
"""Outcomes (`short_outcome`) that say nothing against a gradient."""


def short_outcome(outcome: TrainingOutcome) -> str:
    """Return what became of a configuration in a few words."""
    if not outcome.steps:
        return "not trained"
    if outcome.diverged:
        at, losses = [int(seed["diverged_at"]) for seed in outcome.diverged], _last_losses(outcome)
        loss = f", last finite loss {span_text(losses)}" if losses else ""
        number = "" if len(at) == len(outcome.seeds) else f", {_share(len(at), outcome)}"
        return f"diverged {steps_text(at)}{number}{loss}"
    if outcome.unmoved:
        number = "" if len(outcome.unmoved) == len(outcome.seeds) else f" in {_share(len(outcome.unmoved), outcome)}"
        return f"weights never moved{number}"
    if outcome.metric_lost:
        return lost_metric(outcome, str(outcome.seeds[0]["metric_name"]))
    if outcome.mostly_learned:
        return "learned"
    level = "at chance" if outcome.at_chance else "stalled"
    words = {"falling": "still falling", "rising": "rising at the end", "level": level, "unclear": "no clear trend"}
    return words.get(outcome.trend, "not learned")


def _last_losses(outcome: TrainingOutcome) -> list[float]:
    losses = [float(seed["loss_last_finite"]) for seed in outcome.diverged]
    return [loss for loss in losses if not isnan(loss)]


def scale(outcome: TrainingOutcome) -> str:
    """Return what is far from unit scale, with its mean square; mostly empty."""
    parts = []
    for quantity in outcome.unscaled:
        square = span_text([float(seed[f"{quantity.removesuffix('s')}_mean_square"]) for seed in outcome.seeds])
        parts.append(f"mean square of the {quantity} {square}")
    return ", ".join(parts)


def motionless(outcome: TrainingOutcome, verdict: str) -> str:
    """Return why no weight moved, as far as it was measured: the rate, or a gradient that is exactly zero."""
    parts = [f"not one bit in {count(outcome.steps, 'step')}"]
    if all(seed["lr"] == 0 for seed in outcome.seeds):
        parts.append("lr is 0")
    elif verdict == "dead":
        parts.append("the gradient is exactly zero before training")
    return ", ".join(parts)


def still_blocks(outcome: TrainingOutcome) -> str:
    """Return how many blocks kept their weights to the bit, where it is not all of them; empty without any."""
    numbers = [int(number) for number in outcome.values("unmoved_blocks")]
    if not any(numbers):
        return ""
    low, high = min(numbers), max(numbers)
    return f"the weights of {low if low == high else f'{low} to {high}'} blocks never moved"


def lost_metric(outcome: TrainingOutcome, metric: str) -> str:
    """Return which metrics measure nothing, of how many seeds, and from which probed step on."""
    seeds = outcome.metric_lost
    numbers = sorted((float(seed["metric"]) for seed in seeds), key=lambda value: (isnan(value), value))
    values = list(dict.fromkeys(map(metric_text, numbers)))
    at = [int(seed["metric_lost_at"]) for seed in seeds if not isnan(seed["metric_lost_at"])]
    since = f", from step {min(at):,} on" if at else ""
    text = values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"
    return f"{metric} {text}{since}, {_share(len(seeds), outcome)}"


def first_loss(outcome: TrainingOutcome) -> str:
    """Return the loss before training."""
    return span_text([float(seed["loss_first"]) for seed in outcome.seeds])


def layer_text(point: Point, *, final: bool = False) -> str:
    """Return the survival of the stacked layer furthest from 1, where that is what a network is judged by."""
    layer, together = judged_log10(point, final=final), float(point[f"log10_survival{'_final' if final else ''}"])
    return f", {_survival(layer)} in one layer" if layer != together and not isnan(layer) else ""


def late_loss(outcome: TrainingOutcome) -> str:
    """Return the training loss in the last two quarters of the steps, beside that of a guess where it is one."""
    third, last = (outcome.mean(f"train_loss_{name}") for name in ("q3", "q4"))
    if isnan(third) or isnan(last):
        return f"loss {number_text(outcome.mean('loss_first'))} before and {number_text(outcome.mean('loss'))} after"
    if outcome.trend in ("falling", "rising", "unclear"):
        text = f"training loss {number_text(third)} to {number_text(last)} over the last half"
        within = f"within {CERTAIN:g} standard errors: {number_text(CERTAIN * outcome.trend_error, 2)}"
        return f"{text}, {within}" if outcome.trend == "unclear" else text
    chance = f", chance: ln {outcome.mean('out_features'):.0f}" if outcome.at_chance else ""
    first = outcome.mean("loss_first")
    fell = f" from {number_text(first)} at first" if first > 1.05 * last and not chance else ""
    return f"training loss {number_text(last)}{fell} at the end{chance}"


def measured(outcome: TrainingOutcome, point: Point) -> str:
    """Return what else was looked at: survival before and after, how far the weights went, saturation, clipping."""
    parts = [survival_text(point)]
    if not isnan(moved := outcome.mean("displacement")) and not isinf(moved):
        parts.append(f"weights moved by at most {percent(moved)}")
    if still := still_blocks(outcome):
        parts.append(still)
    if (saturated := outcome.mean("saturated")) >= _SATURATED:
        parts.append(f"{percent(saturated)} of the units saturated before training")
    if clipped := clipping(outcome):
        parts.append(clipped)
    return ", ".join(parts)


def clipping(outcome: TrainingOutcome) -> str:
    """Return how often and how much the gradient was clipped; empty where that was rare."""
    rate = outcome.mean("clip_rate")
    if not rate >= _CLIPPED:  # NaN without clipping
        return ""
    steps = "every step" if rate == 1 else f"{percent(rate)} of the steps"
    factor = number_text(outcome.mean("clip_coef_mean"), 2)
    return f"clipped at {steps}, to {factor} of the gradient on average"


def survival_text(point: Point) -> str:
    """Return the survival of all layers together before and after training, with the mark that it has."""
    texts = []
    for final, when in ((False, "before"), (True, "after")):
        sign = mark_of(point, final=final).sign
        number = float(point["log10_survival_final" if final else "log10_survival"])
        value, note = _survival(number), f" ({sign})" if sign in ("fading", "growing") else ""
        if sign == "dead" and isnan(number):
            value = "exactly zero"
        elif sign == "dead" and not isinf(number):
            note = " (exactly zero in at least half of the seeds)"
        texts.append(f"{value} {when}{note}")
    return f"survival {texts[0]} and {texts[1]}"


def _survival(log10_value: float) -> str:
    return "not known" if isnan(log10_value) else "exactly zero" if isinf(log10_value) else power(log10_value)


def learned_text(outcome: TrainingOutcome, point: Point, metric: str) -> str:
    """Return the final metric and how many seeds learned."""
    value = float(point["metric"])
    score = "" if isnan(value) else f"{metric} {metric_text(value)}, "
    return f"{score}{_share(outcome.learned, outcome)}"
