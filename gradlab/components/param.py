"""One parameter, of a component or a whole setting of a spec: its kind, its bounds, and the one check of a value."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any

__all__ = ["Param"]

LARGEST = 10**9
"""What bounds a whole number that nothing else bounds: more steps, samples or units than a machine will ever do."""
SMALLEST = sys.float_info.min
"""Training flushes numbers below it, but for 0, to 0: a setting must not change its value there."""


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter. `default=None` with `required` set: it must be given; else None stands for no value at all.

    Bounds: `low <= value <= high`; with `above` set, `low < value`, with `below` set, `value < high`.
    """

    default: Any = None
    kind: type = float
    """bool, int, float or str; of a setting that names a component `Named`."""
    low: float = -inf
    high: float = inf
    above: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()
    """Of a text: all that it can be. Of a number: the words that can stand in its place."""
    below: bool = False
    many: bool = False
    """Whether a value is a list of such numbers, or a word."""
    off: bool = False
    """Whether 0 switches something off, so that ``none`` is another way to write it."""
    length: bool = False
    """Whether a spec that is silent means the length of the network: its blocks, or time steps."""
    help: str = ""
    also: tuple[tuple[str, str], ...] = ()
    """Other ways to write some of `choices`, each with what it stands for."""

    def check(self, value: object) -> Any:
        """Return a plain value in its canonical form: as an int, or as a float that is not -0.0; sorted without twins.

        Raises:
            ValueError: the value cannot be one of this parameter; with what it must be: ``a number above 0``.
        """
        if value is None and self.off:
            value = 0
        if isinstance(value, str):
            value = dict(self.also).get(value, value)
        if isinstance(value, str) and (value in self.choices or (self.kind is str and value and not self.choices)):
            return value
        if self.many and isinstance(value, list | tuple) and value:
            return tuple(sorted({self._number(item) for item in value}))
        if self.kind is bool and isinstance(value, bool):
            return value
        if self.many or self.kind not in (int, float):
            raise ValueError(self.expected())
        return self._number(value)

    def expected(self, value: float = 0) -> str:
        """Return what a value must be, in words; the largest whole number only where `value` is beyond it."""
        words = ["true", "false", *self.choices] if self.kind is bool else [*self.choices]
        if self.kind not in (str, bool):
            number = self._expected_number(value)
            words = [*words, f"a list of {number}"] if self.many else [number, *words]
        *first, last = words or ["text"]
        return f"{', '.join(first)} or {last}" if first else last

    def _expected_number(self, value: float) -> str:
        bounds = []
        if self.low > -inf:
            bounds.append(f"above {self.low:g}" if self.above else f"of at least {self.low:g}")
        if self._most() < inf and (self.kind is float or value > self._most()):
            bounds.append(f"below {self.high:g}" if self.below else f"at most {self._most():,}")
        noun = "whole number" if self.kind is int else "number"
        return " ".join(filter(None, [f"{noun}s" if self.many else f"a {noun}", " and ".join(bounds)]))

    def _most(self) -> float:
        return LARGEST if self.kind is int and self.high == inf else self.high

    def _number(self, value: object) -> int | float:
        if not isinstance(value, Real) or isinstance(value, bool):
            raise ValueError(self.expected())
        try:
            # numbers of numpy are ones too; -0.0 becomes 0.0
            number = int(value) if self.kind is int and isinstance(value, Integral) else float(value) + 0.0
            if not isfinite(number):
                raise OverflowError
        except OverflowError:
            raise ValueError("finite") from None
        if isinstance(number, float):
            if self.kind is int:
                if not number.is_integer():
                    raise ValueError(self.expected())
                number = int(number)
            elif 0 < abs(number) < SMALLEST:
                raise ValueError(f"{'' if self.above else '0 or '}at least {SMALLEST:.3g} in size")
        low_enough = number < self._most() if self.below else number <= self._most()
        if not low_enough or not (number > self.low if self.above else number >= self.low):
            raise ValueError(self.expected(number))
        return number
