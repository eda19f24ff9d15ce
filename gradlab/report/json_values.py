"""Values of any kind as what strict JSON can carry, for the terminal and for the page."""

from __future__ import annotations

from math import isfinite, isnan
from typing import Any

from gradlab.errors import printable_lines

__all__ = ["json_value"]


def json_value(value: Any) -> Any:
    """Return a value that strict JSON can carry: NaN becomes null, infinities the texts inf and -inf.

    Texts become `printable_lines`; what JSON does not know becomes text.
    """
    if isinstance(value, dict):
        return {printable_lines(str(key)): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else str(value)
    if isinstance(value, int | float | bool) or value is None:
        return value
    return printable_lines(str(value))
