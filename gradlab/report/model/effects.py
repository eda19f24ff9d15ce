"""The numbers of a comparison as tables: shares of the variance, effects of levels, paired comparisons, their notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan, nan

from gradlab.analysis.compare.changes import Change
from gradlab.analysis.compare.comparison import Comparison, Weight
from gradlab.analysis.compare.design import Metric
from gradlab.analysis.compare.effects import Level, Shares, Term
from gradlab.analysis.compare.seeds import LEVEL
from gradlab.report.formatting import count
from gradlab.thresholds import LISTED_SHARE

__all__ = [
    "EffectTable",
    "PairedTable",
    "VarianceRow",
    "VarianceTable",
    "effect_table",
    "paired_table",
    "percent",
    "response_name",
    "share_of",
    "variance_table",
]


@dataclass(frozen=True, slots=True)
class VarianceRow:
    """What one source explains of the variance of each response."""

    factors: tuple[str, ...]
    """One factor, or two for an interaction; empty for what no factor explains."""
    name: str
    shares: tuple[float | None, ...]
    """[responses]: None where the response has no such source, NaN where it cannot be estimated."""
    signed: bool = False
    """Whether it may be negative: the overlap of the factors of an unbalanced grid."""


@dataclass(frozen=True, slots=True)
class VarianceTable:
    """Shares of the variance of each response, largest factors first, then residuals."""

    responses: tuple[str, ...]
    rows: tuple[VarianceRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EffectTable:
    """Main effects on one response: each level against the mean over the levels of its factor, 95 % over seeds."""

    response: str
    log: bool
    """Whether effects are differences of log10."""
    rows: tuple[Level, ...]
    hidden: tuple[str, ...]
    """Factors with too many levels to list."""


@dataclass(frozen=True, slots=True)
class PairedTable:
    """Paired comparisons against a baseline."""

    title: str
    log: bool
    """Whether differences are log10 of a ratio."""
    settings: tuple[str, ...]
    rows: tuple[Change, ...]
    notes: tuple[str, ...]


def response_name(metric: Metric, metric_name: str) -> str:
    """Return what a response is called where its numbers stand; `metric_name` is the tasks' name of the metric."""
    if metric.name == "metric":
        return f"final {metric_name or 'metric'}"
    return f"log10 {metric.name}" if metric.log else metric.name


def percent(share: float) -> str:
    """Return a share of the variance as ``31.1 %``."""
    return f"{100 * share:.1f} %"


def share_of(term: Term | None) -> float | None:
    """Return omega squared of a term, eta squared where chance has no measure; NaN where it cannot be estimated."""
    if term is None:
        return None
    return nan if not term.freedom else term.eta2 if isnan(term.omega2) else term.omega2


def variance_table(analyses: Sequence[Weight], metric_name: str) -> VarianceTable:
    """Return the analysis of variance of every response that varies, with its notes.

    Interactions below `LISTED_SHARE` in every response are counted in a note.
    """
    analysed = [weight for weight in analyses if weight.shares.terms]
    names = {weight.metric.name: response_name(weight.metric, metric_name) for weight in analyses}
    sources: dict[tuple[str, ...], list[float | None]] = {}
    for index, weight in enumerate(analysed):
        for term in weight.shares.terms:
            sources.setdefault(term.factors, [None] * len(analysed))[index] = share_of(term)
    small = {
        factors
        for factors, shares in sources.items()
        if len(factors) > 1 and max((share for share in shares if share is not None and not isnan(share)), default=0)
        < LISTED_SHARE
    }  # fmt: skip
    rows = [
        VarianceRow(factors, " × ".join(factors), tuple(shares))
        for factors, shares in sources.items()
        if factors not in small
    ]
    notes = [note for weight in analyses for note in _response_notes(weight, names[weight.metric.name])]
    overlaps = [weight.shares.unsplit for weight in analysed]
    if any(abs(share) >= LISTED_SHARE for share in overlaps):
        notes.insert(0, "overlap: what the factors of an unbalanced grid explain together (negative: counted twice)")
    if small:
        notes.insert(0, f"{count(len(small), 'interaction')} below {percent(LISTED_SHARE)} not shown")
    partial = {" × ".join(term.factors): term.note for weight in analysed for term in weight.shares.terms if term.note}
    notes += [f"{name}: {note}" for name, note in partial.items()]
    return VarianceTable(
        tuple(names[weight.metric.name] for weight in analysed), (*rows, *_residuals(analysed)), tuple(notes)
    )


def _response_notes(weight: Weight, name: str) -> list[str]:
    shares = weight.shares
    if not shares.terms:
        reason = shares.notes[-1] if shares.notes else "nothing varies but the seed"
        return [f"{name}: {reason}, so there is nothing to explain"]
    notes = [f"{name}: {note}" for note in shares.notes]
    if shares.left_out:
        reason = "diverged" if weight.metric.name in ("metric", "loss") else "exactly zero or not finite"
        notes.append(f"{name}: {count(shares.left_out, 'cell')} without a finite value left out ({reason})")
    return notes


_RESIDUALS: tuple[tuple[str, Callable[[Shares], Term | None]], ...] = (
    ("three factors and more", lambda shares: shares.higher),
    ("seed (same data and draws)", lambda shares: shares.seed),
    ("residual variance", lambda shares: shares.chance),
)


def _residuals(analysed: Sequence[Weight]) -> list[VarianceRow]:
    rows = [
        VarianceRow((), name, tuple(share_of(pick(weight.shares)) for weight in analysed)) for name, pick in _RESIDUALS
    ]
    overlaps = tuple(
        weight.shares.unsplit if abs(weight.shares.unsplit) >= LISTED_SHARE else None for weight in analysed
    )
    rows.append(VarianceRow((), "overlap of factors", overlaps, signed=True))
    return [row for row in rows if any(share is not None for share in row.shares)]


def effect_table(weight: Weight, metric_name: str, most_levels: int) -> EffectTable:
    """Return the main effects on one response, without factors that have more than `most_levels` levels."""
    sizes: dict[str, int] = {}
    for level in weight.levels:
        sizes[level.factor] = sizes.get(level.factor, 0) + 1
    hidden = tuple(factor for factor, size in sizes.items() if size > most_levels)
    rows = tuple(level for level in weight.levels if level.factor not in hidden)
    return EffectTable(response_name(weight.metric, metric_name), weight.metric.log, rows, hidden)


def paired_table(comparison: Comparison) -> PairedTable | None:
    """Return the comparisons against the baseline with their notes; None where none was asked for."""
    changes, metric = comparison.changes, comparison.metric
    if not changes:
        return None
    base = ", ".join(f"{key}={value}" for key, value in comparison.baseline.items())
    unit = "log10 of the ratio" if metric.log else "difference"
    title = f"Against {base}, all else equal: {metric.name}, mean {unit} over pairs of the same seed (95 %)"
    notes = [
        f"↑ ↓ a difference, ~ not significant, = no pair differs; p by Holm for {count(len(changes), 'comparison')}: "
        "paired t test and sign-flip permutation test, both over the n seeds",
        "same sign: settings, otherwise equal, whose own difference has the sign of the mean",
    ]
    tested = [change.difference for change in changes if change.difference.seeds]
    smallest = max((test.least_flip for test in tested), default=0.0)
    if smallest * len(changes) > LEVEL:
        fewest = count(min(test.seeds for test in tested), "seed")
        decides = "nothing can be decided" if metric.name == "learned" else "the t test decides there"
        limit = f"{smallest:.3g}" + (f", times {len(changes)} comparisons" if len(changes) > 1 else "")
        notes.append(f"{fewest} cannot decide at {100 * LEVEL:.0f} % by sign flips (smallest p {limit}): {decides}")
    lost = sum(change.left_out for change in changes)
    if lost:
        notes.append(f"{count(lost, 'pair')} left out: one of the two has no finite value")
    return PairedTable(title, metric.log, changes[0].settings, changes, tuple(notes))
