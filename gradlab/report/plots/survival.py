"""Survival before training: against the length, or side by side where all networks have one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes as Plot
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from gradlab.families import Axis
from gradlab.record import Floats
from gradlab.report.formatting import folded
from gradlab.report.model.rows import Row
from gradlab.report.plots.data import PlotData, spread
from gradlab.report.plots.style import (
    COLOURS,
    GREY,
    INK,
    LETTERS,
    frame,
    is_paper,
    line_looks,
    log_axis,
    named_lines,
    new,
    thresholds,
)
from gradlab.report.plots.survival_intervals import survival_intervals

__all__ = ["draw_on", "picture"]

MOST_LINES = 8
DENSE = 8
"""Lengths from which theory is a line and no row of bars."""
_LONGEST_LABEL = 34
_SIGNS = {"dead": "∅", "nonfinite": "!"}


def picture(data: PlotData) -> Figure:
    """Return log survival at step 0 against depth; against the configurations where there is one depth only."""
    data = data.initial
    if len({depth for row in data.rows for depth in row.points}) == 1:
        return survival_intervals(data)
    named = spread(data.rows, MOST_LINES)
    figure = new(8.6, 4.6, column=2.1)
    lanes = _curves(figure.subplots(), data, named)
    if is_paper():
        looks = line_looks([data.labels(row) for row in named])
        named_lines(figure, [data.name(row) for row in named], [_handle(look) for look in looks])
    cut = len(named) < len(data.rows)
    title = f"Survival before training, against {data.group.axis.setting}"
    title += f": {len(named)} of {len(data.rows)} configurations" if cut else ""
    return frame(figure, title, data.caption(), _note(data, bool(lanes), cut))


def draw_on(axes: Plot, data: PlotData) -> bool:
    """Draw log survival at step 0 against depth into axes of a caller, with a legend; return whether there are several
    depths to draw."""
    data = data.initial
    if len({depth for row in data.rows for depth in row.points}) == 1:
        return False
    named = spread(data.rows, MOST_LINES)
    looks = line_looks([data.labels(row) for row in named])
    _curves(axes, data, named, inside=False)
    axes.legend([_handle(look) for look in looks], [data.name(row) for row in named], frameon=False)
    return True


def _handle(look: dict[str, Any]) -> Line2D:
    return Line2D([], [], **look, linewidth=1.4, markersize=4)


def _curves(axes: Plot, data: PlotData, named: list[Row], *, inside: bool = True) -> dict[tuple[str, ...], float]:
    """Draw the lines of all rows, those `named` in their looks and with their names where there is room; return the
    lanes of rows without a value somewhere."""
    chosen = {row.labels for row in named}
    _length_axis(axes, sorted({depth for row in data.rows for depth in row.points}), data.group.axis)
    without = [row for row in named if not all(map(np.isfinite, _line(row)[1]))]
    lanes = _value_axis(axes, data.rows, without, "survival" if is_paper() else f"survival: {data.group.axis.ratio}")
    thresholds(data, axes, vertical=False)
    for row in data.rows:
        if row.labels not in chosen:
            depths, centre, *_ = _line(row)
            axes.plot(depths, centre, color="#BDBDBD", linewidth=0.8, zorder=1)
    looks = line_looks([data.labels(row) for row in named])
    for row, look in zip(named, looks, strict=True):
        _draw(axes, row, look, lanes.get(row.labels, 0.0))
    if inside and not is_paper():
        _label_ends(axes, data, named, looks, lanes)
    return lanes


def _value_axis(axes: Plot, rows: Sequence[Row], lost: Sequence[Row], ratio: str) -> dict[tuple[str, ...], float]:
    """Make the y axis hold every value, and below it a lane for each row that has none somewhere; return the lanes."""
    values = np.concatenate([column for row in rows for column in _line(row)[1:]])
    finite = np.append(values[np.isfinite(values)], 0.0)
    log_axis(axes, float(finite.min()), float(finite.max()))
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_ylabel(ratio)
    low, high = axes.get_ylim()
    if not lost:
        return {}
    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high]
    step = 0.065 * (high - low)
    axes.axhline(low, color="#CFCFCF", linewidth=0.8)
    axes.set_ylim(low - (len(lost) + 0.2) * step, high)
    axes.set_yticks(ticks)
    return {row.labels: low - (index + 0.6) * step for index, row in enumerate(reversed(lost))}


def _length_axis(axes: Plot, depths: list[int], axis: Axis) -> None:
    # a factor per block is a straight line against depth itself; a logarithm only where depths span too much to see
    if depths[-1] > 100 * depths[0]:
        axes.set_xscale("log")
        gap, scale = 0.12, np.log10(depths)
        axes.set_xlim(depths[0] / 1.4, depths[-1] * 1.4)
    else:
        gap, scale = 0.045 * (depths[-1] - depths[0]), np.array(depths, float)
        axes.set_xlim(depths[0] - gap, depths[-1] + gap)
    labelled_depths: list[int] = []
    for at in range(len(depths) - 1, -1, -1):
        if not labelled_depths or scale[depths.index(labelled_depths[-1])] - scale[at] >= gap:
            labelled_depths.append(depths[at])
    crowded = len(depths) > 16 and axes.get_xscale() == "linear"
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True) if crowded else FixedLocator(labelled_depths))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel(f"{axis.setting} ({axis.units})" if axis.setting == axis.along else axis.setting)


def _line(row: Row) -> tuple[list[int], Floats, Floats, Floats]:
    depths = sorted(row.points)
    columns = ("log10_survival", "log10_survival_lo", "log10_survival_hi")
    centre, low, high = (np.array([float(row.points[depth][name]) for depth in depths]) for name in columns)
    return depths, np.where(np.isfinite(centre), centre, np.nan), low, high


def _draw(axes: Plot, row: Row, look: dict[str, Any], lane: float) -> None:
    depths, centre, low, high = _line(row)
    axes.fill_between(depths, low, high, color=look["color"], alpha=0.18, linewidth=0)
    marks = -(-len(depths) // 12)
    axes.plot(
        depths, centre, **look, markevery=marks, linewidth=1.8, markeredgecolor="white", markeredgewidth=0.6, zorder=4
    )
    theory = [float(row.points[depth]["theory_log10_survival"]) for depth in depths]
    if len(depths) > DENSE:
        axes.plot(depths, theory, linestyle=(0, (3, 2)), linewidth=1.0, color=INK, zorder=5)
    else:
        size = 8 if is_paper() else 13
        axes.plot(depths, theory, linestyle="", marker="_", markersize=size, color=INK, markeredgewidth=1.4, zorder=5)
    for depth in depths:
        sign = _SIGNS.get(str(row.points[depth]["verdict"]))
        if sign:
            axes.text(depth, lane, sign, color=LETTERS[COLOURS.index(look["color"])], size=11, weight="bold",
                      ha="center", va="center", zorder=6)  # fmt: skip


def _label_ends(
    axes: Plot, data: PlotData, rows: list[Row], looks: list[dict[str, Any]], lanes: dict[tuple[str, ...], float]
) -> None:
    """Write each line's name to the right of it, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    ends = []
    for row, look in zip(rows, looks, strict=True):
        depths, centre, *_ = _line(row)
        at = np.flatnonzero(np.isfinite(centre))
        ends.append(
            (float(centre[at[-1]]) if len(at) else lanes[row.labels], depths[at[-1] if len(at) else -1], row, look)
        )
    ends.sort(key=lambda end: end[0])
    heights = _apart([(end[0] - low) / (high - low) for end in ends], 0.06)
    for (value, depth, row, look), height in zip(ends, heights, strict=True):
        axes.annotate(
            folded(data.name(row), _LONGEST_LABEL), xy=(depth, value), xytext=(1.045, height),
            textcoords="axes fraction", color=LETTERS[COLOURS.index(look["color"])], size=9.5, va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": look["color"], "linewidth": 0.7, "shrinkA": 2, "shrinkB": 5,
                        "relpos": (0, 0.5)},
        )  # fmt: skip


def _apart(heights: list[float], gap: float) -> list[float]:
    """Return ascending heights moved as little as need be so that they keep a gap and stay below 1."""
    moved = list(heights)
    for at in range(1, len(moved)):
        moved[at] = max(moved[at], moved[at - 1] + gap)
    top = 1.0
    for at in range(len(moved) - 1, -1, -1):
        moved[at] = min(moved[at], top)
        top = moved[at] - gap
    return moved


def _note(data: PlotData, signs: bool, cut: bool) -> str:
    several = data.several_seeds
    parts = ["Geometric mean over the seeds; shaded: 95 % interval." if several else "One seed, so no interval."]
    if data.tables.summary["theory_log10_survival"].notna().any():
        dense = any(len(row.points) > DENSE for row in data.rows)
        parts.append(f"{'Black dashes' if dense else 'Black bars'}: mean-field theory.")
    if signs:
        parts.append("At the bottom: networks of which half the seeds or more are exactly zero (∅) or not finite (!).")
    if cut:
        parts.append("Named: by rank evenly from the smallest to the largest survival; the others in grey.")
    return " ".join([*parts, data.missing()]).strip()
