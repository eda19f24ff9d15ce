"""Numbers, amounts and lists as texts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import floor, isfinite, isnan, log10

__all__ = [
    "capital", "count", "decade", "duration", "factor_text", "fixed_text", "folded", "joined", "log_text",
    "metric_text", "number_text", "percent", "power", "size", "span_text",
]  # fmt: skip


def log_text(value: float) -> str:
    """Return a log10 with one decimal and a sign, `0.0` without one; empty for NaN."""
    if isnan(value):
        return ""
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text


def power(log10_value: float) -> str:
    """Return 10**log10_value in a form that fits any size: `0.02`, `3`, `10^-19.5`."""
    if -3 < log10_value < 3:
        return f"{10**log10_value:.2g}" if log10_value < 2 else f"{10**log10_value:.0f}"
    return f"10^{log10_value:.1f}"


def decade(value: float) -> str:
    """Return a distance in blocks with two or three digits; beyond a million only its order of magnitude."""
    if value > 1e6:
        return f"10^{log10(value):.0f}"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def factor_text(factor: float) -> str:
    """Return a factor above 1 as `4.2`, `1.07` or `1.0003`: enough digits to see what is above 1."""
    if factor >= 2:
        return f"{factor:.3g}"
    return f"{factor:.{min(max(1 - floor(log10(factor - 1)), 2), 6)}f}" if factor > 1 else "1"


def count(number: int, noun: str) -> str:
    """Return `1 cell`, `12,000 cells`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def joined(parts: list[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


def number_text(value: float, digits: int = 3) -> str:
    """Return a number with some significant digits, ``2.27e+08`` where it is large or small; words for what is none."""
    if not isfinite(value):
        return "not a number" if isnan(value) else "infinite" if value > 0 else "-infinite"
    if value and not 1e-4 <= abs(value) < 1e5:
        return f"{value:.{digits - 1}e}"
    return f"{value:#.{max(digits, len(str(int(abs(value)))))}g}".removesuffix(".")


def fixed_text(value: float, decimals: int) -> str:
    """Return a number with a fixed point, in scientific notation from a hundred thousand on."""
    return f"{value:.{decimals}f}" if abs(value) < 1e5 else f"{value:.2e}"


def metric_text(value: float) -> str:
    """Return a metric with two decimals, scientific from ten thousand on."""
    if not isfinite(value) or abs(value) >= 1e4:
        return number_text(value, 2)
    return f"{value:.2f}"


def percent(share: float) -> str:
    """Return a share as `26 %`, `0.26 %`."""
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.2g} %"


def span_text(values: Sequence[float]) -> str:
    """Return ``2.1e+08`` or ``2.1e+08 to 5.8e+08``: the smallest and the largest of some numbers."""
    low, high = number_text(min(values)), number_text(max(values))
    return low if low == high else f"{low} to {high}"


def folded(text: str, width: int) -> str:
    """Return a label of a picture in lines of about `width` characters; nothing in it is cut, and no word broken."""
    return "\n".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)) or text


def capital(text: str) -> str:
    """Return text with its first letter large."""
    return text[:1].upper() + text[1:]


def duration(seconds: float) -> str:
    """Return a time as `0.4 s`, `14 s`, `3 min 20 s`, `2 h 05 min`."""
    if not isfinite(seconds):
        return "?"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    if rounded < 3600:
        return f"{rounded // 60} min {rounded % 60:02d} s"
    return f"{rounded // 3600} h {rounded % 3600 // 60:02d} min"


def size(count_bytes: float) -> str:
    """Return a number of bytes as `512 B`, `1.4 MB`, `2.0 GB`."""
    value, units = float(count_bytes), ["B", "kB", "MB", "GB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"
