"""A profile as one row of bars."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from gradlab.report.glyphs import Glyphs

__all__ = ["spark"]


def spark(glyphs: Glyphs, values: Sequence[float], cells: int = 24, smallest_range: float = 1.0) -> str:
    """Return the values as a row of bars, at most `cells` of them, each the mean of its share of the values.

    A range below `smallest_range` does not fill the height, so that noise does not look like a slope. Values that are
    not finite are blank.
    """
    size = max(ceil(len(values) / cells), 1)
    shares = [values[start : start + size] for start in range(0, len(values), size)]
    means = [sum(share) / len(share) for share in shares]
    finite = [mean for mean in means if abs(mean) < float("inf")]
    if not finite:
        return " " * len(means)
    middle, half = (min(finite) + max(finite)) / 2, max((max(finite) - min(finite)) / 2, smallest_range / 2)
    top = len(glyphs.bars) - 1

    def bar(value: float) -> str:
        return glyphs.bars[round((value - middle + half) / (2 * half) * top)] if abs(value) < float("inf") else " "

    return "".join(map(bar, means))
