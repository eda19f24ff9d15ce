"""Survival of configurations of one depth: a dot and an interval for each."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradlab.report.formatting import folded
from gradlab.report.plots.data import PlotData, at_longest, spread
from gradlab.report.plots.style import GREY, INK, VERDICTS, amount, frame, new, power_of_ten, thresholds

__all__ = ["survival_intervals"]

MOST_ROWS = 30
_LONGEST_LABEL = 44


def survival_intervals(data: PlotData) -> Figure:
    """Return the survival of every configuration, the largest on top, with single seeds and intervals."""
    rows = sorted(spread(data.rows, MOST_ROWS), key=lambda row: np.nan_to_num(at_longest(row), nan=-np.inf))
    figure = new(8.2, max(0.26 * len(rows) + 0.7, 1.7))
    axes = figure.subplots()
    axes.axvline(0, color=GREY, linewidth=0.8)
    theory = False
    low, high = -1.0, 1.0
    for y, row in enumerate(rows):
        point = row.points[max(row.points)]
        seeds = data.of(row)["log10_survival"].to_numpy(float)
        seeds = seeds[np.isfinite(seeds)]
        colour, word = VERDICTS[str(point["verdict"])]
        value = at_longest(row)
        predicted = float(point["theory_log10_survival"])
        axes.plot(seeds, np.full(len(seeds), y), linestyle="", marker="|", color=GREY, markersize=7, zorder=2)
        if np.isfinite(predicted):
            theory = True
            axes.plot([predicted], [y], linestyle="", marker="D", markerfacecolor="none", color=INK, markersize=8)
        if np.isfinite(value):
            marker = {"vanishing": "<", "exploding": ">"}.get(str(point["verdict"]), "o")
            axes.plot([point["log10_survival_lo"], point["log10_survival_hi"]], [y, y], color=colour, linewidth=1.6)
            axes.plot([value], [y], marker=marker, color=colour, markersize=7, zorder=4)
        extent = [value, predicted, *seeds, point["log10_survival_lo"], point["log10_survival_hi"]]
        finite = [value for value in extent if np.isfinite(value)]
        low, high = min([low, *finite]), max([high, *finite])
        axes.annotate(amount(value) or word, xy=(1.02, y), xycoords=("axes fraction", "data"), size=9.5, color=colour,
                      va="center", annotation_clip=False)  # fmt: skip
    axes.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 3, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    axes.set_xlabel(f"survival: {data.group.axis.ratio}")
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_yticks(range(len(rows)), [folded(data.name(row), _LONGEST_LABEL) for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)
    thresholds(data, axes, vertical=True)
    cut = len(rows) < len(data.rows)
    title = "Survival before training"
    title += f": {len(rows)} of {len(data.rows)} configurations" if cut else ""
    parts = ["Dot: geometric mean; bar: its 95 % interval; ticks: single seeds." if data.several_seeds else "One seed."]
    parts += ["Diamond: mean-field theory."] if theory else []
    verdicts = {str(row.points[max(row.points)]["verdict"]) for row in rows}
    parts += ["◂ vanished."] if "vanishing" in verdicts else []
    parts += ["▸ exploded."] if "exploding" in verdicts else []
    parts += ["Shown: by rank evenly from the smallest to the largest survival; all in summary.csv."] if cut else []
    return frame(figure, title, data.caption(), " ".join([*parts, data.missing()]).strip())
