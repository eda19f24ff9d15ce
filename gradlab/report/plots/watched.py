"""The pictures of a watched training: the gradient along the blocks as it goes on, and its numbers against the step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from gradlab.record import Floats
from gradlab.report.model.watched_training import STEPS_DRAWN, WatchedTraining, evenly_spaced
from gradlab.report.plots.module import NAMED, block_axis
from gradlab.report.plots.style import COLOURS, GREY, log_axis, new, plain_text

__all__ = ["survival", "training"]

_TICKS = 8
"""Labels of steps at most, beside the picture of the blocks."""
_WIDE = 20
"""Ratio of the largest to the smallest gradient from which on its axis is logarithmic."""
_VANISH, _EXPLODE = -3.0, 3.0
"""log10 of the thresholds of the verdict."""


def training(watched: WatchedTraining) -> Figure | None:
    """Return a figure of log10 of the gradient's norm at each block, a line for each step; None without a step.

    The first measured step is dashed; blocks without a gradient have gaps.
    """
    if not watched.steps:
        return None
    every = [int(step["step"]) for step in watched.steps]
    steps = [every[place] for place in evenly_spaced(len(every), STEPS_DRAWN)]
    with plain_text():
        figure = new(7.2, 4.2)
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        colours = LinearSegmentedColormap.from_list("steps", matplotlib.colormaps["cividis"](np.linspace(0, 0.92, 64)))
        norm = Normalize(0, max(float(np.log2(steps[-1] + 1)), 1e-9))
        finite: list[Floats] = []
        for step in steps:
            values = np.array([float(row["log10_grad_norm"]) for row in watched.rows_at(step)])
            values = np.where(np.isfinite(values), values, np.nan)
            finite.append(values[np.isfinite(values)])
            marker = "o" if len(values) <= NAMED and step in (steps[0], steps[-1]) else ""
            axes.plot(
                np.arange(1, len(values) + 1), values, color=colours(norm(np.log2(step + 1))), marker=marker,
                markersize=4, linewidth=2.0 if step in (steps[0], steps[-1]) else 1.0,
                linestyle=(0, (3, 1.5)) if step == steps[0] and len(steps) > 1 else "-",
            )  # fmt: skip
        joined = np.concatenate(finite)
        log_axis(axes, float(joined.min()), float(joined.max())) if len(joined) else log_axis(axes, -1.0, 0.0)
        axes.set_title(f"{watched.name}: {len(every):,} measured steps, the first dashed", loc="left")
        axes.set_ylabel("norm of the gradient")
        block_axis(axes, [str(row["name"]) for row in watched.rows_at(steps[-1])])
        if len(steps) > 1:
            bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes, aspect=25, pad=0.02)
            ticks = _apart([float(np.log2(step + 1)) for step in steps])
            bar.set_ticks(
                [float(np.log2(steps[place] + 1)) for place in ticks], labels=[f"{steps[at]:,}" for at in ticks]
            )
            bar.set_label("step of training")
    return figure


def _apart(values: Sequence[float]) -> list[int]:
    """Return the places of rising values that lie apart enough for labels, the last among them."""
    least = (values[-1] - values[0]) / _TICKS
    places = [len(values) - 1]
    for place in range(len(values) - 2, -1, -1):
        if values[places[-1]] - values[place] >= least:
            places.append(place)
    return places[::-1]


def survival(watched: WatchedTraining) -> Figure | None:
    """Return a figure of the survival against the step and, where they are known, of the loss and of the gradient's
    norm before and after clipping; triangles are steps with gradients that overflowed. None without a step."""
    if not watched.steps:
        return None
    rows = watched.steps
    panels = [key for key in ("loss", "clip_norm_before") if any(np.isfinite(float(row[key])) for row in rows)]
    with plain_text():
        figure = new(7.2, 2.6 + 1.7 * len(panels))
        figure.set_layout_engine("constrained")
        grid: Any = figure.subplots(1 + len(panels), sharex=True, squeeze=False)
        axes = list(grid[:, 0])
        _survival(axes[0], watched)
        for key, panel in zip(panels, axes[1:], strict=True):
            if key == "loss":
                panel.plot(_steps(watched), _column(rows, key), color=COLOURS[0], label="loss")
                panel.set_ylabel("loss")
                continue
            before, after = (_column(rows, name) for name in (key, "clip_norm_after"))
            panel.plot(_steps(watched), before, color=COLOURS[0], label="before clipping")
            panel.plot(_steps(watched), after, "--", color=COLOURS[1], label="after")
            positive = before[np.isfinite(before) & (before > 0)]
            if len(positive) and positive.max() > _WIDE * positive.min():
                panel.set_yscale("log")
            panel.set_ylabel("|gradient|")
            panel.legend(frameon=False, fontsize=8)
        axes[0].set_title(f"{watched.name}: survival of the gradient during training", loc="left")
        axes[-1].set_xlabel("step of training")
    return figure


def _survival(axes: Axes, watched: WatchedTraining) -> None:
    steps, values = _steps(watched), _column(watched.steps, "log10_survival")
    survivals = np.where(np.isfinite(values), values, np.nan)
    axes.plot(steps, survivals, "-o" if len(steps) <= NAMED else "-", color=COLOURS[0], markersize=4)
    finite = survivals[np.isfinite(survivals)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (-1.0, 0.0)
    log_axis(axes, low, high)
    bottom, top = axes.get_ylim()
    for at, word in ((_VANISH, "vanished"), (_EXPLODE, "exploded")):
        if bottom < at < top:
            axes.axhline(at, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
            axes.text(steps[0], at, word, size=8, color=GREY, va="bottom")
    zero = np.isneginf(values)
    if zero.any():
        axes.plot(steps[zero], np.full(int(zero.sum()), bottom), "x", color=GREY, clip_on=False)
    over = np.array([bool(row["overflows"]) for row in watched.steps])
    if over.any():
        axes.plot(
            steps[over], np.full(int(over.sum()), top), "v", color=COLOURS[1], clip_on=False, label="overflow before it"
        )
        axes.legend(frameon=False, fontsize=8)
    axes.set_ylabel("survival")


def _steps(watched: WatchedTraining) -> Floats:
    return np.array([float(step["step"]) for step in watched.steps])


def _column(rows: Sequence[Any], key: str) -> Floats:
    return np.array([float(row[key]) for row in rows])
