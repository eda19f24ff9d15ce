"""Numbers whose decimal sign may be one of thousands: 1.200 beside 950."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradlab.datafiles.dialect import Dialect
from gradlab.errors import shorten

__all__ = ["thousands"]

_ROWS = 200
"""Rows that are looked at."""
_HEAD = 2**20
_FEWEST = 3
"""Numbers in thousands that make it likely."""


def thousands(dialect: Dialect, body: str, names: Sequence[str]) -> list[str]:
    """Return warnings of columns of whole numbers and of numbers with three decimals, and no others.

    As decimals they would have two or one now and then; read as such, 1.200 is less than 950.
    """
    sign = re.escape("." if dialect.decimal == "point" else ",")
    grouped, whole = re.compile(rf"[+-]?[1-9]\d{{0,2}}{sign}\d{{3}}"), re.compile(r"[+-]?\d{1,3}")
    lines = [line for line in body[:_HEAD].split("\n")[:_ROWS] if line.strip()]
    rows = [row for row in map(dialect.split, lines) if len(row) == len(names)]
    notes = []
    for name, *column in zip(names, *rows, strict=True):
        fields = [field.strip() for field in column]
        numbers = [field for field in fields if any(letter.isdigit() for letter in field)]
        marked = [field for field in numbers if grouped.fullmatch(field)]
        plain = [field for field in numbers if whole.fullmatch(field) and abs(int(field)) >= 10]
        if len(marked) >= _FEWEST and plain and all(grouped.fullmatch(n) or whole.fullmatch(n) for n in numbers):
            notes.append(
                f"column {shorten(name, 40)!r} has {marked[0]} beside {plain[0]}: it is read as a number below 1,000; "
                "if its sign is one of thousands, remove it"
            )
    return notes
