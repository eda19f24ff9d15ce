"""The metric on the test half against the value of an axis: a panel for each length, a line for each configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from gradlab.analysis.compare.best import Best, folded
from gradlab.analysis.compare.comparison import Comparison
from gradlab.analysis.compare.design import setting_text
from gradlab.analysis.compare.parameters import split_parameters
from gradlab.cell import SETTINGS
from gradlab.errors import UsageError
from gradlab.report.formatting import count
from gradlab.report.formatting import folded as folded_text
from gradlab.report.model.best_rows import BestGroup, BestRow, best_groups
from gradlab.report.model.comparison_best import best_rows
from gradlab.report.model.heatmap import evenly
from gradlab.report.model.marks import Point
from gradlab.report.plots.data import PlotData
from gradlab.report.plots.style import COLOURS, INK, LINES, MARKERS, frame, new

__all__ = ["axis_of_training", "comparison_picture", "picture"]

MOST_PANELS, MOST_LINES = 6, 7
_COLUMNS = 3
_LONGEST_LABEL = 32
_MOST_NUMBERS, _MOST_WORDS = 7, 18
"""Labels on an axis."""
_BESIDE = 28
"""Letters of words that have room beside each other below a panel."""
_DECADE = 10.0
"""Ratio of the ends of an axis from which it is logarithmic."""


def picture(data: PlotData) -> Figure | None:
    """Return the metric of a run's networks against the setting of the training that was varied: the learning rate, or
    the first other number; None where none was, or where it was not measured on the halves of the held-out samples."""
    key = axis_of_training(data)
    if key is None:
        return None
    cells = data.tables.cells[data.tables.cells["status"] != "failed"].reset_index(drop=True)
    try:
        best, _, design = folded(split_parameters(cells, key, None), key)
    except UsageError:  # an older version, or one value in each configuration
        return None
    (group,) = best_groups(best, design.along, tuple(design.follows))
    return _best_picture(best, group, data.caption())


def comparison_picture(comparison: Comparison) -> Figure:
    """Return the picture of the choice in a comparison.

    Raises UsageError where nothing was chosen, and for networks along several axes, which share no panels.
    """
    if comparison.best is None:
        raise UsageError("a picture shows the values of one axis", "name it: --best lr")
    groups = best_rows(comparison)
    if len(groups) > 1:
        axes = " and ".join(group.axis.setting for group in groups)
        raise UsageError(f"these networks run over {axes}, which share no picture", "choose some with --where")
    fixed = {key: setting_text(value) for key, value in comparison.design.fixed.items()}
    parts = [" on ".join(fixed[key] for key in ("model", "task") if key in fixed)]
    parts += [f"{key} {fixed[key]}" for key in ("width", "depth") if key in fixed]
    parts.append(count(comparison.design.seeds, "seed"))
    return _best_picture(comparison.best, groups[0], " · ".join(part for part in parts if part))


def axis_of_training(data: PlotData) -> str | None:
    """Return the setting of the training with several numbers in a run: `lr`, or the first other; None without any."""
    cells = data.tables.cells
    keys = [
        key
        for key in data.group.keys
        if SETTINGS[key].training and all(_is_number(value) for value in cells[key].unique())
    ]
    return "lr" if "lr" in keys else next(iter(keys), None)


def _best_picture(best: Best, group: BestGroup, caption: str) -> Figure:
    """Return the picture of a choice: mean test metric with 95 % intervals against the values, the chosen ones ringed.

    The axis is logarithmic where the values span a decade; values that are no numbers stand side by side.
    """
    lengths = [group.lengths[at] for at in evenly([float(length) for length in group.lengths], MOST_PANELS)]
    sample = _spread(group.rows)
    columns = 2 if len(lengths) == 4 else min(_COLUMNS, len(lengths))
    rows = -(-len(lengths) // columns)
    places = _places(best)
    room = 0.045 * min(max(map(len, places.at)), _LONGEST_LABEL) if places.slanted else 0.0
    figure = new(max(3.1 * columns + 2.4, 6.4), (2.7 + room) * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes, length in zip(grid, lengths, strict=False):
        for index, row in enumerate(sample):
            if length in row.values:
                _values(axes, row.values[length], places, index, 0.7 * ((index + 0.5) / len(sample) - 0.5))
        if len(lengths) > 1:
            axes.set_title(group.axis.at(length))
    for axes in grid[len(lengths) :]:
        axes.set_axis_off()
    for at, axes in enumerate(grid[: len(lengths)]):
        _value_axis(axes, best, places, labelled=at + columns >= len(lengths))
        if at % columns == 0:
            axes.set_ylabel(f"{best.metric_name}, test half")
    low, high = grid[0].get_ylim()
    grid[0].set_ylim(max(low, -0.05) if best.metric_name == "accuracy" else low, min(high, 1.05))
    if len(sample) > 1:
        names = [folded_text(row.name, _LONGEST_LABEL) for row in sample]
        without = {"linestyle": ""} if places.words else {}
        handles = [Line2D([], [], label=name, **{**_look(at), **without}) for at, name in enumerate(names)]
        corner = grid[columns - 1]
        corner.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=9.5)
    title = f"{best.metric_name[:1].upper()}{best.metric_name[1:]} against {best.title}"
    if len(sample) < len(group.rows):
        title += f": {len(sample)} of {len(group.rows)} configurations"
    return frame(figure, title, caption, _note(best))


def _values(axes: Axes, values: Sequence[Point], places: _Places, index: int, beside: float) -> None:
    """Draw the values of one configuration: a line over numbers, dots over words, by so much `beside` their places."""
    x = np.array([places.at[str(value["label"])] for value in values]) + beside * places.words
    order = np.argsort(x, kind="stable")
    mean, low, high = (np.array([float(value[f"test{end}"]) for value in values]) for end in ("", "_lo", "_hi"))
    look = _look(index)
    if places.words:
        axes.vlines(x, low, high, color=look["color"], linewidth=1.4, alpha=0.6)
        axes.plot(x, mean, **{**look, "linestyle": ""})
    else:
        axes.fill_between(x[order], low[order], high[order], color=look["color"], alpha=0.13, linewidth=0)
        axes.plot(x[order], mean[order], **look)
    chosen = [at for at, value in enumerate(values) if value["chosen"]]
    axes.plot(x[chosen], mean[chosen], linestyle="", marker="o", markersize=12, markerfacecolor="none",
              markeredgecolor=look["color"], markeredgewidth=1.6, zorder=5)  # fmt: skip


def _look(index: int) -> dict[str, Any]:
    return {
        "color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINES[index % len(LINES)], "linewidth": 1.6,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Places:
    """Where each value of the axis stands: numbers where they are, on a log axis their log10; words side by side."""

    at: dict[str, float]
    words: bool

    @property
    def slanted(self) -> bool:
        """Whether the words are too long to stand beside each other."""
        return self.words and sum(map(len, self.at)) > _BESIDE


def _places(best: Best) -> _Places:
    values = best.values.drop_duplicates("label")
    numbers = values[best.keys[0]].tolist() if len(best.keys) == 1 else []
    labels = values["label"].tolist()
    if numbers and all(_is_number(number) for number in numbers):
        scaled = np.array(numbers, dtype=np.float64)
        if scaled.min() > 0 and scaled.max() >= _DECADE * scaled.min():
            scaled = np.log10(scaled)
        return _Places(dict(zip(labels, scaled.tolist(), strict=True)), words=False)
    return _Places({label: float(at) for at, label in enumerate(labels)}, words=True)


def _value_axis(axes: Axes, best: Best, places: _Places, *, labelled: bool) -> None:
    ordered = sorted(places.at.items(), key=lambda entry: entry[1])
    ends = ordered[0][1], ordered[-1][1]
    margin = 0.5 if places.words else 0.08 * (ends[1] - ends[0]) or 0.5
    axes.set_xlim(ends[0] - margin, ends[1] + margin)
    most = _MOST_WORDS if places.words else _MOST_NUMBERS
    ticks = [ordered[round(at)] for at in np.linspace(0, len(ordered) - 1, min(len(ordered), most))]
    axes.set_xticks([at for _, at in ticks], [_tick(text) for text, _ in ticks])
    if places.slanted:
        axes.tick_params(axis="x", rotation=35, labelsize=8.5)
        for text in axes.get_xticklabels():
            text.set_horizontalalignment("right")
            text.set_rotation_mode("anchor")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)
    if labelled:
        axes.set_xlabel(best.title, color=INK)


def _tick(text: str) -> str:
    return folded_text(text.replace("e-0", "e-").replace("e+0", "e+"), _LONGEST_LABEL)


def _spread(rows: Sequence[BestRow]) -> list[BestRow]:
    """Return the rows to draw; of many, evenly by rank of the metric of their longest networks."""
    ranked = [float(row.points[max(row.points)]["test"]) for row in rows]
    return [rows[at] for at in evenly(ranked, MOST_LINES)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(np.isfinite(value))


def _note(best: Best) -> str:
    several = int(best.values["n"].max()) > 1
    bars = "bars" if _places(best).words else "shaded"
    parts = [f"Mean over the seeds; {bars}: 95 % interval." if several else "One seed."]
    parts.append(f"Ring: the {best.title} chosen on the validation half of the held-out samples.")
    if best.values["lost"].any():
        parts.append("A seed that diverged counts as 0." if best.values["test"].notna().all() else "")
    return " ".join(filter(None, parts))
