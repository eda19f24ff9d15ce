"""Learning curves: the loss of the probe batch and the metric on held-out samples, over the steps of training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter, NullLocator

from gradlab.record import Floats
from gradlab.report.formatting import number_text
from gradlab.report.model.heatmap import evenly
from gradlab.report.model.rows import Row
from gradlab.report.plots.data import PlotData
from gradlab.report.plots.style import frame, is_paper, line_looks, named_lines, new
from gradlab.results.statistics import mean_interval

__all__ = ["picture"]

MOST_LINES, MOST_PANELS, PAPER_PANELS = 8, 3, 2
_DECADE = 10.0
"""Ratio of the largest loss to the smallest from which its axis is logarithmic."""
_BEYOND = 3.0
"""An axis of the loss ends at so many times the median loss before training: one that diverges must not flatten the
rest."""

Series = tuple[Floats, Floats, Floats, Floats]
"""Steps, means, and the ends of their 95 % intervals."""


def picture(data: PlotData) -> Figure | None:
    """Return loss and metric against the step, a column of panels for each of some lengths, a line for each
    configuration; None where nothing was measured after step 0."""
    rows = _learners(data)
    if not rows:
        return None
    every = sorted({length for row in rows for length in row.points})
    lengths = [every[round(at)] for at in np.linspace(0, len(every) - 1, min(len(every), _columns()))]
    sample = _spread(rows, every[-1])
    curves = {
        (row.labels, length): _curves(data, row, length) for row in sample for length in lengths if length in row.points
    }
    figure = new(2.8 * len(lengths) + 3.2, 5.2, column=2.9)
    grid = figure.subplots(2, len(lengths), squeeze=False, sharex=True, sharey="row")
    looks = line_looks([data.labels(row) for row in sample])
    losses = [loss for loss, _ in curves.values()]
    most = _largest_loss(losses)
    for place, length in enumerate(lengths):
        for row, look in zip(sample, looks, strict=True):
            if (row.labels, length) not in curves:
                continue
            loss, metric = curves[row.labels, length]
            _draw(grid[0, place], loss, look, most)
            _draw(grid[1, place], metric, look)
        if data.group.varies:
            grid[0, place].set_title(f"{data.group.axis.setting} {length}")
        grid[1, place].set_xlabel("step of training")
    clipped = _loss_axis(grid[0, 0], losses, most)
    _metric_axis(grid[1, 0], [curve[1] for curve in curves.values()])
    _step_axis(grid[1, 0], max(float(loss[0][-1]) for loss in losses))
    grid[0, 0].set_ylabel("loss")
    grid[1, 0].set_ylabel(data.group.metric)
    named_lines(figure, [data.name(row) for row in sample], [_handle(look) for look in looks])
    cut = len(sample) < len(rows)
    title = "Loss and metric during training" + (f": {len(sample)} of {len(rows)} configurations" if cut else "")
    return frame(figure, title, data.caption(), _note(data, cut=cut, clipped=clipped))


def _columns() -> int:
    return PAPER_PANELS if is_paper() else MOST_PANELS


def _learners(data: PlotData) -> list[Row]:
    """Return the rows with a step after the first in the table of steps."""
    trained = set(data.tables.steps.loc[data.tables.steps["step"] > 0, "cell"])
    return [row for row in data.rows if trained & set(data.ids(row))]


def _spread(rows: Sequence[Row], length: int) -> list[Row]:
    """Return all rows, or some evenly from the smallest to the largest final metric at a length."""
    finals = [float(row.points[min(row.points, key=lambda at: abs(at - length))]["metric"]) for row in rows]
    return [rows[index] for index in evenly(finals, MOST_LINES)]


def _curves(data: PlotData, row: Row, length: int) -> tuple[Series, Series]:
    """Return loss and metric of a network over its steps, where at least one seed is finite."""
    ids = data.cells[row.labels, length]["cell"]
    steps = data.tables.steps[data.tables.steps["cell"].isin(set(ids)).to_numpy()]
    return _series(steps, "loss"), _series(steps, "metric")


def _series(steps: pd.DataFrame, name: str) -> Series:
    values = steps[name].to_numpy(np.float64, na_value=np.nan)
    every, index = np.unique(steps["step"].to_numpy(np.float64), return_inverse=True)
    finite = np.isfinite(values)
    interval = mean_interval(values[finite], index[finite], len(every))
    return every, interval.mean, interval.low, interval.high


def _draw(axes: Axes, series: Series, look: dict[str, Any], most: float = np.inf) -> None:
    """Draw a line, and its intervals where its mean is at most `most`."""
    steps, mean, low, high = series
    at = np.isfinite(mean)
    inside = at & (mean <= most)
    axes.fill_between(steps[inside], low[inside], high[inside], color=look["color"], alpha=0.18, linewidth=0)
    axes.plot(steps[at], mean[at], color=look["color"], linestyle=look["linestyle"], linewidth=1.6, zorder=4)
    if not at.all() and at.any():  # where no seed is finite any more
        axes.plot(steps[at][-1], mean[at][-1], "x", color=look["color"], markersize=6, zorder=5)


def _largest_loss(losses: Sequence[Series]) -> float:
    """Return the largest loss that is shown: of all, or so many times the median before training."""
    first = [loss[1][0] for loss in losses if np.isfinite(loss[1][0])]
    means = np.concatenate([loss[1] for loss in losses])
    return float(min(np.max(means[np.isfinite(means)], initial=0.0), _BEYOND * np.median(first or [np.inf])))


def _loss_axis(axes: Axes, losses: Sequence[Series], high: float) -> bool:
    """Make the axis hold every mean up to `high`; return whether a line leaves it."""
    means = np.concatenate([loss[1] for loss in losses])
    finite = means[np.isfinite(means)]
    if not len(finite):
        return False
    low = float(finite.min())
    if low > 0 and high / low > _DECADE:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.2, high * 1.2)
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number_text(value, 2)))
    else:
        pad = 0.06 * (high - low or 1.0)
        axes.set_ylim(0.0 if low >= 0 else low - pad, high + pad)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    return bool((finite > high).any())


def _metric_axis(axes: Axes, metrics: Sequence[Series]) -> None:
    """Make the axis hold every mean; an interval of few seeds may leave it."""
    means = np.concatenate([metric[1] for metric in metrics])
    finite = means[np.isfinite(means)]
    if len(finite):
        low, high = float(finite.min()), float(finite.max())
        pad = 0.06 * (high - low or 1.0)
        axes.set_ylim(0.0 if low >= 0 else low - pad, high + pad)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))


def _step_axis(axes: Axes, last: float) -> None:
    """Make a scale that is even in the doublings of the step, as the probed steps are, and begins at 0."""
    axes.set_xscale("function", functions=(lambda step: np.log2(step + 1), lambda at: np.exp2(at) - 1))
    axes.set_xlim(0, last)
    ticks = [0, *(2**power for power in range(int(np.log2(max(last, 1))) + 1))]
    every = -(-len(ticks) // (3 if is_paper() else 6))
    labelled_ticks = [tick for tick in ticks[::-1][::every] if tick < 0.72 * last] + [last]
    axes.xaxis.set_major_locator(FixedLocator(sorted({0.0, *map(float, labelled_ticks)})))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _handle(look: dict[str, Any]) -> Line2D:
    return Line2D([], [], color=look["color"], linestyle=look["linestyle"], linewidth=1.8)


def _note(data: PlotData, *, cut: bool, clipped: bool) -> str:
    several = data.several_seeds
    parts = ["Mean over the seeds that are finite there; shaded: 95 % interval." if several else "One seed."]
    parts.append("Crosses: the last step with a finite value.")
    if clipped:
        parts.append(f"The axis of the loss ends at {_BEYOND:.0f} times the median loss before training.")
    if cut:
        parts.append("Shown: by rank evenly from the smallest to the largest final metric.")
    return " ".join([*parts, data.missing()]).strip()
