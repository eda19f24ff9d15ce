"""The signs of a report, in Unicode and in ASCII, and the colours of survival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isnan, log10

__all__ = ["ASCII", "UNICODE", "Glyphs", "glyphs_for", "mark", "spark", "style"]


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Signs of one column each. `bars` go from low to high."""

    fading: str
    vanished: str
    growing: str
    exploded: str
    dead: str
    nonfinite: str
    learned: str
    plus_minus: str
    infinite: str
    dot: str
    ellipsis: str
    to: str
    bars: str


UNICODE = Glyphs("▾", "✗", "▴", "▲", "∅", "!", "✓", "±", "∞", "·", "…", "…", "▁▂▃▄▅▆▇█")
ASCII = Glyphs("v", "x", "^", "#", "0", "!", "*", "+-", "inf", "|", "~", "..", "_.-:=+*#")


def glyphs_for(encoding: str | None) -> Glyphs:
    """Return the signs that a stream of this encoding can carry."""
    try:
        "".join(getattr(UNICODE, name) for name in Glyphs.__slots__).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


_SHARE = 1 / 3
"""From this share of the way to a threshold on (in orders of magnitude) a gradient counts as fading or growing."""


def mark(glyphs: Glyphs, verdict: str, log10_survival: float, vanish: float, explode: float) -> str:
    """Return the sign of a survival, a blank when there is nothing to say; thresholds as in the spec."""
    if verdict in ("dead", "nonfinite", "vanishing", "exploding"):
        names = {"vanishing": "vanished", "exploding": "exploded"}
        sign: str = getattr(glyphs, names.get(verdict, verdict))
        return sign
    if log10_survival < _SHARE * log10(vanish) < 0:
        return glyphs.fading
    if log10_survival > _SHARE * log10(explode) > 0:
        return glyphs.growing
    return " "


# ColorBrewer RdBu (Brewer 2003): told apart with every common colour blindness. Each carries its own text colour,
# so that it reads on dark and on light terminals alike.
_VANISHING = ("black on #d1e5f0", "black on #92c5de", "black on #4393c3", "white on #2166ac", "white on #053061")
_EXPLODING = ("black on #fddbc7", "black on #f4a582", "black on #d6604d", "white on #b2182b", "white on #67001f")
_STEPS = (_SHARE, 1.0, 3.0, 9.0)


def style(verdict: str, log10_survival: float, vanish: float, explode: float) -> str:
    """Return the rich style of a survival: none near 1, then bluer or redder with each step away from it."""
    if verdict == "nonfinite" or isnan(log10_survival):
        return "bold reverse" if verdict in ("nonfinite", "dead") else ""
    threshold, scale = (vanish, _VANISHING) if log10_survival < 0 else (explode, _EXPLODING)
    distance = log10_survival / log10(threshold) if threshold != 1 else 0.0
    if distance < _SHARE / 3:
        return ""
    return scale[sum(distance >= step for step in _STEPS)]


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
