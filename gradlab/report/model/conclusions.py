"""The conclusions of a comparison, as sentences with its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gradlab.analysis.compare.comparison import Comparison, ResponseAnalysis
from gradlab.analysis.compare.design import setting_text
from gradlab.analysis.compare.matched_counts import matched_counts
from gradlab.analysis.compare.paired_comparisons import Improvement
from gradlab.analysis.compare.paired_differences import FEWEST_SEEDS
from gradlab.analysis.compare.seed_means import LEVEL
from gradlab.cell import setting_behind
from gradlab.families import Axis
from gradlab.report.formatting import count, factor_text, joined, power
from gradlab.report.model.best_conclusions import best_conclusions
from gradlab.report.model.brief_conclusions import brief_learning, brief_losses, decay_text
from gradlab.report.model.compared_outcomes import configurations_of_comparison
from gradlab.report.model.comparison_best import best_rows
from gradlab.report.model.effects import response_name, share_of
from gradlab.report.model.labels import name_of
from gradlab.report.model.training_conclusions import learning, losses
from gradlab.thresholds import UNEXPLAINED_Z

__all__ = ["conclusions"]

_NAMED = 3
"""Configurations named in one sentence; the rest are counted."""
_FEW = 3
"""Seeds below which intervals are wide: with two, Student's t is 12.7 standard errors."""
_WIDE = 1.0
"""Half width of an interval of log10 survival from which a sentence names it."""
_LEVELS = 6
"""Levels of a factor whose counts are given."""
_MAJOR_SHARE = 0.05
"""Share of the variance from which a factor is named among the largest."""
_ALIKE = "all alike"
"""Name of configurations that only training tells apart."""

Point = pd.Series  # one row of `Comparison.configurations`


def conclusions(comparison: Comparison, *, brief: bool = False) -> list[str]:
    """Return plain sentences, the most important first; each only where it applies.

    `brief`: with an example and a count in the place of all evidence.
    """
    trained = comparison.design.fixed.get("train.steps") != 0
    measured = configurations_of_comparison(comparison, lambda point: _name(comparison, point)) if trained else []
    metric = comparison.metric_name or "metric"
    before = [
        *_unmeasurable(comparison), *_beyond(comparison, "vanishing", brief=brief),
        *_beyond(comparison, "exploding", brief=brief),
    ]  # fmt: skip
    # what holds before training does not depend on the choice of a best value
    chosen = comparison.best is not None and comparison.response.name in ("metric", "learned", "loss")
    sentences = [
        *_best(comparison), *(brief_learning if brief else learning)(measured, metric), *([] if chosen else before),
        *_variance(comparison), *(brief_losses(measured) if brief else losses(measured, metric)),
        *([] if chosen else _theory(comparison)), *_not_significant(comparison), *_too_few_seeds(comparison),
    ]  # fmt: skip
    return [sentence for sentence in sentences if sentence]


def _best(comparison: Comparison) -> list[str]:
    return [] if comparison.best is None else best_conclusions(comparison.best, best_rows(comparison))


def _before_training(comparison: Comparison) -> list[str]:
    """Return the settings that vary and change what is measured before training, the lengths left out."""
    varied = [factor.name for factor in comparison.design.varied if factor.name not in comparison.design.axes]
    return [name for name in varied if not setting_behind(name).training]


def _name(comparison: Comparison, point: Point[Any], only: Sequence[str] | None = None) -> str:
    """Return the settings in which a configuration differs from the others, or `only` these, its length last."""
    over = _over(comparison, point)
    # the lengths of the other networks have no meaning for these
    omitted = {axis for axis in comparison.design.axes if axis != over and axis not in comparison.by}
    varied = [factor.name for factor in comparison.design.varied]
    omitted |= {key for key, leader in comparison.design.follows.items() if leader in varied}
    keys = [key for key in varied if key != over and key not in omitted and (only is None or key in only)]
    pairs = [(key, setting_text(point[key])) for key in keys]
    name = name_of(pairs) or (_ALIKE if only is not None and not only else "the plain network")
    return f"{name} {_axis(comparison, point).at(point[over])}" if over in varied else name


def _over(comparison: Comparison, point: Point[Any]) -> str:
    """Return the setting that the row of a configuration runs over."""
    axes = comparison.design.axes
    return next((setting for setting in axes[1:] if not pd.isna(point[setting])), axes[0])


def _axis(comparison: Comparison, point: Point[Any]) -> Axis:
    return comparison.design.along[_over(comparison, point)]


def _names(
    comparison: Comparison,
    chosen: pd.DataFrame,
    describe: Callable[[Point[Any]], str] | None = None,
    most: int = _NAMED,
) -> str:
    describe = describe or (lambda point: _name(comparison, point))
    places = [describe(point) for _, point in chosen.head(_NAMED).iterrows()]
    if len(chosen) > _NAMED:
        places.append(f"{len(chosen) - _NAMED} more")
    return joined(places)


def _share_by_factor(comparison: Comparison, lost: pd.Series[bool]) -> str:
    """Return the counts of lost configurations by the factor whose levels differ most in it, all else equal."""
    counts = matched_counts(lost.to_numpy(bool), comparison.design)
    if counts is None:
        return ""
    pairs = list(zip(counts.levels, counts.numbers, strict=True))[:_LEVELS]
    texts = ", ".join(f"{number} of {counts.settings} with {level}" for level, number in pairs)
    return f"by {counts.factor}{'' if counts.whole else ', all else equal'}: {texts}"


def _beyond(comparison: Comparison, verdict: str, *, brief: bool) -> list[str]:
    table = comparison.configurations
    lost = pd.Series(comparison.judgement.verdict == verdict, index=table.index)
    if not lost.any():
        return []
    shrinks = verdict == "vanishing"
    of_layer = comparison.judgement.by_layer
    furthest = table["log10_survival"].where(~of_layer, table["log10_survival_by_layer"])
    chosen = table.assign(furthest=furthest, of_layer=of_layer)[lost].sort_values("furthest", ascending=shrinks)
    names = _before_training(comparison)
    chosen = chosen.drop_duplicates(names) if names else chosen.head(1)  # pandas refuses duplicates by no column

    def describe(point: Point[Any]) -> str:
        decay = point["decay"]
        if point["of_layer"]:
            together = power(point["log10_survival"])
            layer = power(point["log10_survival_by_layer"])
            return f"{_name(comparison, point, names)} ({layer} in one layer, {together} in all together)"
        plain = {str(key): value for key, value in point.items()}
        pace = f", {decay_text(plain)}" if brief and np.isfinite(decay) else ""
        if not brief and np.isfinite(decay) and (decay < 1) == shrinks:
            pace = f", a factor {factor_text(1 / decay if shrinks else decay)} {'lost' if shrinks else 'gained'} "
            pace += f"a {_axis(comparison, point).step}"
        return f"{_name(comparison, point, names)} ({power(point['log10_survival'])}{pace})"

    text = f"{verdict}: {int(lost.sum())} of {count(len(table), 'configuration')}"
    by_factor = _share_by_factor(comparison, lost)
    text += f" ({by_factor})" if by_factor and not lost.all() else ""
    improved = _improvements(comparison, verdict, brief=brief)
    if brief:
        return [f"{verdict}: {int(lost.sum())} of {count(len(table), 'configuration')}, worst: "
                f"{describe(chosen.iloc[0])}.", *improved]  # fmt: skip
    worst = _names(comparison, chosen, describe)
    text += f", {worst}" if worst.startswith(_ALIKE) else f"; worst: {worst}"
    text += "" if improved else "; no change of a single setting that was varied here makes one of them healthy"
    return [f"{text}.", *improved]


def _improvements(comparison: Comparison, verdict: str, *, brief: bool) -> list[str]:
    improvements = comparison.improvements[verdict]
    if not improvements:
        return []
    best: dict[tuple[str, ...], Improvement] = {}
    for improvement in improvements:
        best.setdefault(improvement.change.settings, improvement)

    def describe(improvement: Improvement) -> str:
        change, test = improvement.change, improvement.change.difference
        if brief:
            mean, low, high = (power(value) for value in (test.mean, test.low, test.high))
            text = f"{change.settings[0]} {change.source[0]} to {change.target[0]} (survival times {mean} "
            return text + f"[{low}, {high}], {improvement.healthy} of {improvement.networks} healthy)"
        text = f"{change.settings[0]} {change.source[0]} to {change.target[0]}"
        if verdict == "vanishing":
            text += f" raises survival by a factor {power(test.mean)} [{power(test.low)}, {power(test.high)}]"
        else:
            text += f" lowers survival by a factor {power(-test.mean)} [{power(-test.high)}, {power(-test.low)}]"
        healthy, learned = improvement.healthy, improvement.learned
        text += f": {healthy} of {improvement.networks} become{'s' * (healthy == 1)} healthy"
        if comparison.design.fixed.get("train.steps") == 0:
            return text
        return text + f", {learned} learn{'s' * (learned == 1)} ({improvement.learned_before} before)"

    seeds = count(min(improvement.change.difference.seeds for improvement in best.values()), "seed")
    if brief:
        return [f"largest paired improvement of these: {describe(next(iter(best.values())))}."]
    texts = "; ".join(map(describe, list(best.values())[:_NAMED]))
    return [f"largest paired improvements of the {verdict} ones, all else equal ({seeds}): {texts}."]


def _unmeasurable(comparison: Comparison) -> list[str]:
    table, parts = comparison.configurations, []
    for column, defect in (("dead", "a gradient that is exactly zero"), ("nonfinite", "a gradient that is not finite")):
        chosen = table[table[column] > 0].sort_values(column, ascending=False)
        if len(chosen):
            total = int(chosen[column].sum())
            have = "has" if total == 1 else "have"
            parts.append(f"{count(total, 'cell')} {have} {defect} at step 0 ({_names(comparison, chosen)})")
    return ["; ".join(parts) + ": left out of the means concerned."] if parts else []


def _largest_shares(analysis: ResponseAnalysis) -> str:
    shares = [(share_of(term), term) for term in analysis.shares.terms]
    major = [(share, term) for share, term in shares if share is not None and share >= _MAJOR_SHARE]
    major.sort(key=lambda pair: -pair[0])
    return joined([f"{' with '.join(term.factors)} ({100 * share:.0f} %)" for share, term in major[:3]])


def _variance(comparison: Comparison) -> list[str]:
    parts, every = [], len(comparison.configurations)
    for analysis in comparison.analyses:
        if shares := _largest_shares(analysis):
            number = analysis.shares.configurations
            part = "" if number == every else f", in {number} of {every} configurations"
            parts.append(f"of {response_name(analysis.response, comparison.metric_name)} {shares}{part}")
    return [f"largest shares of the variance: {'; '.join(parts)}."] if parts else []


def _theory(comparison: Comparison) -> list[str]:
    table = comparison.configurations
    z = table["theory_z"]
    predicted = z.notna()
    if not predicted.any():
        return []
    number = int(predicted.sum())
    missed = table[predicted & (z.abs() > UNEXPLAINED_Z)].sort_values("theory_z", key=abs, ascending=False)
    if not len(missed):
        return [f"theory explains all {number} configurations that it predicts (|z| at most {z.abs().max():.1f})."]

    def describe(point: Point[Any]) -> str:
        measured, expected = power(point["log10_survival"]), power(point["theory_log10_survival"])
        return f"{_name(comparison, point)} ({measured} against {expected}, z = {point['theory_z']:+.1f})"

    places = _names(comparison, missed, describe)
    return [f"theory does not explain {len(missed)} of the {number} configurations that it predicts: {places}."]


def _not_significant(comparison: Comparison) -> list[str]:
    undecided = [" ".join(change.target) for change in comparison.paired if change.difference.sign == "~"]
    if not undecided:
        return []
    base = ", ".join(f"{key}={value}" for key, value in comparison.baseline.items())
    return [f"against {base}, not significant: {joined(undecided)}."]


def _too_few_seeds(comparison: Comparison) -> list[str]:
    table = comparison.configurations
    parts: list[str] = []
    few = table[table["n"] < _FEW]
    if len(few):
        whole = len(few) == len(table)
        subject = "every configuration has" if whole else f"{len(few)} of {len(table)} configurations have"
        examples = "" if whole else f", as {_names(comparison, few)}"
        parts.append(f"{subject} fewer than {_FEW} seeds{examples}")
    width = table["log10_survival_hi"] - table["log10_survival_lo"]
    wide = table[width > 2 * _WIDE]
    if len(wide):
        widest = table.iloc[[int(np.nanargmax(width))]]
        parts.append(
            f"the survival of {count(len(wide), 'configuration')} is known to no better than a factor ten either way"
            f" (widest: {_names(comparison, widest)})"
        )
    split = table[(table["learned"] > 0) & (table["learned"] < 1)]
    if len(split):
        names = [
            f"{_name(comparison, point)} ({point['learned_n']} of {point['cells']})"
            for _, point in split.head(_NAMED).iterrows()
        ]
        parts.append(
            f"whether it learns depends on the seed in {count(len(split), 'configuration')}, as {joined(names)}"
        )
    tested = [change for change in comparison.paired if change.difference.seeds]
    weak = [change for change in tested if change.difference.least_flip * len(tested) > LEVEL]
    if weak:
        seeds = count(min(change.difference.seeds for change in weak), "seed")
        least = min(change.difference.seeds for change in weak)
        undecided = comparison.response.name == "learned" or least < FEWEST_SEEDS
        decided = "cannot be decided" if undecided else "rest on the paired t test alone"
        parts.append(f"the comparisons {decided}: {seeds} are too few for the sign-flip permutation test")
    return [f"too few seeds: {'; '.join(parts)}."] if parts else []
