"""Which setting matters: the mean effect of every level, and the share of the variance that each setting explains."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradlab.analysis.compare.design import METRICS, design, respond
from gradlab.analysis.compare.effects import Level, Shares, Term, main_effects, shares
from gradlab.record import Floats
from gradlab.report.glyphs import UNICODE
from gradlab.report.layout import shorten
from gradlab.report.plots.paper import GREY, INK, VERDICTS, amount, frame, new, power_of_ten
from gradlab.report.plots.scene import Scene

__all__ = ["picture"]

MOST_FACTORS = 6
MOST_LEVELS = 30
"""Over all factors; each gets its part, but four at least."""
MOST_TERMS = 8
LEAST_SHARE = 0.005
_LONGEST_LABEL = 28


def picture(scene: Scene) -> Figure | None:
    """Return main effects on log10 survival before training, and shares of its variance and of the final metric's.

    None where no setting varies or survival is the same everywhere.
    """
    cells = scene.tables.cells[scene.tables.cells["status"] != "failed"]
    plan = design(cells)
    survival = respond(cells, METRICS["survival"])
    found = shares(survival, plan.factors, plan.seed)
    if not found.terms:
        return None
    ranked = [term.factors[0] for term in found.terms if len(term.factors) == 1]
    levels = _chosen(main_effects(survival, plan.factors, plan.seed), ranked[:MOST_FACTORS])
    rows = sum(len(some) + 1 for some in levels.values())
    measures = [("survival before training", found)]
    if cells["metric_name"].nunique() == 1 and (cells["train.steps"] > 0).any():
        after = shares(respond(cells, METRICS["metric"]), plan.factors, plan.seed)
        measures += [(f"{cells['metric_name'].iloc[0]} after training", after)] if after.terms else []
    high = max(0.235 * rows + 0.9, 0.34 * MOST_TERMS + 0.9)
    figure = new(10.2, high)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _forest(left, levels)
    _bars(right, measures)
    hidden = [name for name in ranked if name not in levels]
    cut = any(len(f.levels) > len(levels[f.name]) for f in plan.factors if f.name in levels)
    return frame(figure, "Which setting matters for the gradient", scene.caption(), _note(found, hidden, cut=cut))


def _chosen(every: tuple[Level, ...], names: list[str]) -> dict[str, list[Level]]:
    """Return the levels to show of each factor; of a factor with many, evenly spaced ones with both ends."""
    found = {name: [one for one in every if one.factor == name] for name in names}
    most = max(MOST_LEVELS // max(len(names), 1), 4)
    return {
        name: [some[round(at)] for at in np.linspace(0, len(some) - 1, min(len(some), most))]
        for name, some in found.items()
        if some
    }


def _forest(axes: Axes, levels: dict[str, list[Level]]) -> None:
    axes.axvline(0, color=GREY, linewidth=0.8)
    labels: list[tuple[float, str]] = []
    headings: list[int] = []
    y = 0.0
    for name, some in levels.items():
        headings.append(len(labels))
        labels.append((y, name))
        y += 1
        for one in some:
            below, above = one.high < 0, one.low > 0
            colour = VERDICTS["vanishing" if below else "exploding" if above else "healthy"][0]
            axes.plot([one.low, one.high], [y, y], color=colour, linewidth=1.8)
            axes.plot([one.effect], [y], marker="<" if below else ">" if above else "o", color=colour, markersize=6)
            labels.append((y, shorten(one.level, _LONGEST_LABEL, UNICODE)))
            y += 1
    axes.set_ylim(max(y, 1) - 0.4, -0.6)
    axes.set_yticks([at for at, _ in labels], [text for _, text in labels])
    for index in headings:
        axes.get_yticklabels()[index].set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 3, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _factor(value)))
    axes.set_xlabel("survival against the mean of the levels")
    axes.set_title("effect of each level")


def _factor(log10_value: float) -> str:
    whole = round(log10_value)
    return "×" + (power_of_ten(whole) if abs(log10_value - whole) < 1e-9 else amount(log10_value))


def _bars(axes: Axes, measures: list[tuple[str, Shares]]) -> None:
    order: dict[str, float] = {}
    each = [_shares(found) for _, found in measures]
    for share in each:
        for name, value in share.items():
            order[name] = max(order.get(name, 0.0), value)
    names = [name for name in sorted(order, key=lambda name: -order[name]) if order[name] >= LEAST_SHARE][:MOST_TERMS]
    high = 0.8 / len(measures)
    looks: tuple[dict[str, Any], ...] = ({"facecolor": "#0072B2"}, {"facecolor": "#E69F00", "hatch": "////"})
    for index, ((label, _), share, look) in enumerate(zip(measures, each, looks, strict=False)):
        y = np.arange(len(names)) + (index - (len(measures) - 1) / 2) * high
        values: Floats = np.array([share.get(name, 0.0) for name in names])
        axes.barh(y, 100 * values, height=high * 0.92, label=label, edgecolor="white", **look)
        for at, value in zip(y, values, strict=True):
            axes.text(100 * value + 1.5, at, f"{100 * value:.0f}", size=8.5, va="center", color=INK)
    axes.set_ylim(max(len(names), MOST_TERMS) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [shorten(name, _LONGEST_LABEL, UNICODE) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 110)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel("% of the variance")
    axes.set_title("share explained")
    axes.legend(loc="lower right", frameon=False, fontsize=9.5)


def _shares(found: Shares) -> dict[str, float]:
    def share(term: Term) -> float:
        return term.eta2 if np.isnan(term.omega2) else term.omega2

    named = {" × ".join(term.factors): share(term) for term in found.terms}
    if found.higher is not None:
        named["three and more"] = share(found.higher)
    if found.chance is not None:
        named["chance (seeds)"] = share(found.chance) + (share(found.seed) if found.seed is not None else 0.0)
    return named


def _note(found: Shares, hidden: list[str], *, cut: bool) -> str:
    parts = [
        "Left: mean effect on log survival with its 95 % interval over seeds; ◂ less, ▸ more gradient left.",
        "Right: omega squared, the share of the variance without what chance alone would give.",
    ]
    if found.left_out:
        parts.append(f"Left out: {found.left_out} of {found.cells + found.left_out} cells without a finite survival.")
    if hidden:
        parts.append(f"No effects shown: {', '.join(hidden)} (too small, or not to be told from another setting).")
    if cut:
        parts.append("Of a setting with many levels some are shown.")
    return " ".join([*parts, *(f"{note[:1].upper()}{note[1:]}." for note in found.notes)])
