"""`gradlab plot`: the pictures of finished runs, drawn anew from their tables."""

from __future__ import annotations

from gradlab.api.options import PlotOptions
from gradlab.cli.flags import Results

__all__ = ["plot"]


def plot(results: Results, options: PlotOptions) -> int:
    """Draw the pictures of finished runs anew from their tables."""
    from gradlab.api.plot import plot as draw
    from gradlab.terminal.console import warn

    for drawn in draw(results, options):
        for warning in drawn.warnings:
            warn(*warning)
        for path in drawn.files:
            print(path)
    return 0
