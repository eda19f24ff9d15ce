"""The numbers of a comparison as tables: shares of the variance, effects of levels, paired comparisons, their notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan, nan

from gradlab.analysis.compare.comparison import Comparison, ResponseAnalysis
from gradlab.analysis.compare.main_effects import LevelEffect
from gradlab.analysis.compare.paired_comparisons import PairedComparison
from gradlab.analysis.compare.paired_differences import FEWEST_SEEDS
from gradlab.analysis.compare.responses import Response
from gradlab.analysis.compare.seed_means import LEVEL
from gradlab.analysis.compare.variance import VarianceShares, VarianceTerm
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
    rows: tuple[LevelEffect, ...]
    hidden: tuple[str, ...]
    """Factors with too many levels to list."""
    notes: tuple[str, ...]
    """Which effects stand on a part of the settings, and which there are not."""


@dataclass(frozen=True, slots=True)
class PairedTable:
    """Paired comparisons against a baseline."""

    title: str
    log: bool
    """Whether differences are log10 of a ratio."""
    settings: tuple[str, ...]
    rows: tuple[PairedComparison, ...]
    notes: tuple[str, ...]


def response_name(response: Response, metric_name: str) -> str:
    """Return what a response is called where its numbers stand; `metric_name` is the tasks' name of the metric."""
    if response.name == "metric":
        return f"final {metric_name or 'metric'}"
    return f"log10 {response.name}" if response.log else response.name


def percent(share: float) -> str:
    """Return a share of the variance as ``31.1 %``."""
    return f"{100 * share:.1f} %"


def share_of(term: VarianceTerm | None) -> float | None:
    """Return omega squared of a term, eta squared without a residual; NaN where it cannot be estimated."""
    if term is None:
        return None
    return nan if not term.freedom else term.eta2 if isnan(term.omega2) else term.omega2


def variance_table(analyses: Sequence[ResponseAnalysis], metric_name: str) -> VarianceTable:
    """Return the analysis of variance of every response that varies, with its notes.

    Interactions below `LISTED_SHARE` in every response are counted in a note.
    """
    analysed = [analysis for analysis in analyses if analysis.shares.terms]
    names = {analysis.response.name: response_name(analysis.response, metric_name) for analysis in analyses}
    sources: dict[tuple[str, ...], list[float | None]] = {}
    for index, analysis in enumerate(analysed):
        for term in analysis.shares.terms:
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
    notes_of = {names[analysis.response.name]: _response_notes(analysis) for analysis in analyses}
    common = [note for note in next(iter(notes_of.values()), []) if all(note in listed for listed in notes_of.values())]
    notes = common + [f"{name}: {note}" for name, listed in notes_of.items() for note in listed if note not in common]
    if small:
        notes.insert(0, f"{count(len(small), 'interaction')} below {percent(LISTED_SHARE)} not shown")
    return VarianceTable(
        tuple(names[analysis.response.name] for analysis in analysed), (*rows, *_residuals(analysed)), tuple(notes)
    )


def _response_notes(analysis: ResponseAnalysis) -> list[str]:
    shares = analysis.shares
    if not shares.terms:
        reason = shares.notes[-1] if shares.notes else "nothing varies but the seed"
        return [f"no shares: {reason}"]
    notes = list(shares.notes)
    if shares.left_out:
        reason = {"metric": "diverged, or a metric that measures nothing", "loss": "diverged"}.get(
            analysis.response.name, "exactly zero or not finite"
        )
        notes.append(f"{count(shares.left_out, 'cell')} without a finite value left out ({reason})")
    return notes


_RESIDUALS: tuple[tuple[str, Callable[[VarianceShares], VarianceTerm | None]], ...] = (
    ("three factors and more", lambda shares: shares.higher),
    ("seed (same data and draws)", lambda shares: shares.seed),
    ("residual variance", lambda shares: shares.residual),
)


def _residuals(analysed: Sequence[ResponseAnalysis]) -> list[VarianceRow]:
    rows = [
        VarianceRow((), name, tuple(share_of(pick(analysis.shares)) for analysis in analysed))
        for name, pick in _RESIDUALS
    ]
    return [row for row in rows if any(share is not None for share in row.shares)]


def effect_table(analysis: ResponseAnalysis, metric_name: str, most_levels: int) -> EffectTable:
    """Return the main effects on one response, without factors that have more than `most_levels` levels."""
    sizes: dict[str, int] = {}
    for level in analysis.effects.levels:
        sizes[level.factor] = sizes.get(level.factor, 0) + 1
    hidden = tuple(factor for factor, size in sizes.items() if size > most_levels)
    rows = tuple(level for level in analysis.effects.levels if level.factor not in hidden)
    name = response_name(analysis.response, metric_name)
    return EffectTable(name, analysis.response.log, rows, hidden, analysis.effects.notes)


def paired_table(comparison: Comparison) -> PairedTable | None:
    """Return the comparisons against the baseline with their notes; None where none was asked for."""
    changes, response = comparison.paired, comparison.response
    if not changes:
        return None
    base = ", ".join(f"{key}={value}" for key, value in comparison.baseline.items())
    unit = "log10 of the ratio" if response.log else "difference"
    title = f"Against {base}, all else equal: {response.name}, mean {unit} over pairs of the same seed (95 %)"
    notes = [
        f"↑ ↓ a difference, ~ not significant, = no pair differs; p by Holm for {count(len(changes), 'comparison')}: "
        "paired t test and sign-flip permutation test, both over the n seeds",
        "same sign: settings, otherwise equal, whose own difference has the sign of the mean",
    ]
    tested = [change.difference for change in changes if change.difference.seeds]
    smallest = max((test.least_flip for test in tested), default=0.0)
    if smallest * len(changes) > LEVEL:
        least = min(test.seeds for test in tested)
        fewest = count(least, "seed")
        undecided = response.name == "learned" or least < FEWEST_SEEDS
        decides = "nothing can be decided" if undecided else "the t test decides there"
        limit = f"{smallest:.3g}" + (f", times {len(changes)} comparisons" if len(changes) > 1 else "")
        notes.append(f"{fewest} cannot decide at {100 * LEVEL:.0f} % by sign flips (smallest p {limit}): {decides}")
    lost = sum(change.left_out for change in changes)
    if lost:
        notes.append(f"{count(lost, 'pair')} left out: one of the two has no finite value")
    return PairedTable(title, response.log, changes[0].settings, changes, tuple(notes))
