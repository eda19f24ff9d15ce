"""What a measurement of a model of the user says, in sentences: verdict, decay, the block where it goes wrong, why."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from gradlab.modules.causes.rules import Cause
from gradlab.modules.summary import Summary, last_reached
from gradlab.report.formatting import count, decade, joined, power
from gradlab.report.model.module_report import ModuleReport, reached

__all__ = ["conclusions", "details", "heading", "outstanding", "survival_text"]

_LN10 = math.log(10)
_OUTSTANDING = math.log(3)
"""How far ln of a block's factor must lie from the median of all, to be the block where it goes wrong."""
_LISTED = 6


def heading(result: ModuleReport, dot: str) -> str:
    """Return the first line: what was measured."""
    seeds = len(result.seed_norms)
    parts = [result.name, count(len(result.blocks), "block"), count(result.parameters, "parameter")]
    parts.append("training mode" if result.training else "evaluation mode")
    parts.append(count(seeds, "seed") if seeds > 1 else "one model")
    return f" {dot} ".join(parts)


def conclusions(result: ModuleReport) -> list[str]:
    """Return what follows from the numbers, one sentence each, the verdict first."""
    counted = reached(result)
    if not counted.blocks:
        return ["No gradient reached any block.", *_reservations(result)]
    norms = counted.log10_norms
    sentences = [_verdict(counted)]
    if math.isfinite(norms[0]) and not math.isnan(norms[-1]) and len(norms) > 2:
        if -math.inf in norms and result.summary.verdict in ("healthy", "vanishing", "exploding"):
            sentences.append(f"The gradient is exactly zero {_below(counted)}, beside the others.")
        elif not math.isnan(result.summary.log_decay):
            sentences.append(_decay(result.summary))
    sentences += _where(counted)
    sentences += map(_cause, result.causes)
    return [*sentences, *_reservations(result)]


def _reservations(result: ModuleReport) -> list[str]:
    """Return what is to be known of some blocks: those that are no cuts, and frozen ones."""
    total, sentences = len(result.blocks), []
    passing = sum(not row["is_cut"] for row in result.blocks)
    frozen = sum(row["frozen"] and row["connected"] for row in result.blocks)
    if passing:
        subject = "No block is a cut" if passing == total else f"{_of(passing, total)} not a cut"
        sentences.append(f"{subject}: a part of the gradient passes by, so that these norms are of the rest.")
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
    summary, names, seeds = result.summary, result.names, len(result.seed_norms)
    survival = survival_text(summary.log_survival, summary.log_survival_interval)
    if seeds > 1 and math.isfinite(summary.log_survival_interval[0]):
        survival += " over the seeds"
    top = last_reached(np.array(result.seed_norms)) if names else 0
    first = f"the first block ({names[0]})"
    last = f"the last block{' that has one' * (top < len(names) - 1)} ({names[top]})"
    match summary.verdict:
        case "healthy" | "vanishing" | "exploding" if len(names) == 1:
            return "Healthy, as far as a single block can tell: survival compares the first block with the last."
        case "vanishing":
            text = f"Vanishing: of the gradient at {last} {survival} arrives at {first}"
        case "exploding":
            text = f"Exploding: from {last} to {first} the gradient grows by {survival}"
        case "healthy":
            words = "Healthy by survival alone:" if result.causes else "Healthy: survival"  # tokens that become alike
            text = f"{words} {survival}, the gradient at {first} over that at {last}"
        case "detached":
            detached = [place for place, row in enumerate(result.blocks) if not row["connected"]]
            text = (
                f"Detached: no path leads from the loss to {_blocks(names, detached)}, which {_do(detached)} not train"
            )
        case "masked":
            blocks_below = _below(result)
            text = f"Masked: the gradient is exactly zero {blocks_below}, as a weight above is zero in every element"
        case "dead":
            text = f"Dead: the gradient is exactly zero {_below(result)}"
        case _:
            quantity = "the loss" if result.loss is not None and not math.isfinite(result.loss) else "the gradient"
            text = f"Not finite: {quantity} is infinite or not a number"
    verdicts = Counter(summary.verdicts)
    if len(verdicts) > 1:
        counts = joined([f"{number} {name}" for name, number in verdicts.most_common()])
        text += f"; of {seeds} seeds {counts}"
    return f"{text}."


def _decay(summary: Summary) -> str:
    factor = math.exp(min(summary.log_decay, 700))
    text = f"Each block multiplies the gradient by {factor:.3g}"
    if math.isinf(summary.reach_interval[1]):
        return f"{text}: no change, within its error."
    if math.isfinite(summary.reach):
        change = "a thousandth is left" if summary.log_decay < 0 else "it has grown a thousandfold"
        low, high = summary.reach_interval
        ends = [decade(end) if math.isfinite(end) else "never" for end in (low, high)]
        between = f" [{', '.join(ends)}]" if not math.isnan(low) and ends[0] != ends[1] else ""
        return f"{text}: {change} after {decade(summary.reach)} blocks{between}."
    return f"{text}: it reaches any depth."


def outstanding(result: ModuleReport) -> int | None:
    """Return the place of the block whose factor lies furthest from that of the others, where one does.

    The factor of a block is the gradient at its input over that at its output.
    """
    log_g = np.array(result.log10_norms) * _LN10
    factors = log_g[:-1] - log_g[1:] if np.isfinite(log_g).all() else np.array([])
    if len(factors) < 3:
        return None
    distances = np.abs(factors - np.median(factors))
    place = int(distances.argmax())
    return place + 1 if distances[place] > _OUTSTANDING else None


def _where(result: ModuleReport) -> list[str]:
    verdict, log_g = result.summary.verdict, np.array(result.log10_norms) * _LN10
    place = outstanding(result)
    if place is not None and not (result.blocks[place - 1]["is_cut"] and result.blocks[place]["is_cut"]):
        return []  # neither may lie below the other
    if place is None:
        if verdict in ("vanishing", "exploding") and len(log_g) > 3 and np.isfinite(log_g).all():
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
    block = f"{result.names[place]} (block {result.blocks[place]['block']})"
    return [f"It changes most in {block}: {change} from its output to its input{much}."]


def _cause(cause: Cause) -> str:
    """Return why, with the numbers that the words do not have."""
    worst = f"worst at {cause.block}" if cause.block and cause.block not in re.split(r"[ ,:;()]+", cause.what) else ""
    evidence = [f"{name} {value:.3g}" for name, value in cause.evidence.items() if f"{value:.3g}" not in cause.what]
    about = "; ".join(filter(None, [worst, ", ".join(evidence), cause.source]))
    return f"Why: {cause.what.rstrip('.')}" + (f" ({about})." if about else ".")


def details(result: ModuleReport) -> list[tuple[str, str]]:
    """Return how it was measured: what each line is about, and the line."""
    loss = "" if result.loss is None or result.objective.startswith("no loss") else f", {result.loss:.4g}"
    lines = [
        ("differentiated", f"{result.objective}{loss}"),
        ("source", f"input {result.source}" if result.source.isdigit() else result.source or "the input"),
    ]
    lines += [("blocks", result.rule), ("computed in", result.dtype)]
    if result.uncalled:
        unlisted = len(result.uncalled) - _LISTED
        lines.append(
            ("never called", ", ".join(result.uncalled[:_LISTED]) + (f" and {unlisted} more" if unlisted > 0 else ""))
        )
    return [*lines, *(("note", note) for note in result.notes)]


def _below(result: ModuleReport) -> str:
    zero = [place for place, norm in enumerate(result.log10_norms) if norm == -math.inf]
    total = len(result.blocks)
    if len(zero) == total:
        return "at every block"
    if zero == list(range(len(zero))):
        return f"at and below {result.names[zero[-1]]} (block {zero[-1] + 1} of {total})"
    return f"at {_blocks(result.names, zero)}"


def _blocks(names: Sequence[str], places: Sequence[int]) -> str:
    if len(places) == len(names):
        return "any block"
    if len(places) > 2 and list(places) == list(range(places[0], places[-1] + 1)):
        return f"{len(places)} blocks, {names[places[0]]} to {names[places[-1]]}"
    listed = [names[place] for place in places[:_LISTED]]
    unlisted = len(places) - len(listed)
    return joined(listed) + (f" and {unlisted} more" if unlisted else "")


def _do(places: Sequence[int]) -> str:
    return "does" if len(places) == 1 else "do"
