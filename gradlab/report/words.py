"""The words of a report: numbers as it writes them, and how it speaks of depth and of time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import floor, isfinite, isnan, log10

from gradlab.families import FAMILIES, Axis, family_of
from gradlab.report.glyphs import Glyphs

__all__ = [
    "DEPTH",
    "TIME",
    "Axis",
    "axis_of",
    "capital",
    "count",
    "decade",
    "decay_text",
    "duration",
    "fold_text",
    "joined",
    "log_text",
    "power",
    "size",
    "words_for",
]


DEPTH, TIME = FAMILIES["mlp"].axis, FAMILIES["rnn"].axis


def axis_of(models: Collection[str], varying: Collection[str] = ()) -> Axis:
    """Return the words for networks of these models, whose families have one axis.

    A table of networks along time runs over `seq_len`, unless of the two only `depth` is among the `varying` settings.
    """
    axes = {family.axis for model in models if (family := family_of(model)) is not None}
    axis = min(axes, key=lambda axis: axis.setting == "depth", default=DEPTH)
    return axis if axis.setting in varying or "depth" not in varying else replace(axis, setting="depth")


def log_text(value: float) -> str:
    """Return a log10 with one decimal and a sign, `0.0` without one; empty for NaN."""
    if isnan(value):
        return ""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def decay_text(decay: float, half: float, glyphs: Glyphs) -> str:
    """Return a factor per block like `0.236 ±0.001`, without the interval where there is none."""
    if isnan(decay):
        return ""
    return f"{decay:.3f}" + ("" if isnan(half) else f" {glyphs.plus_minus}{half:.3f}")


def power(log10_value: float) -> str:
    """Return 10**log10_value in words that fit any size: `0.02`, `3`, `10^-19.5`."""
    if -3 < log10_value < 3:
        return f"{10**log10_value:.2g}"
    return f"10^{log10_value:.1f}"


def decade(value: float) -> str:
    """Return a distance in blocks with two or three digits; beyond a million only its order is worth saying."""
    if value > 1e6:
        return f"10^{log10(value):.0f}"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def fold_text(factor: float) -> str:
    """Return a factor above 1 as `4.2`, `1.07` or `1.0003`: enough digits to see what is above 1."""
    if factor >= 2:
        return f"{factor:.3g}"
    return f"{factor:.{min(max(1 - floor(log10(factor - 1)), 2), 6)}f}" if factor > 1 else "1"


def words_for(axis: str, axes: Collection[str], models: Collection[str]) -> Axis:
    """Return the words for the rows of a comparison that run over the setting `axis`, one of `axes`, among `models`."""
    known = {family.axis for model in models if (family := family_of(model)) is not None}
    own = [one for one in known if one.setting == axis]
    if own:
        return own[0]
    return replace(known.pop(), setting=axis) if len(axes) == 1 and len(known) == 1 else DEPTH


def count(number: int, noun: str) -> str:
    """Return `1 cell`, `12,000 cells`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def joined(parts: list[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def capital(text: str) -> str:
    """Return text with its first letter large."""
    return text[:1].upper() + text[1:]


def duration(seconds: float) -> str:
    """Return a time as a person would say it: `0.4 s`, `14 s`, `3 min 20 s`, `2 h 05 min`."""
    if not isfinite(seconds):
        return "?"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count_bytes: float) -> str:
    """Return a number of bytes as `512 B`, `1.4 MB`, `2.0 GB`."""
    value, units = float(count_bytes), ["B", "kB", "MB", "GB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"
