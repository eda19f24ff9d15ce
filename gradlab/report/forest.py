"""Effects as tables with a drawing: shares of variance as bars, levels and differences as intervals round zero."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from gradlab.analysis.compare.changes import Change
from gradlab.analysis.compare.comparison import Comparison, Weight
from gradlab.analysis.compare.design import Metric
from gradlab.analysis.compare.effects import Term
from gradlab.analysis.compare.seeds import LEVEL
from gradlab.report.glyphs import ASCII, Glyphs
from gradlab.report.layout import Column, Entry
from gradlab.report.words import count

__all__ = ["factor_columns", "forest_columns", "level_columns"]

_BAR = 12
_FOREST = 25
_SMALL = 0.005
"""Interactions whose share is below this in every response are counted, not listed."""
_LEVELS = 12
"""Factors with more levels than this have no list of main effects: their tables by depth say more."""

Interval = tuple[float, float, float]


def factor_columns(found: Comparison, glyphs: Glyphs) -> tuple[list[Column], list[Column], list[str]]:
    """Return the labels, one column of shares for each response, and the notes of the analysis of variance."""
    times = " x " if glyphs is ASCII else " × "
    notes = []
    weights = [weight for weight in found.weights if weight.shares.terms]
    for weight in found.weights:
        shares, name = weight.shares, _response(found, weight.metric)
        if not shares.terms:
            reason = shares.notes[-1] if shares.notes else "nothing varies but the seed"
            notes.append(f"{name}: {reason}, so there is nothing to explain")
        else:
            notes += [f"{name}: {note}" for note in shares.notes]
        if shares.left_out and shares.terms:
            why = "diverged" if weight.metric.name in ("metric", "loss") else "exactly zero or not finite"
            notes.append(f"{name}: {count(shares.left_out, 'cell')} without a finite value left out ({why})")
    if not weights:
        return [], [], notes
    names: dict[tuple[str, ...], None] = {}
    hidden = set()
    for weight in weights:
        for term in weight.shares.terms:
            largest = max(
                (_share(one) for w in weights for one in w.shares.terms if one.factors == term.factors), default=0
            )
            if len(term.factors) == 1 or largest >= _SMALL:
                names[term.factors] = None
            else:
                hidden.add(term.factors)
    labels = [times.join(name) for name in names]
    columns = []
    rest = ("three factors and more", "seed (same data and draws)", "left to chance", "overlap of factors")
    for weight in weights:
        shares = weight.shares
        terms = {term.factors: term for term in shares.terms}
        entries = [_bar(terms.get(name), glyphs) for name in names]
        entries += [_bar(term, glyphs) for term in (shares.higher, shares.seed, shares.chance)]
        entries.append(Entry(_percent(shares.unsplit).rjust(7) if abs(shares.unsplit) >= _SMALL else ""))
        columns.append(Column(_response(found, weight.metric), tuple(entries), right=False))
    kept = [
        index
        for index, _ in enumerate([*labels, *rest])
        if index < len(labels) or any(c.entries[index].text for c in columns)
    ]
    every = [*labels, *rest]
    columns = [Column(c.header, tuple(c.entries[index] for index in kept), right=False) for c in columns]
    if any(weight.shares.unsplit >= _SMALL or weight.shares.unsplit <= -_SMALL for weight in weights):
        notes.insert(0, "overlap: what the factors of an unbalanced grid explain together (below 0: claimed twice)")
    if hidden:
        notes.insert(0, f"{count(len(hidden), 'interaction')} below {_percent(_SMALL)} not shown")
    partly = {times.join(t.factors): t.note for w in weights for t in w.shares.terms if t.note}
    notes += [f"{name}: {note}" for name, note in partly.items()]
    return [Column("", tuple(Entry(every[index]) for index in kept), right=False)], columns, notes


def _response(found: Comparison, metric: Metric) -> str:
    if metric.name == "metric":
        return f"final {found.metric_name}" if found.metric_name else "final metric"
    return f"log10 {metric.name}" if metric.log else metric.name


def _share(term: Term) -> float:
    return term.eta2 if isnan(term.omega2) else term.omega2


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _bar(term: Term | None, glyphs: Glyphs) -> Entry:
    if term is None:
        return Entry("")
    if not term.freedom:
        return Entry("n/a".rjust(7))
    share = _share(term)
    eighths = round(min(max(share, 0.0), 1.0) * _BAR * 8)
    if glyphs is ASCII:
        drawn = "#" * round(eighths / 8)
    else:
        drawn = "█" * (eighths // 8) + (" ▏▎▍▌▋▊▉"[eighths % 8] if eighths % 8 else "")
    return Entry(f"{_percent(share).rjust(7)} {drawn.ljust(_BAR)}")


def _forest(intervals: Sequence[Interval], glyphs: Glyphs) -> list[Entry]:
    """Draw each (low, mean, high) on one common scale that has zero on it."""
    ends = [value for low, mean, high in intervals for value in (low, mean, high) if not isnan(value)]
    left, right = min([*ends, 0.0]), max([*ends, 0.0])
    span = (right - left) or 1.0
    line, dot, zero = ("-", "o", "|") if glyphs is ASCII else ("─", "●", "│")

    def at(value: float) -> int:
        return round((value - left) / span * (_FOREST - 1))

    drawn = []
    for low, mean, high in intervals:
        signs = [" "] * _FOREST
        signs[at(0.0)] = zero
        if not isnan(low):
            for place in range(at(low), at(high) + 1):
                signs[place] = line
        if not isnan(mean):
            signs[at(mean)] = dot
        drawn.append(Entry("".join(signs).rstrip()))
    return drawn


def _number(value: float, log: bool) -> str:
    return "" if isnan(value) else f"{value:+.2f}" if log else f"{value:+.3f}" if abs(value) < 1e4 else f"{value:+.3g}"


def _with_half(low: float, mean: float, high: float, log: bool, glyphs: Glyphs) -> str:
    half = "" if isnan(low) else f" {glyphs.plus_minus}{_number((high - low) / 2, log).lstrip('+')}"
    return _number(mean, log) + half


def level_columns(weight: Weight, glyphs: Glyphs) -> tuple[list[Column], list[Column]]:
    """Return labels and columns of the main effects of one response; nothing where none can be estimated."""
    sizes: dict[str, int] = {}
    for level in weight.levels:
        sizes[level.factor] = sizes.get(level.factor, 0) + 1
    levels = [level for level in weight.levels if sizes[level.factor] <= _LEVELS]
    if not levels:
        return [], []
    first = [index == 0 or levels[index - 1].factor != level.factor for index, level in enumerate(levels)]
    labels = [
        Column(
            "factor", tuple(Entry(one.factor if new else "") for one, new in zip(levels, first, strict=True)), False
        ),
        Column("level", tuple(Entry(one.level) for one in levels), False),
    ]
    effects = [Entry(_with_half(one.low, one.effect, one.high, weight.metric.log, glyphs)) for one in levels]
    drawn = _forest([(one.low, one.effect, one.high) for one in levels], glyphs)
    cells = [Entry(f"{one.cells:,}") for one in levels]
    return labels, [
        Column("effect", tuple(effects)),
        Column("", tuple(drawn), right=False),
        Column("cells", tuple(cells)),
    ]


def forest_columns(
    changes: Sequence[Change], metric: Metric, glyphs: Glyphs
) -> tuple[list[Column], list[Column], list[str]]:
    """Return labels, columns and notes of paired comparisons."""
    keys = changes[0].settings
    labels = [
        Column(key, tuple(Entry(change.target[index]) for change in changes), right=False)
        for index, key in enumerate(keys)
    ]
    arrows = {"+": "^", "-": "v"} if glyphs is ASCII else {"+": "↑", "-": "↓"}
    tests = [change.difference for change in changes]
    columns = [
        Column("", tuple(Entry(arrows.get(one.sign, one.sign), "bold") for one in tests)),
        Column("change", tuple(Entry(_with_half(one.low, one.mean, one.high, metric.log, glyphs)) for one in tests)),
        Column("", tuple(_forest([(one.low, one.mean, one.high) for one in tests], glyphs)), right=False),
        Column("p (t)", tuple(Entry(_chance(one.p)) for one in tests)),
        Column("p (flips)", tuple(Entry(_chance(one.p_flip)) for one in tests)),
        Column("same way", tuple(Entry(f"{one.agree}/{one.blocks}") for one in tests)),
        Column("pairs", tuple(Entry(f"{one.pairs:,}") for one in tests)),
        Column("n", tuple(Entry(str(one.seeds)) for one in tests)),
    ]
    notes = [
        f"{arrows['+']} {arrows['-']} a difference, ~ may be chance, = no pair differs; p by Holm for "
        f"{count(len(changes), 'comparison')}: paired t and sign flips, both over the n seeds",
        "same way: settings, otherwise equal, at which it goes the way of the mean",
    ]
    fewest = min((one.seeds for one in tests if one.seeds), default=0)
    least = max((one.least_flip for one in tests if one.seeds), default=0.0)
    if least * len(changes) > LEVEL:
        decides = "nothing can be decided" if metric.name == "learned" else "the t test decides there"
        limit = f"{least:.3g}" + (f", times {len(changes)} comparisons" if len(changes) > 1 else "")
        how = f"cannot decide at {100 * LEVEL:.0f} % by sign flips (smallest p {limit})"
        notes.append(f"{count(fewest, 'seed')} {how}: {decides}")
    lost = sum(change.left_out for change in changes)
    if lost:
        notes.append(f"{count(lost, 'pair')} left out: one of the two has no finite value")
    return labels, columns, notes


def _chance(p: float) -> str:
    return "" if isnan(p) else f"{p:.3f}" if p >= 0.0005 else f"{p:.0e}"
