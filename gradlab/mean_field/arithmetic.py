"""Arithmetic that leaves the range of float64 ends as `NoPrediction`: no exception, no warning, no NaN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from gradlab.mean_field.prediction import NoPrediction

__all__ = ["LARGEST", "SMALLEST", "checked_arithmetic", "require_representable"]

SMALLEST = 1e-60
LARGEST = 1 / SMALLEST
"""Range of the variances that theory computes with: fourth moments and their products stay in that of float64."""


@contextmanager
def checked_arithmetic() -> Iterator[None]:
    """Turn overflow, division by zero and invalid operations, of Python or numpy, inside the block into `NoPrediction`.

    Underflow is no error: the tails of a Gaussian underflow in every integral. What it could spoil is kept out of its
    reach by `require_representable`.

    Raises:
        NoPrediction: instead of ArithmeticError and ValueError (``math domain error``).
    """
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise", under="ignore"):
            yield
    except (ArithmeticError, ValueError) as error:
        raise NoPrediction(f"the prediction leaves the range of float64 ({error.args[-1]})") from error


def require_representable(quantity: str, value: float) -> None:
    """Raise NoPrediction unless `value`, a variance, is 0 or lies between `SMALLEST` and `LARGEST`."""
    if value != 0 and not SMALLEST <= value <= LARGEST:
        raise NoPrediction(f"{quantity} is {value:.3g}: theory computes between {SMALLEST:.0e} and {LARGEST:.0e}")
