"""The picture of a measured model: the norm of the gradient at each block, with theory where there is one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import inf, isfinite, log, log10
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradlab.record import Floats
from gradlab.report.model.module_report import ModuleReport
from gradlab.report.plots.style import COLOURS, GREY, VERDICTS, amount, log_axis, new, plain_text

__all__ = ["NAMED", "block_axis", "picture", "svg"]

NAMED = 24
"""Blocks whose names fit below the axis; of more, only their numbers."""


def picture(result: ModuleReport) -> Figure:
    """Return a figure of log10 of the gradient's norm at each block: seeds as points, their geometric mean as a line.

    Theory, where it knows the blocks, begins at the last block. Blocks without a gradient are crosses at the bottom.
    """
    with plain_text():
        figure = new(7.2, 4.2)
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        seeds = np.array(result.seed_norms)
        rows, names = result.blocks, result.names
        at = np.arange(1, len(names) + 1)
        values = np.where(np.isfinite(seeds), seeds, np.nan)
        colour, word = VERDICTS.get(result.summary.verdict, (VERDICTS["dead"][0], result.summary.verdict))
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (-1.0, 0.0)
        if len(seeds) > 1:
            for seed in values:
                axes.plot(at, seed, ".", color=colour, alpha=0.35, markersize=4)
        axes.plot(
            at, values.mean(0), "-o" if len(names) <= NAMED else "-", color=colour, markersize=4, label="measured"
        )
        theory = _theory([float(row.get("theory_factor", np.nan)) for row in rows], float(values.mean(0)[-1]))
        if np.isfinite(theory[:-1]).any():
            axes.plot(at, theory, "--", color=COLOURS[1], label="theory")
            axes.legend(frameon=False)
            low, high = min(low, float(np.nanmin(theory))), max(high, float(np.nanmax(theory)))
        log_axis(axes, low, high)
        zero = np.isneginf(seeds).any(0)
        if zero.any():
            axes.plot(at[zero], np.full(int(zero.sum()), axes.get_ylim()[0]), "x", color=GREY, clip_on=False)
        axes.set_title(f"{result.name}: {word}{_survival(result)}", loc="left")
        axes.set_ylabel("norm of the gradient")
        block_axis(axes, names)
    return figure


def block_axis(axes: Axes, names: Sequence[str]) -> None:
    """Name the blocks below an axis where there are few, otherwise number them."""
    axes.set_xlabel("block, from the data to the loss")
    if len(names) > NAMED:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return
    long = max(map(len, names), default=0) > 3
    axes.set_xticks(
        np.arange(1, len(names) + 1), names, rotation=45 if long else 0, ha="right" if long else "center", fontsize=8
    )


def _theory(factors: list[float], top: float) -> Floats:
    """Return log10 of the profile that factors g_{l-1}/g_l make below the last block; NaN below an unknown one."""
    values = [top]
    for factor in reversed(factors[1:]):
        values.append(values[-1] + (log10(factor) if 0 < factor < inf else np.nan))
    return np.array(values[::-1])


def _survival(result: ModuleReport) -> str:
    value = result.summary.log_survival / log(10)
    return f", survival {amount(value)}" if isfinite(value) else ""


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG, the same bytes each time."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "gradlab", "svg.fonttype": "none"}):
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
