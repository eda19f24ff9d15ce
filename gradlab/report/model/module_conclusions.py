"""What a measurement of a model of the user says, in sentences: verdict, decay, the block where it goes wrong, why."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from gradlab.modules.causes import Cause
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.summary import Summary, log_grad_norms
from gradlab.report.formatting import count, decade, joined, power
from gradlab.report.model.module_rows import label

__all__ = ["ModuleReport", "conclusions", "details", "heading", "outstanding", "survival_text"]

_LN10 = math.log(10)
_OUTSTANDING = math.log(3)
"""How far ln of a block's factor must lie from the median of all, to be the block where it goes wrong."""
_LISTED = 6


class _Thresholds(Protocol):
    @property
    def vanish(self) -> float: ...
    @property
    def explode(self) -> float: ...


class ModuleReport(Protocol):
    """What is reported, as `gradlab.api.probe.ProbeResult` has it."""

    @property
    def name(self) -> str: ...
    @property
    def profiles(self) -> tuple[ModuleProfile, ...]: ...
    @property
    def summary(self) -> Summary: ...
    @property
    def options(self) -> _Thresholds: ...
    @property
    def causes(self) -> tuple[Cause, ...]: ...


def heading(result: ModuleReport, dot: str) -> str:
    """Return the first line: what was measured."""
    profile = result.profiles[0]
    parts = [result.name, count(len(profile.blocks), "block"), count(profile.parameters, "parameter")]
    parts.append("training mode" if profile.training else "evaluation mode")
    parts.append(count(len(result.profiles), "seed") if len(result.profiles) > 1 else "one model")
    return f" {dot} ".join(parts)


def conclusions(result: ModuleReport) -> list[str]:
    """Return what follows from the numbers, one sentence each, the verdict first."""
    profile = result.profiles[0]
    sentences = [_verdict(result)]
    if all(math.isfinite(end) for end in log_grad_norms(profile)[[0, -1]]) and len(profile.blocks) > 2:
        sentences.append(_decay(result.summary))
    sentences += _where(result)
    sentences += map(_cause, result.causes)
    return [*sentences, *_reservations(profile)]


def _reservations(profile: ModuleProfile) -> list[str]:
    """Return what is to be known of some blocks: those that are no cuts, and frozen ones."""
    total, sentences = len(profile.blocks), []
    passing, frozen = (sum(map(own, profile.blocks)) for own in (lambda b: not b.is_cut, lambda b: b.frozen))
    if passing:
        which = "No block is a cut" if passing == total else f"{_of(passing, total)} not a cut"
        sentences.append(f"{which}: a part of the gradient passes by, so that these norms are of the rest.")
    if frozen:
        sentences.append(f"{_of(frozen, total)} frozen; the gradient is what it would be in training.")
    return sentences


def _of(number: int, total: int) -> str:
    return f"{number} of {count(total, 'block')} {'is' if number == 1 else 'are'}"


def survival_text(log_survival: float, interval: tuple[float, float] = (math.nan, math.nan)) -> str:
    """Return a survival, given as its natural logarithm, as `0.02`, `10^-19.5`, with its interval."""
    if math.isnan(log_survival):
        return "not known"
    if log_survival == -math.inf:
        return "exactly zero"
    text = power(log_survival / _LN10)
    if all(map(math.isfinite, interval)):
        text += f" [{', '.join(power(end / _LN10) for end in interval)}]"
    return text


def _verdict(result: ModuleReport) -> str:
    summary, profile, seeds = result.summary, result.profiles[0], len(result.profiles)
    log_g, survival = log_grad_norms(profile), survival_text(summary.log_survival, summary.log_survival_interval)
    if seeds > 1 and math.isfinite(summary.log_survival_interval[0]):
        survival += " over the seeds"
    first, last = (f"the {name} block ({_label(profile, place)})" for name, place in (("first", 0), ("last", -1)))
    match summary.verdict:
        case "healthy" | "vanishing" | "exploding" if len(profile.blocks) == 1:
            return "Healthy, as far as a single block can tell: survival compares the first block with the last."
        case "vanishing":
            text = f"Vanishing: of the gradient at {last} {survival} arrives at {first}"
        case "exploding":
            text = f"Exploding: from {last} to {first} the gradient grows by {survival}"
        case "healthy":
            text = f"Healthy: survival {survival}, the gradient at {first} over that at {last}"
        case "detached":
            missing = [place for place, block in enumerate(profile.blocks) if not block.connected]
            text = (
                f"Detached: no path leads from the loss to {_blocks(profile, missing)}, which {_do(missing)} not train"
            )
        case "masked":
            where = _below(profile, log_g)
            text = f"Masked: the gradient is exactly zero {where}, as a weight above is zero in every element"
        case "dead":
            text = f"Dead: the gradient is exactly zero {_below(profile, log_g)}"
        case _:
            what = "the loss" if not math.isfinite(profile.loss) else "the gradient"
            text = f"Not finite: {what} is infinite or not a number"
    verdicts = Counter(summary.verdicts)
    if len(verdicts) > 1:
        others = joined([f"{number} {name}" for name, number in verdicts.most_common()])
        text += f"; of {seeds} seeds {others}"
    return f"{text}."


def _decay(summary: Summary) -> str:
    factor = math.exp(min(summary.log_decay, 700))
    text = f"Each block multiplies the gradient by {factor:.3g}"
    if math.isinf(summary.reach_interval[1]):
        return f"{text}: no change, within its error."
    if math.isfinite(summary.reach):
        what = "a thousandth is left" if summary.log_decay < 0 else "it has grown a thousandfold"
        low, high = summary.reach_interval
        ends = [decade(end) if math.isfinite(end) else "never" for end in (low, high)]
        between = f" [{', '.join(ends)}]" if not math.isnan(low) and ends[0] != ends[1] else ""
        return f"{text}: {what} after {decade(summary.reach)} blocks{between}."
    return f"{text}: it reaches any depth."


def outstanding(profiles: Sequence[ModuleProfile]) -> int | None:
    """Return the place of the block whose factor lies furthest from that of the others, where one does.

    The factor of a block is the gradient at its input over that at its output.
    """
    log_g = np.stack([log_grad_norms(profile) for profile in profiles]).mean(0)
    factors = log_g[:-1] - log_g[1:] if np.isfinite(log_g).all() else np.array([])
    if len(factors) < 3:
        return None
    distances = np.abs(factors - np.median(factors))
    place = int(distances.argmax())
    return place + 1 if distances[place] > _OUTSTANDING else None


def _where(result: ModuleReport) -> list[str]:
    profile, verdict = result.profiles[0], result.summary.verdict
    log_g = np.stack([log_grad_norms(own) for own in result.profiles]).mean(0)
    place = outstanding(result.profiles)
    if place is None:
        if verdict in ("vanishing", "exploding") and len(log_g) > 3:
            return [f"It {'shrinks' if verdict == 'vanishing' else 'grows'} evenly: no block stands out."]
        return []
    log_factor = log_g[place - 1] - log_g[place]
    change = (
        f"{power(log_factor / _LN10)} of the gradient passes"
        if log_factor < 0
        else f"the gradient grows by {power(log_factor / _LN10)}"
    )
    share = log_factor / (log_g[0] - log_g[-1]) if log_g[0] != log_g[-1] else 0.0
    much = (
        f", {100 * share:.0f} % of the whole change in orders of magnitude"
        if verdict != "healthy" and 0.1 < share <= 1
        else ""
    )
    return [
        f"It changes most in {_label(profile, place)} (block {place + 1}): {change} from its output to its input{much}."
    ]


def _cause(cause: Cause) -> str:
    """Return why, with the numbers that the words do not have."""
    worst = f"worst at {cause.block}" if cause.block and cause.block not in re.split(r"[ ,:;()]+", cause.what) else ""
    evidence = [f"{name} {value:.3g}" for name, value in cause.evidence.items() if f"{value:.3g}" not in cause.what]
    about = "; ".join(filter(None, [worst, ", ".join(evidence), cause.source]))
    return f"Why: {cause.what.rstrip('.')}" + (f" ({about})." if about else ".")


def details(result: ModuleReport) -> list[tuple[str, str]]:
    """Return how it was measured: what each line is about, and the line."""
    profile = result.profiles[0]
    loss = "" if profile.objective.startswith("no loss") else f", {profile.loss:.4g}"
    lines = [
        ("differentiated", f"{profile.objective}{loss}"),
        ("source", f"input {profile.source}" if profile.source.isdigit() else profile.source or "the input"),
    ]
    lines += [("blocks", profile.rule), ("computed in", profile.dtype)]
    if profile.uncalled:
        more = len(profile.uncalled) - _LISTED
        lines.append(
            ("never called", ", ".join(profile.uncalled[:_LISTED]) + (f" and {more} more" if more > 0 else ""))
        )
    notes = dict.fromkeys(note for own in result.profiles for note in own.notes)
    return [*lines, *(("note", note) for note in notes)]


def _label(profile: ModuleProfile, place: int) -> str:
    block = profile.blocks[place]
    return label(block, sum(other.name == block.name for other in profile.blocks))


def _below(profile: ModuleProfile, log_g: Any) -> str:
    zero = np.flatnonzero(np.isneginf(log_g)).tolist()
    if len(zero) == len(log_g):
        return "at every block"
    if zero == list(range(len(zero))):
        return f"at and below {_label(profile, zero[-1])} (block {zero[-1] + 1} of {len(log_g)})"
    return f"at {_blocks(profile, zero)}"


def _blocks(profile: ModuleProfile, places: Sequence[int]) -> str:
    if len(places) == len(profile.blocks):
        return "any block"
    if len(places) > 2 and list(places) == list(range(places[0], places[-1] + 1)):
        return f"{len(places)} blocks, {_label(profile, places[0])} to {_label(profile, places[-1])}"
    names = [_label(profile, place) for place in places[:_LISTED]]
    more = len(places) - len(names)
    return joined(names) + (f" and {more} more" if more else "")


def _do(places: Sequence[int]) -> str:
    return "does" if len(places) == 1 else "do"
