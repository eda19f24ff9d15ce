"""What a comparison comes down to, in sentences made of its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gradlab.analysis.compare.changes import Cure
from gradlab.analysis.compare.comparison import Comparison, Weight
from gradlab.analysis.compare.seeds import LEVEL
from gradlab.report.groups import axis_words
from gradlab.report.view import text_of
from gradlab.report.words import Axis, count, fold_text, joined, power

__all__ = ["conclusions"]

_NAMED = 3
"""Configurations named in one sentence; the rest are counted."""
_FEW = 3
"""Seeds below which an interval says little: with two, Student's t is 12.7 standard errors wide."""
_Z = 3.5
"""|z| beyond which theory does not explain a mean."""

_BARE = ("model", "task", "activation", "init", "optimizer")
"""Settings whose value alone says which setting it is."""


def conclusions(found: Comparison) -> list[str]:
    """Return a few plain sentences; one that has nothing to say is not there."""
    makers = (_factors, _vanishing, _exploding, _unmeasurable, _learned, _theory, _changes, _few)
    return [sentence for maker in makers for sentence in maker(found) if sentence]


def _name(found: Comparison, point: pd.Series[Any], *, depth: bool = True) -> str:
    parts, over = [], _over(found, point)
    for factor in found.plan.varied:
        value = text_of(point[factor.name])
        if factor.name != over and factor.name not in _other(found, over) and value != "none":
            parts.append(value if factor.name in _BARE else f"{factor.name} {value}")
    name = " ".join(parts) or "the plain network"
    varies = any(factor.name == over for factor in found.plan.varied)
    return f"{name} {_words(found, point).at(point[over])}" if depth and varies else name


def _over(found: Comparison, point: pd.Series[Any]) -> str:
    """Return the axis that the row of a configuration runs over."""
    axes = found.plan.axes
    return "seq_len" if "seq_len" in axes and not pd.isna(point["seq_len"]) else axes[0]


def _other(found: Comparison, over: str) -> set[str]:
    """Return the axes of the other networks, where they tell nothing of these."""
    return {axis for axis in found.plan.axes if axis != over and axis not in found.by}


def _words(found: Comparison, point: pd.Series[Any]) -> Axis:
    return axis_words(found, _over(found, point))


def _named(found: Comparison, chosen: pd.DataFrame, say: Any) -> str:
    places = [say(point) for _, point in chosen.head(_NAMED).iterrows()]
    if len(chosen) > _NAMED:
        places.append(f"{len(chosen) - _NAMED} more")
    return joined(places)


def _where_most(found: Comparison, lost: pd.Series[bool]) -> str:
    """Return how the share of lost configurations goes with the factor that parts them best."""
    best: tuple[float, str] = (0.0, "")
    for factor in found.plan.factors:
        rate = lost.groupby(found.configurations[factor.name].map(text_of), sort=False).agg(["sum", "size"])
        share = rate["sum"] / rate["size"]
        if len(rate) > 1 and share.max() - share.min() > best[0]:
            each = [f"{int(row['sum'])} of {int(row['size'])} with {level}" for level, row in rate.head(6).iterrows()]
            best = (float(share.max() - share.min()), f"by {factor.name}: {', '.join(each)}")
    return best[1]


def _lost(found: Comparison, verdict: str, verb: str) -> list[str]:
    table = found.configurations
    lost = table["verdict"] == verdict
    if not lost.any():
        return []
    down = verdict == "vanishing"
    chosen = table[lost].sort_values("log10_survival", ascending=down)
    names = [factor.name for factor in found.plan.varied if factor.name not in found.plan.axes]
    chosen = chosen.drop_duplicates(names) if names else chosen.head(1)  # pandas refuses duplicates by no column

    def say(point: pd.Series[Any]) -> str:
        decay = point["decay"]
        pace = ""
        if np.isfinite(decay) and (decay < 1) == down:
            pace = f", a factor {fold_text(1 / decay if down else decay)} {'lost' if down else 'gained'} "
            pace += f"a {_words(found, point).step}"
        return f"{_name(found, point)} ({power(point['log10_survival'])}{pace})"

    text = f"{verb}: {int(lost.sum())} of {count(len(table), 'configuration')}"
    most = _where_most(found, lost)
    text += f" ({most})" if most and not lost.all() else ""
    return [f"{text}; worst: {_named(found, chosen, say)}.", *_mended(found, verdict)]


def _vanishing(found: Comparison) -> list[str]:
    return _lost(found, "vanishing", "vanishing")


def _exploding(found: Comparison) -> list[str]:
    return _lost(found, "exploding", "exploding")


def _mended(found: Comparison, verdict: str) -> list[str]:
    every = found.cures[verdict]
    best: dict[tuple[str, ...], Cure] = {}
    for cure in every:
        best.setdefault(cure.change.settings, cure)
    if not every:
        return ["  no single setting that was varied here mends it."]

    def say(cure: Cure) -> str:
        change, test = cure.change, cure.change.difference
        text = f"{change.settings[0]} {change.source[0]} to {change.target[0]}"
        if verdict == "vanishing":
            text += f" lifts it by a factor {power(test.mean)} [{power(test.low)}, {power(test.high)}]"
        else:
            text += f" lowers it by a factor {power(-test.mean)} [{power(-test.high)}, {power(-test.low)}]"
        text += f": {cure.healthy} of {cure.networks} become{'s' * (cure.healthy == 1)} healthy"
        if found.plan.fixed.get("train.steps") == 0:
            return text
        return text + f", {cure.learned} learn{'s' * (cure.learned == 1)} ({cure.learned_before} before)"

    cured = "what cures it here" if verdict == "vanishing" else "what tames it here"
    seeds = count(min(cure.change.difference.seeds for cure in best.values()), "seed")
    return [f"{cured}, all else equal ({seeds}): {'; '.join(map(say, list(best.values())[:_NAMED]))}."]


def _unmeasurable(found: Comparison) -> list[str]:
    table, parts = found.configurations, []
    for column, what in (
        ("dead", "a gradient that is exactly zero at step 0"),
        ("nonfinite", "a gradient that is not finite at step 0"),
        ("diverged", "diverged in training"),
    ):
        chosen = table[table[column] > 0].sort_values(column, ascending=False)
        if len(chosen):
            total = int(chosen[column].sum())
            have = "" if column == "diverged" else "has " if total == 1 else "have "
            places = _named(found, chosen, lambda point: _name(found, point))
            parts.append(f"{count(total, 'cell')} {have}{what} ({places})")
    return ["; ".join(parts) + ": left out of the means concerned."] if parts else []


def _learned(found: Comparison) -> list[str]:
    if found.plan.fixed.get("train.steps") == 0:
        return []
    table = found.configurations
    healthy, learned = table["verdict"] == "healthy", table["learned"] > 0.5
    lost = table["verdict"].isin(["vanishing", "exploding", "dead"])

    def say(point: pd.Series[Any]) -> str:
        return f"{_name(found, point)} ({point['learned_n']} of {count(int(point['cells']), 'cell')})"

    sentences = [f"learned: {int(learned.sum())} of {count(len(table), 'configuration')} with most of their seeds."]
    kept = table[healthy & ~learned].sort_values(list(found.plan.axes))
    if len(kept):
        share = f"{len(kept)} of {int(healthy.sum())} healthy ones"
        sentences.append(
            f"a gradient that survives is not enough: {share} did not learn, as {_named(found, kept, say)}."
        )
    anyway = table[lost & learned].sort_values(list(found.plan.axes), ascending=False)
    if len(anyway):
        share = f"{len(anyway)} of {int(lost.sum())} beyond a threshold"
        sentences.append(f"survival before training is not everything: {share} learned all the same, as "
                         f"{_named(found, anyway, say)}.")  # fmt: skip
    return sentences


def _share_text(weight: Weight) -> str:
    shares = [(one.eta2 if one.omega2 != one.omega2 else one.omega2, one) for one in weight.shares.terms]
    chosen = [(share, one) for share, one in sorted(shares, key=lambda each: -each[0])[:3] if share >= 0.05]
    return joined([f"{' with '.join(one.factors)} ({100 * share:.0f} %)" for share, one in chosen])


def _factors(found: Comparison) -> list[str]:
    said = []
    for weight in found.weights:
        text = _share_text(weight)
        if text:
            what = f"log10 {weight.metric.name}" if weight.metric.log else (
                f"the final {found.metric_name or 'metric'}" if weight.metric.name == "metric" else weight.metric.name
            )  # fmt: skip
            said.append(f"of {what} mostly {text}")
    return [f"what explains the variance: {'; '.join(said)}."] if said else []


def _theory(found: Comparison) -> list[str]:
    table = found.configurations
    z = table["theory_z"]
    known = z.notna()
    if not known.any():
        return []
    missed = table[known & (z.abs() > _Z)].sort_values("theory_z", key=abs, ascending=False)
    if not len(missed):
        return [
            f"theory accounts for all {int(known.sum())} configurations it speaks of (|z| at most {z.abs().max():.1f})."
        ]
    places = _named(
        found, missed,
        lambda point: f"{_name(found, point)} ({power(point['log10_survival'])} against "
                      f"{power(point['theory_log10_survival'])}, z = {point['theory_z']:+.1f})",
    )  # fmt: skip
    return [f"theory did not predict {len(missed)} of the {int(known.sum())} configurations it speaks of: {places}."]


def _changes(found: Comparison) -> list[str]:
    undecided = [" ".join(change.target) for change in found.changes if change.difference.sign == "~"]
    if not undecided:
        return []
    base = ", ".join(f"{key}={value}" for key, value in found.baseline.items())
    return [f"against {base}, chance alone may explain the difference of {joined(undecided)}."]


def _few(found: Comparison) -> list[str]:
    table = found.configurations
    parts = []
    few = table[table["n"] < _FEW]
    if len(few):
        whole = (
            "every configuration has" if len(few) == len(table) else f"{len(few)} of {len(table)} configurations have"
        )
        parts.append(f"{whole} fewer than {_FEW} seeds" + _only(found, few))
    wide = table[table["log10_survival_hi"] - table["log10_survival_lo"] > 2]
    if len(wide):
        widest = wide.iloc[[int(np.argmax(wide["log10_survival_hi"] - wide["log10_survival_lo"]))]]
        parts.append(
            f"the survival of {count(len(wide), 'configuration')} is known to no better than a factor ten either way"
            f" (widest: {_named(found, widest, lambda point: _name(found, point))})"
        )
    split = table[(table["learned"] > 0) & (table["learned"] < 1)]
    if len(split):
        parts.append(
            f"whether it learns hangs on the seed in {count(len(split), 'configuration')}{_split_names(found, split)}"
        )
    tested = [change for change in found.changes if change.difference.seeds]
    weak = [change for change in tested if change.difference.least_flip * len(tested) > LEVEL]
    if weak:
        seeds = count(min(change.difference.seeds for change in weak), "seed")
        so = "cannot be decided" if found.metric.name == "learned" else "stand on the paired t test alone"
        parts.append(f"the comparisons {so}: {seeds} are too few for sign flips")
    return [f"too few seeds: {'; '.join(parts)}."] if parts else []


def _only(found: Comparison, few: pd.DataFrame) -> str:
    return (
        "" if len(few) == len(found.configurations) else f", as {_named(found, few, lambda point: _name(found, point))}"
    )


def _split_names(found: Comparison, split: pd.DataFrame) -> str:
    names: Sequence[str] = [
        f"{_name(found, point)} ({point['learned_n']} of {point['cells']})"
        for _, point in split.head(_NAMED).iterrows()
    ]
    return f", as {joined(list(names))}"
