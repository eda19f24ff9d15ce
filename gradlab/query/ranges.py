"""Ranges of numbers, inclusive: `2..64`, `2..64:2` (step), `2..64*2` (factor), `1e-3..1e-1*10`.

Steps are taken in decimal, so that `0.1..0.5:0.1` ends at 0.5 and `1e-3..1e-1*10` is 0.001, 0.01, 0.1.
"""

from __future__ import annotations

import decimal
import re
from dataclasses import dataclass
from decimal import Decimal
from math import isinf, log

from gradlab.errors import shorten

__all__ = ["END", "LONGEST", "Range", "RangeError", "is_range", "parse"]

LONGEST = 100_000
"""Most values a range may hold."""
END = r"[-+]?(?:\.[0-9]+|[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)(?:[eE][-+]?[0-9]{1,4})?"
"""One end of a range; a number here cannot end in a dot."""
_RANGE = re.compile(rf"\s*(?P<first>{END})\s*\.\.(?!\.)\s*(?P<last>{END})\s*(?:(?P<kind>[:*])\s*(?P<by>{END})\s*)?")
_ATTEMPT = re.compile(r"\s*[-+]?\.?\d.*\.\.|\s*\.\.+\s*[-+]?\.?\d|.*\.\.\s*[-+]?\.?\d")
_CONTEXT = decimal.Context(prec=40, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
_FORMS = "a range is written 2..64, 2..64:2 (step) or 2..64*2 (factor)"
_TOLERANCE = 1e-9
"""Relative distance to a value of a range within which a double counts as that value."""


class RangeError(ValueError):
    """A range that cannot be one; `hint` says what to write."""

    def __init__(self, message: str, hint: str = _FORMS) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers from `first` to `last`, by a step above 0 or, if `factor`, by one above 1; at most `LONGEST`."""

    first: Decimal
    last: Decimal
    by: Decimal
    factor: bool = False

    def __str__(self) -> str:
        by = f"*{self.by}" if self.factor else f":{self.by}" if self.by != 1 else ""
        return f"{self.first}..{self.last}{by}"

    def __contains__(self, number: float) -> bool:
        first, last, by = float(self.first), float(self.last), float(self.by)
        slack = _TOLERANCE * (abs(number) if self.factor else by)
        if not first - slack <= number <= last + slack or (self.factor and number <= 0):
            return False
        if self.factor:
            near = first * by ** round(log(number / first) / log(by))
        else:
            near = first + by * round((number - first) / by)
        return abs(near - number) <= slack

    def values(self) -> list[int | float]:
        """Return the values, ascending; whole numbers as int, others as the nearest float."""
        values: list[int | float] = []
        number = self.first
        while number <= self.last:
            values.append(_plain(number))
            number = _CONTEXT.multiply(number, self.by) if self.factor else (
                _CONTEXT.fma(self.by, len(values), self.first)
            )  # fmt: skip
        return values


def is_range(text: str) -> bool:
    """Whether text means to be a range: it has two dots beside a number."""
    return _ATTEMPT.match(text) is not None


def parse(text: str) -> Range:
    """Return the range that `text` is.

    Raises RangeError when it is none, or one that runs backwards, never ends or has more than `LONGEST` values.
    """
    excerpt = shorten(text.strip())
    match = _RANGE.fullmatch(text)
    if not match:
        end = " has no end" if re.fullmatch(rf"\s*{END}\s*\.\.\s*", text) else " cannot be read"
        raise RangeError(f"the range '{excerpt}'{end}")
    first, last = (Decimal(match[name].replace("_", "")) for name in ("first", "last"))
    by = Decimal(match["by"].replace("_", "")) if match["by"] else None
    if any(isinf(float(number)) for number in (first, last, by or Decimal(0))):
        raise RangeError(
            f"the range '{excerpt}' goes beyond what a number can hold", "the largest number is about 1.8e308"
        )
    if last < first:
        raise RangeError(f"the range '{excerpt}' runs backwards", "a range goes up: the smaller number stands first")
    if by is None and not (_whole(first) and _whole(last)):
        hint = f"add a step or a factor, as in {excerpt}:0.1 or {excerpt}*10"
        raise RangeError(f"the range '{excerpt}' does not say how to get from one number to the next", hint)
    factor = match["kind"] == "*"
    if by is not None and by <= factor:
        bound = "a factor (*) must be above 1" if factor else "a step (:) must be above 0"
        raise RangeError(f"the range '{excerpt}' never ends", bound)
    if factor and first <= 0:
        raise RangeError(f"the range '{excerpt}' never ends", "a range with a factor (*) must begin above 0")
    by = Decimal(1) if by is None else by
    length = _CONTEXT.divide(last, first).ln(_CONTEXT) / by.ln(_CONTEXT) if factor else (
        _CONTEXT.divide(_CONTEXT.subtract(last, first), by)
    )  # fmt: skip
    if length >= LONGEST:
        raise RangeError(f"the range '{excerpt}' has more than {LONGEST:,} values", "take a larger step or a factor")
    return Range(first, last, by, factor)


def _whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def _plain(number: Decimal) -> int | float:
    return int(number) if abs(number) < 10**15 and _whole(number) else float(number)
