"""The gradient norm along the depth, or time, as training goes on: a panel per configuration, a line per step."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from gradlab.report.plots.paper import GREY, frame, log_axis
from gradlab.report.plots.profiles import depth_axis, panels, summed_up, thinned
from gradlab.report.plots.scene import Scene, spread
from gradlab.report.view import Row

__all__ = ["picture"]

MOST_PANELS = 6
DECADES = 4.0
"""How far beyond the profile before training a panel goes: one step of a diverging run must not flatten the rest."""
_TICKS = 7


def picture(scene: Scene) -> Figure | None:
    """Return the profiles over training time; None when nothing was measured after step 0."""
    trained = [row for row in scene.rows if len(scene.steps(scene.of(row)["cell"].tolist())) > 1]
    if not trained:
        return None
    shown = spread(trained, MOST_PANELS)
    same = len({max(row.points) for row in shown}) == 1
    names = [scene.name(row) + ("" if same else f", {scene.view.axis.setting} {max(row.points)}") for row in shown]
    titles = [(name, _said(scene, row), GREY) for name, row in zip(names, shown, strict=True)]
    figure, grid = panels(titles, scene.view.axis, shared=False, beside=0.9)
    steps = sorted({step for row in shown for step in scene.steps(scene.of(row)["cell"].tolist())})
    colours = LinearSegmentedColormap.from_list("steps", matplotlib.colormaps["cividis"](np.linspace(0, 0.92, 64)))
    norm = Normalize(0, np.log2(steps[-1] + 1))
    clipped = [_draw(axes, scene, row, colours, norm) for row, axes in zip(shown, grid, strict=True)]
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=grid, location="right", aspect=25, pad=0.02, shrink=0.8)
    ticks = [steps[round(at)] for at in np.linspace(0, len(steps) - 1, min(len(steps), _TICKS))]
    bar.set_ticks([float(np.log2(step + 1)) for step in ticks], labels=[f"{step:,}" for step in ticks])
    bar.outline.set_visible(False)
    bar.set_label("step of training")
    cut = len(shown) < len(scene.rows)
    title = f"Gradient {scene.view.axis.direction} during training"
    title += f": {len(shown)} of {len(scene.rows)} configurations" if cut else ""
    deepest = f"{scene.view.axis.setting} {max(max(row.points) for row in shown)}" if scene.view.over_depth else ""
    return frame(figure, title, scene.caption(deepest if same else ""), _note(scene, cut=cut, clipped=any(clipped)))


def _draw(axes: Axes, scene: Scene, row: Row, colours: Colormap, norm: Normalize) -> bool:
    """Draw one panel; return whether a line leaves it."""
    ids = scene.of(row)["cell"].tolist()
    steps = scene.steps(ids)
    means = {step: summed_up(scene.profiles(ids, step))[0] for step in steps}
    means = {step: mean for step, mean in means.items() if np.isfinite(mean).all()}
    for step, mean in means.items():
        at = thinned(len(mean))
        first = step == steps[0]
        axes.plot(
            at + 1, mean[at], color=colours(norm(np.log2(step + 1))), linewidth=2.4 if step in (0, steps[-1]) else 1.2,
            linestyle=(0, (3, 1.5)) if first else "-", zorder=5 if first else 3, marker="o" if len(mean) == 1 else "",
        )  # fmt: skip
    depth_axis(axes, max(row.points))
    if not means:
        log_axis(axes, 0.0, 0.0, least=3.0)
        return False
    start = next(iter(means.values()))
    low, high = min(mean.min() for mean in means.values()), max(mean.max() for mean in means.values())
    least, most = float(start.min()) - DECADES, float(start.max()) + DECADES
    log_axis(axes, max(low, least), min(high, most), least=3.0)
    return bool(low < least or high > most)


def _said(scene: Scene, row: Row) -> str:
    cells = scene.of(row)
    seeds, learned, diverged = len(cells), int(cells["learned"].sum()), int((cells["status"] == "diverged").sum())
    text = f"{learned} of {seeds} learned" if seeds > 1 else "learned" if learned else "did not learn"
    if diverged:
        text += f", {diverged} diverged" if seeds > 1 else ", diverged"
    point = row.points[max(row.points)]
    lost = [
        f"{point[name]} {word}" for name, word in (("dead", "zero ∅"), ("nonfinite", "not finite !")) if point[name]
    ]
    return text + (f"\nat the start {', '.join(lost)}" if lost else "")


def _note(scene: Scene, *, cut: bool, clipped: bool) -> str:
    several = int(scene.tables.summary["n"].max()) > 1
    parts = ["Each line: " + ("geometric mean over the seeds that are finite there" if several else "one seed")]
    parts[0] += "; dashed: before training; the lighter, the later. Each panel has its own vertical axis."
    if clipped:
        parts.append(f"Lines that leave a panel go beyond {DECADES:.0f} decades from where it started.")
    if cut:
        parts.append("Shown: from the least to the most gradient left at the start, evenly between.")
    return " ".join([*parts, scene.missing()]).strip()
