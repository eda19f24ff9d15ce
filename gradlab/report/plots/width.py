"""The picture of a coordinate check: how far each layer moves, against the width."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from gradlab.modules.width_record import WidthCheck
from gradlab.report.plots.style import COLOURS, LINES, MARKERS, ShownFigure, plain_text

__all__ = ["picture"]


def picture(check: WidthCheck) -> Figure:
    """Return a figure with the RMS of each layer's movement after the first update against the width, log2 both ways.

    Lines are geometric means over the seeds, points the seeds; the legend has the slope over the widest three models.
    """
    with plain_text():
        figure = ShownFigure(figsize=(6.4, 4.2), layout="constrained")
        axes = figure.subplots()
        for layer, name in enumerate(check.layers):
            values: Any = check.moved_LTWS[layer, 0]
            if not (values > 0).all():
                continue
            colour = COLOURS[layer % len(COLOURS)]
            slope = check.slope(layer)
            line, label = (
                LINES[layer // len(COLOURS) % len(LINES)],
                f"{name}: {round(slope.value, 2) + 0.0:.2f} ({check.verdict(layer)})",
            )
            axes.plot(check.widths, np.exp(np.log(values).mean(1)), color=colour, linestyle=line, label=label)
            for seed in range(values.shape[1]):
                axes.plot(check.widths, values[:, seed], MARKERS[layer % len(MARKERS)], color=colour, markersize=3)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        axes.set_xlabel("width")
        axes.set_ylabel("RMS of the movement in the first update")
        axes.set_xticks(check.widths, [str(width) for width in check.widths])
        axes.legend(title="layer: slope", fontsize=8)
    return figure
