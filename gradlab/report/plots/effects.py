"""Which setting matters: the mean effect of every level, and the share of the variance that each setting explains."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradlab.analysis.compare.comparison import analyse
from gradlab.analysis.compare.design import design_of
from gradlab.analysis.compare.main_effects import LevelEffect
from gradlab.analysis.compare.responses import RESPONSES
from gradlab.analysis.compare.variance import VarianceShares
from gradlab.report.formatting import folded
from gradlab.report.model.effects import VarianceTable, variance_table
from gradlab.report.plots.data import PlotData
from gradlab.report.plots.style import GREY, INK, VERDICTS, amount, frame, new, power_of_ten
from gradlab.thresholds import LISTED_SHARE

__all__ = ["picture"]

MOST_FACTORS = 6
MOST_LEVELS = 30
"""Over all factors; each gets its part, but four at least."""
MOST_SOURCES = 8
_LONGEST_LABEL = 28


def picture(data: PlotData) -> Figure | None:
    """Return main effects on log10 survival before training, and shares of its variance and of the final metric's.

    None where no setting varies or survival is the same everywhere.
    """
    cells = data.tables.cells[data.tables.cells["status"] != "failed"]
    plan = design_of(cells)
    one_metric = cells["metric_name"].nunique() == 1 and (cells["train.steps"] > 0).any()
    responses = [RESPONSES["survival"], *([RESPONSES["metric"]] if one_metric else [])]
    analyses = [analyse(cells, plan, response) for response in responses]
    survival = analyses[0].shares
    effects = analyses[0].effects.levels
    if not survival.terms and not effects:
        return None
    table = variance_table([analysis for analysis in analyses if analysis.shares.terms], data.group.metric)
    sources = [term.factors[0] for term in survival.terms if len(term.factors) == 1]
    ranked = list(dict.fromkeys([*sources, *(level.factor for level in effects)]))
    levels = _chosen(effects, ranked[:MOST_FACTORS])
    rows = sum(len(of_factor) + 1 for of_factor in levels.values())
    figure = new(10.2, max(0.235 * rows + 0.9, 0.34 * MOST_SOURCES + 0.9), fixed=True)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _intervals(left, levels)
    if table.responses:
        _bars(right, table)
    else:
        right.set_axis_off()
        right.text(0.5, 0.5, "no shares of the variance:\nthe settings form no complete grid", ha="center", color=GREY)
    hidden = [name for name in ranked if name not in levels]
    cut = any(len(factor.levels) > len(levels[factor.title]) for factor in plan.factors if factor.title in levels)
    return frame(figure, "Effects of the settings on survival", data.caption(), _note(survival, hidden, cut=cut))


def _chosen(every: Sequence[LevelEffect], names: Sequence[str]) -> dict[str, list[LevelEffect]]:
    """Return the levels to show of each factor; of a factor with many, evenly spaced ones with both ends."""
    limit = max(MOST_LEVELS // max(len(names), 1), 4)
    levels_of = {}
    for name in names:
        of_factor = [level for level in every if level.factor == name]
        if of_factor:
            levels_of[name] = [
                of_factor[round(at)] for at in np.linspace(0, len(of_factor) - 1, min(len(of_factor), limit))
            ]
    return levels_of


def _intervals(axes: Axes, levels: dict[str, list[LevelEffect]]) -> None:
    axes.axvline(0, color=GREY, linewidth=0.8)
    labels: list[tuple[float, str]] = []
    headings: list[int] = []
    y = 0.0
    for name, of_factor in levels.items():
        headings.append(len(labels))
        labels.append((y, name))
        y += 1
        for level in of_factor:
            below, above = level.high < 0, level.low > 0
            colour = VERDICTS["vanishing" if below else "exploding" if above else "healthy"][0]
            axes.plot([level.low, level.high], [y, y], color=colour, linewidth=1.8)
            axes.plot([level.effect], [y], marker="<" if below else ">" if above else "o", color=colour, markersize=6)
            labels.append((y, folded(level.level, _LONGEST_LABEL)))
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
    exponent = round(log10_value)
    return "×" + (power_of_ten(exponent) if abs(log10_value - exponent) < 1e-9 else amount(log10_value))


def _bars(axes: Axes, table: VarianceTable) -> None:
    shares = {row.name: [_drawn(share) for share in row.shares] for row in table.rows}
    names = sorted((name for name in shares if max(shares[name]) >= LISTED_SHARE), key=lambda name: -max(shares[name]))
    names = names[:MOST_SOURCES]
    responses = len(table.responses)
    high = 0.8 / responses
    looks: tuple[dict[str, Any], ...] = ({"facecolor": "#0072B2"}, {"facecolor": "#E69F00", "hatch": "////"})
    for index, (label, look) in enumerate(zip(table.responses, looks, strict=False)):
        y = np.arange(len(names)) + (index - (responses - 1) / 2) * high
        values = np.array([shares[name][index] for name in names])
        axes.barh(y, 100 * values, height=high * 0.92, label=label, edgecolor="white", **look)
        for at, value in zip(y, values, strict=True):
            axes.text(100 * value + 1.5, at, f"{100 * value:.0f}", size=8.5, va="center", color=INK)
    axes.set_ylim(max(len(names), MOST_SOURCES) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [folded(name, _LONGEST_LABEL) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 110)
    axes.set_xticks([0, 25, 50, 75, 100])
    axes.set_xlabel("% of the variance")
    axes.set_title("share explained")
    axes.legend(loc="lower right", frameon=False, fontsize=9.5)


def _drawn(share: float | None) -> float:
    return 0.0 if share is None or isnan(share) else share


def _note(survival: VarianceShares, hidden: Sequence[str], *, cut: bool) -> str:
    parts = [
        "Left: mean effect on log survival with its 95 % interval over seeds; ◂ smaller, ▸ larger survival.",
        "Right: omega squared, the share of the variance without what chance alone would give.",
    ]
    if survival.left_out:
        total = survival.cells + survival.left_out
        parts.append(f"Left out: {survival.left_out} of {total} cells without a finite survival.")
    if hidden:
        parts.append(f"No effects shown: {', '.join(hidden)} (too small, or not to be told from another setting).")
    if cut:
        parts.append("Of a setting with many levels some are shown.")
    return " ".join([*parts, *(f"{note[:1].upper()}{note[1:]}." for note in survival.notes)])
