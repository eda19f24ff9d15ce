"""One number of several configurations: their mean, least or largest, or a slope along a setting."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from gradlab.analysis.expectations.configurations import Configuration
from gradlab.query import Quantity

__all__ = ["GEOMETRIC", "aggregate"]

GEOMETRIC = frozenset({
    "survival", "survival_final", "theory_survival", "cell_survival", "decay", "theory_decay",
    "grad_norm", "weight_grad_norm",
})  # fmt: skip
"""Columns whose mean is that of their logarithm, as everywhere in gradlab."""


def aggregate(side: Quantity, chosen: Sequence[Configuration]) -> tuple[Decimal | None, str]:
    """Return the number that `side` makes of its column in these configurations, or None and why there is none."""
    numbers = []
    for configuration in chosen:
        number, why = configuration.value(side.column, side.block)
        if number is None:
            return None, why
        numbers.append(number)
    if side.aggregate == "slope":
        return _slope(side, [configuration.settings[side.along] for configuration in chosen], numbers)
    if side.aggregate == "min":
        return min(numbers), ""
    if side.aggregate == "max":
        return max(numbers), ""
    if side.column in GEOMETRIC and all(number >= 0 for number in numbers):
        zero = not all(numbers)
        return Decimal(0) if zero else (sum((number.ln() for number in numbers), Decimal(0)) / len(numbers)).exp(), ""
    return sum(numbers, Decimal(0)) / len(numbers), ""


def _slope(side: Quantity, places: Sequence[Any], numbers: Sequence[Decimal]) -> tuple[Decimal | None, str]:
    """Return the least-squares slope of the logarithm of numbers against the logarithm of a setting."""
    if not all(isinstance(place, int | float) and place > 0 for place in places):
        return None, f"a slope needs values of {side.along} above 0"
    if len(set(places)) < 2:
        return None, f"a slope needs two different values of {side.along}"
    if not all(number.is_finite() and number > 0 for number in numbers):
        return None, f"a slope is of logarithms, and {side.column} is not above 0 everywhere"
    x, y = np.log(np.array(places, float)), np.array([float(number.ln()) for number in numbers])
    x -= x.mean()
    return Decimal(float(x @ y / (x @ x))), ""
