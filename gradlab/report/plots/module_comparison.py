"""The picture of compared models: the survival at each block of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from gradlab.report.model.module_comparison import ComparedModel, aligned
from gradlab.report.plots.module import NAMED, block_axis
from gradlab.report.plots.style import COLOURS, GREY, LINES, MARKERS, amount, log_axis, new, plain_text

__all__ = ["picture"]


def picture(models: Sequence[ComparedModel]) -> Figure:
    """Return a figure of log10 of the survival at each block, a line for each model with its verdict in the legend.

    Blocks that a model does not have are gaps, those without a gradient crosses at the bottom.
    """
    blocks = aligned(models)
    at = np.arange(1, len(blocks) + 1)
    with plain_text():
        figure = new(7.2, 4.2)
        figure.set_layout_engine("constrained")
        axes = figure.subplots()
        low = high = 0.0
        crosses = []
        for place, model in enumerate(models):
            rows = [block.rows[place] for block in blocks]
            values = np.array([np.nan if row is None else float(row["log10_survival"]) for row in rows])
            survivals = np.where(np.isfinite(values), values, np.nan)
            if np.isfinite(survivals).any():
                low, high = min(low, float(np.nanmin(survivals))), max(high, float(np.nanmax(survivals)))
            colour = COLOURS[place % len(COLOURS)]
            summary = model.report.summary
            survival = amount(summary.log_survival / np.log(10))
            axes.plot(
                at, survivals, linestyle=LINES[place // len(COLOURS) % len(LINES)], color=colour, markersize=4,
                marker=MARKERS[place % len(MARKERS)] if len(blocks) <= NAMED else "",
                label=f"{model.label}: {summary.verdict}{f', survival {survival}' if survival else ''}",
            )  # fmt: skip
            crosses.append((colour, np.isneginf(values)))
        axes.axhline(0, color=GREY, linewidth=0.8)
        log_axis(axes, low, high)
        for colour, zero in crosses:
            axes.plot(at[zero], np.full(int(zero.sum()), axes.get_ylim()[0]), "x", color=colour, clip_on=False)
        names = list(dict.fromkeys(model.report.name for model in models))
        axes.set_title(f"{', '.join(names)}: survival at each block", loc="left")
        axes.set_ylabel("gradient over that of the last block")
        axes.legend(frameon=False, fontsize=8)
        block_axis(axes, [block.name for block in blocks])
    return figure
