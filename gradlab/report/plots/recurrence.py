"""What training does to a recurrence: the spectral radius of its matrix, and how saturated its gates are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes as Plot
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradlab.record import Floats
from gradlab.report.formatting import folded
from gradlab.report.model.rows import Row
from gradlab.report.plots.data import PlotData, spread
from gradlab.report.plots.style import COLOURS, GREY, LINES, MARKERS, frame, is_paper, named_lines, new
from gradlab.results.statistics import mean_interval

__all__ = ["picture"]

MOST_LINES = 8
_LONGEST_LABEL = 28


def picture(data: PlotData) -> Figure | None:
    """Return spectral radius and saturation over the steps of training, of each configuration's longest sequences.

    None for feed-forward networks, and where nothing was measured after step 0.
    """
    steps, layers = data.tables.steps, data.tables.layers
    if "spectral_radius" not in steps or steps["spectral_radius"].isna().all():
        return None
    trained = data.trained()
    if not trained:
        return None
    rows = spread(trained, MOST_LINES)
    quantities: list[tuple[pd.DataFrame, str, str]] = [(steps, "spectral_radius", "spectral radius")]
    if "saturated" in layers:
        quantities.append(
            (layers, "saturated", "share saturated" if is_paper() else "share of saturated units or gates")
        )
    figure = new(3.8 * len(quantities) + 2.6, 3.4, column=1.5)
    plots = figure.subplots(1, len(quantities), squeeze=False)[0]
    for plot, (table, column, name) in zip(plots, quantities, strict=True):
        for index, row in enumerate(rows):
            _line(plot, index, data, row, table, column)
        _axes(plot, name)
    plots[0].axhline(1, color=GREY, linewidth=0.8)
    if len(quantities) > 1:
        plots[1].set_ylim(0, max(plots[1].get_ylim()[1], 0.05))
    if is_paper():
        handles, names = plots[-1].get_legend_handles_labels()
        named_lines(figure, names, handles)
    else:
        plots[-1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=9.5)
    cut = len(rows) < len(data.rows)
    title = "The recurrence during training"
    title += f": {len(rows)} of {len(data.rows)} configurations" if cut else ""
    axis = data.group.axis
    lengths = {max(row.points) for row in rows}
    longest = f"{axis.setting} {max(lengths)}" if data.group.varies and len(lengths) == 1 else ""
    return frame(figure, title, data.caption(longest), _note(data, saturation=len(quantities) > 1))


def _line(plot: Plot, index: int, data: PlotData, row: Row, table: pd.DataFrame, column: str) -> None:
    """Draw the mean over the seeds of `column`, over the time steps too where it has one number for each."""
    of_row = table[table["cell"].isin(data.of(row)["cell"])]
    means = of_row.astype({"cell": str}).groupby(["step", "cell"])[column].mean().dropna().reset_index()
    if not len(means):
        return
    step, group = np.unique(means["step"].to_numpy(), return_inverse=True)
    interval = mean_interval(means[column].to_numpy(np.float64), group.astype(np.int64), len(step))
    look: dict[str, Any] = {
        "color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index // len(COLOURS) % len(LINES)],
    }  # fmt: skip
    x: Floats = np.log2(step + 1.0)
    plot.fill_between(x, interval.low, interval.high, color=look["color"], alpha=0.15, linewidth=0)
    plot.plot(x, interval.mean, **look, linewidth=1.6, label=folded(data.name(row), _LONGEST_LABEL))


def _axes(plot: Plot, name: str) -> None:
    plot.set_title(name)
    plot.set_xlabel("step of training")
    plot.xaxis.set_major_locator(MaxNLocator(nbins=4 if is_paper() else 7, integer=True))
    # probed steps stand at 0, 1, 2, 4, ...: a logarithm of the step plus one keeps the first
    plot.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{2**at - 1:,.0f}" if at >= 0 else ""))


def _note(data: PlotData, *, saturation: bool) -> str:
    parts = ["Mean over the seeds; shaded: 95 % interval." if data.several_seeds else "One seed."]
    parts.append(
        "Left: largest modulus of an eigenvalue of the recurrent matrix; at 1 a linear recurrence is critical."
    )
    if saturation:
        parts.append("Right: mean over the time steps; saturated where the slope is below 1/20 of its largest.")
    return " ".join([*parts, data.missing()]).strip()
