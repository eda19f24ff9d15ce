"""`gradlab plot`: the pictures of finished runs, drawn anew from their tables."""

from __future__ import annotations

from gradlab.api.options import PlotOptions
from gradlab.cli.flags import Results

__all__ = ["plot"]


def plot(results: Results, options: PlotOptions) -> int:
    """Draw the pictures of finished runs anew from their tables."""
    from gradlab.api.plot import plot as draw
    from gradlab.terminal.console import warn

    runs, errors = draw(results, options)
    for drawn in runs:
        for warning in drawn.warnings:
            warn(*warning)
        for path in drawn.files:
            print(path)
    for error in errors:
        warn(f"{error.message}: left out", error.hint)
    return 1 if errors else 0
