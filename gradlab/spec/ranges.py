"""Ranges as a spec writes them, inclusive: `2..64`, `2..64:2` (step), `2..64*2` (factor), `1e-3..1e-1*10`.

Steps are taken in decimal, so that `0.1..0.5:0.1` ends at 0.5 and `1e-3..1e-1*10` is 0.001, 0.01, 0.1.
"""

from __future__ import annotations

import decimal
import re
from decimal import Decimal
from math import isinf

from gradlab.spec.node import shorten

__all__ = ["LONGEST", "RangeError", "is_range", "values"]

LONGEST = 100_000
"""Most values a range may hold."""

_NUMBER = r"[-+]?(?:\.\d+|\d+(?:_\d+)*(?:\.\d+)?)(?:[eE][-+]?\d{1,4})?"
_RANGE = re.compile(
    rf"\s*(?P<first>{_NUMBER})\s*\.\.(?!\.)\s*(?P<last>{_NUMBER})\s*(?:(?P<kind>[:*])\s*(?P<by>{_NUMBER})\s*)?"
)
_ATTEMPT = re.compile(r"\s*[-+]?\.?\d.*\.\.|\s*\.\.+\s*[-+]?\.?\d|.*\.\.\s*[-+]?\.?\d")
_CONTEXT = decimal.Context(prec=40, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)
_FORMS = "a range is written 2..64, 2..64:2 (step) or 2..64*2 (factor)"


class RangeError(ValueError):
    """A range that cannot be one; `hint` says what to write."""

    def __init__(self, message: str, hint: str = _FORMS) -> None:
        super().__init__(message)
        self.hint = hint


def is_range(text: str) -> bool:
    """Whether text means to be a range: it has two dots beside a number."""
    return _ATTEMPT.match(text) is not None


def values(text: str) -> list[int | float]:
    """Return the values of a range, ascending; whole numbers as int, others as the nearest float.

    Raises:
        RangeError: the text is no range, or one that runs backwards, never ends or is longer than `LONGEST`.
    """
    shown = shorten(text.strip())
    match = _RANGE.fullmatch(text)
    if not match:
        end = " has no end" if re.fullmatch(rf"\s*{_NUMBER}\s*\.\.\s*", text) else " cannot be read"
        raise RangeError(f"the range '{shown}'{end}")
    first, last = (Decimal(match[name].replace("_", "")) for name in ("first", "last"))
    by = Decimal(match["by"].replace("_", "")) if match["by"] else None
    if any(isinf(float(number)) for number in (first, last, by or Decimal(0))):
        raise RangeError(
            f"the range '{shown}' goes beyond what a number can hold", "the largest number is about 1.8e308"
        )
    if last < first:
        raise RangeError(f"the range '{shown}' runs backwards", "a range goes up: the smaller number stands first")
    found = (
        _factor(first, last, by, shown) if match["kind"] == "*" and by is not None else _step(first, last, by, shown)
    )
    return [_plain(number) for number in found]


def _step(first: Decimal, last: Decimal, by: Decimal | None, shown: str) -> list[Decimal]:
    if by is None:
        if not (_whole(first) and _whole(last)):
            hint = f"add a step or a factor, as in {shown}:0.1 or {shown}*10"
            raise RangeError(f"the range '{shown}' does not say how to get from one number to the next", hint)
        by = Decimal(1)
    if by <= 0:
        raise RangeError(f"the range '{shown}' never ends", "a step (:) must be above 0")
    steps = _CONTEXT.divide(_CONTEXT.subtract(last, first), by)
    if steps >= LONGEST:
        raise _too_long(shown)
    return [_CONTEXT.fma(by, k, first) for k in range(int(steps) + 1)]


def _factor(first: Decimal, last: Decimal, by: Decimal, shown: str) -> list[Decimal]:
    if by <= 1:
        raise RangeError(f"the range '{shown}' never ends", "a factor (*) must be above 1")
    if first <= 0:
        raise RangeError(f"the range '{shown}' never ends", "a range with a factor (*) must begin above 0")
    found: list[Decimal] = []
    while first <= last:
        if len(found) == LONGEST:
            raise _too_long(shown)
        found.append(first)
        first = _CONTEXT.multiply(first, by)
    return found


def _too_long(shown: str) -> RangeError:
    return RangeError(f"the range '{shown}' has more than {LONGEST:,} values", "take a larger step or a factor")


def _whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def _plain(number: Decimal) -> int | float:
    return int(number) if abs(number) < 10**15 and _whole(number) else float(number)
