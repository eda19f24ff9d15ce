"""The gradient norm along the depth, or time, as training goes on: a panel per configuration, a line per step."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from gradlab.report.model.profiles import mean_series, thinned
from gradlab.report.model.rows import Row
from gradlab.report.plots.data import PlotData, spread
from gradlab.report.plots.profiles import POINTS, length_axis, panels
from gradlab.report.plots.style import GREY, frame, is_paper, log_axis

__all__ = ["picture"]

MOST_PANELS = 6
DECADES = 4.0
"""How far beyond the profile before training a panel goes: one step of a diverging run must not flatten the rest."""
_TICKS = 7


def picture(data: PlotData) -> Figure | None:
    """Return the profiles over training time; None when nothing was measured after step 0."""
    trained = data.trained()
    if not trained:
        return None
    rows = spread(trained, MOST_PANELS)
    one_length = len({max(row.points) for row in rows}) == 1
    names = [data.name(row) + ("" if one_length else f", {data.group.axis.setting} {max(row.points)}") for row in rows]
    titles = [(name, _described(data, row), GREY) for name, row in zip(names, rows, strict=True)]
    figure, grid = panels(titles, data.group.axis, shared=False, beside=0.9)
    steps = sorted({step for row in rows for step in data.profiles.steps(data.ids(row))})
    colours = LinearSegmentedColormap.from_list("steps", matplotlib.colormaps["cividis"](np.linspace(0, 0.92, 64)))
    norm = Normalize(0, np.log2(steps[-1] + 1))
    clipped = [_draw(axes, data, row, colours, norm) for row, axes in zip(rows, grid, strict=True)]
    place = "bottom" if is_paper() else "right"
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=grid, location=place, aspect=25, pad=0.02, shrink=0.8)
    ticks = [steps[round(at)] for at in np.linspace(0, len(steps) - 1, min(len(steps), _TICKS))]
    bar.set_ticks([float(np.log2(step + 1)) for step in ticks], labels=[f"{step:,}" for step in ticks])
    bar.outline.set_visible(False)
    bar.set_label("step of training")
    cut = len(rows) < len(data.rows)
    title = f"Gradient norm {data.group.axis.direction} during training"
    title += f": {len(rows)} of {len(data.rows)} configurations" if cut else ""
    caption = data.caption(data.longest(rows) if one_length else "")
    return frame(figure, title, caption, _note(data, cut=cut, clipped=any(clipped)))


def _draw(axes: Axes, data: PlotData, row: Row, colours: Colormap, norm: Normalize) -> bool:
    """Draw one panel; return whether a line leaves it."""
    ids = data.ids(row)
    steps = data.profiles.steps(ids)
    means = {step: mean_series(data.profiles.of(ids, step)).mean for step in steps}
    means = {step: mean for step, mean in means.items() if np.isfinite(mean).all()}
    for step, mean in means.items():
        at = thinned(len(mean), POINTS)
        first = step == steps[0]
        axes.plot(
            at + 1, mean[at], color=colours(norm(np.log2(step + 1))), linewidth=2.4 if step in (0, steps[-1]) else 1.2,
            linestyle=(0, (3, 1.5)) if first else "-", zorder=5 if first else 3, marker="o" if len(mean) == 1 else "",
        )  # fmt: skip
    length_axis(axes, max(row.points))
    if not means:
        log_axis(axes, 0.0, 0.0, least=3.0)
        return False
    start = next(iter(means.values()))
    low, high = min(mean.min() for mean in means.values()), max(mean.max() for mean in means.values())
    least, most = float(start.min()) - DECADES, float(start.max()) + DECADES
    log_axis(axes, max(low, least), min(high, most), least=3.0)
    return bool(low < least or high > most)


def _described(data: PlotData, row: Row) -> str:
    cells = data.of(row)
    seeds, learned, diverged = len(cells), int(cells["learned"].sum()), int((cells["status"] == "diverged").sum())
    text = f"{learned} of {seeds} learned" if seeds > 1 else "learned" if learned else "did not learn"
    if diverged:
        text += f", {diverged} diverged" if seeds > 1 else ", diverged"
    point = row.points[max(row.points)]
    lost = [
        f"{point[name]} {word}" for name, word in (("dead", "zero ∅"), ("nonfinite", "not finite !")) if point[name]
    ]
    return text + (f"\nat the start {', '.join(lost)}" if lost else "")


def _note(data: PlotData, *, cut: bool, clipped: bool) -> str:
    seeds = "geometric mean over the seeds that are finite there" if data.several_seeds else "one seed"
    parts = [f"Each line: {seeds}"]
    parts[0] += "; dashed: before training; the lighter, the later. Each panel has its own vertical axis."
    if clipped:
        parts.append(f"Lines that leave a panel go beyond {DECADES:.0f} decades from where it started.")
    if cut:
        parts.append("Shown: by rank evenly from the smallest to the largest survival before training.")
    return " ".join([*parts, data.missing()]).strip()
