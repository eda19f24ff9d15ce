"""The two modes of the tokens of a sequence, and how independent noises add up in them.

The mean over T tokens has the energy V + (T-1) V c a direction, each of the T-1 differences V (1-c).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.token_stream import Pair

__all__ = ["Modes", "Sources", "elasticity", "ratio"]

Floats = NDArray[np.float64]

_STEP = 1e-3
"""Relative, of derivatives by central differences; their error is about its square."""


@dataclass(frozen=True, slots=True)
class Modes:
    """Energies of the differences and of the mean, [2]."""

    tokens: int

    def of(self, pair: Pair) -> Floats:
        """Return the energies that belong to moments."""
        return np.array([max(pair.square - pair.product, 0.0), pair.square + (self.tokens - 1) * pair.product])

    def pair(self, energy: Floats) -> Pair:
        """Return the moments that belong to energies."""
        product = float(energy[1] - energy[0]) / self.tokens
        return Pair(float(energy[0]) + product, product)

    def shares(self, energy: Floats) -> Floats:
        """Return the share of each mode in the mean square of an element, [2]."""
        counted = energy * (self.tokens - 1, 1)
        parts: Floats = counted / counted.sum()
        return parts


class Sources:
    """Independent noises of variance 1, each a column; what depends on them is an array [2, sources]."""

    def __init__(self, count: int) -> None:
        self._count, self._used = count, 0

    def none(self) -> Floats:
        """Return what depends on no source."""
        return np.zeros((2, self._count))

    def separate(self, variances: Floats) -> Floats:
        """Return noises of the two modes, independent of each other."""
        noise = self.none()
        for mode, variance in enumerate(variances):
            noise[mode] = self.common(float(variance))[mode]
        return noise

    def common(self, variance: float) -> Floats:
        """Return one noise that both modes have."""
        noise = self.none()
        noise[:, self._used] = math.sqrt(max(variance, 0.0))
        self._used += 1
        return noise


def elasticity(function: Callable[[Floats], Floats], at: Floats) -> Floats:
    """Return d ln f_i/d ln e_j at energies, [2, 2]; 0 where f_i or e_j is zero."""
    value = function(at)
    change = np.zeros((2, 2))
    for mode in range(2):
        step = np.where(np.arange(2) == mode, _STEP, 0.0)
        change[:, mode] = (function(at * (1 + step)) - function(at * (1 - step))) / (2 * _STEP)
    return ratio(change, value[:, None])


def ratio(upper: Floats, lower: Floats) -> Floats:
    """Return upper/lower, and 0 where lower is 0."""
    return np.divide(upper, lower, out=np.zeros(np.broadcast(upper, lower).shape), where=lower > 0)
