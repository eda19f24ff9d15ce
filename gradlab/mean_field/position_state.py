"""A map of activations at infinite width: its moments at every position, and covariances between positions and samples.

All integrals come from Hermite coefficients at the variance of each position (Mehler's formula, `block_noise`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.quadrature import hermite, normal_nodes

__all__ = ["Gaussians", "MapState"]

Floats = NDArray[np.float64]

_DEGREE = 40
_DIGITS = 12
"""Variances of positions that agree to this are one: border and symmetry leave few different ones."""
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class MapState:
    """Expectations over the channels of a map of P positions."""

    square: Floats
    """Mean square, `[P]`"""
    mean: Floats
    """`[P]`"""
    common: Floats
    """Mean covariance of an element with the others of a batch of maps, which a batch norm takes out, `[P]`; NaN: not
    known"""
    is_normal: bool
    """Whether an activation sees normal numbers: the map is a sum of many terms."""
    independent: bool
    """Whether different elements of a batch, positions too, are uncorrelated but for their mean."""
    pairs: Floats | None = None
    """E x_a(α) x_b(β) for pairs of samples of several kinds, `[kinds, P, P]`, where it is followed; kind 0 is a sample
    with itself"""


class Gaussians:
    """An activation on a map of normal numbers of zero mean."""

    def __init__(self, phi: NumpyActivation, variance: Floats) -> None:
        """`variance` `[P]` of its argument at each position."""
        largest = max(float(variance.max()), _TINY)
        unique, index = np.unique(np.round(variance / largest, _DIGITS) * largest, return_inverse=True)
        tables = [_coefficients(phi, float(value)) for value in unique]
        self._coefficients = np.stack([table.coefficients for table in tables])[index]  # [P, function, degree + 1]
        self._means = np.stack([table.means for table in tables])[index]  # [P, function, function]
        self._root = np.sqrt(variance)
        self.mean: Floats = self._coefficients[:, _VALUE, 0]
        """E φ, `[P]`"""
        self.square: Floats = self._means[:, _VALUE, _VALUE]
        """E φ²"""
        self.slope2: Floats = self._means[:, _SLOPE, _SLOPE]
        """E φ'²"""

    def correlations(self, pairs: Floats) -> Floats:
        """Return c of the arguments from their covariances, `[kinds, P, P]` both."""
        c = np.clip(pairs / np.maximum(self._root[:, None] * self._root, _TINY), -1, 1)
        np.einsum("ii->i", c[0])[:] = 1.0
        return np.asarray(c)

    def values(self, c: Floats) -> Floats:
        """Return E φ(h_A)φ(h_B) for the correlations c of the arguments, `[kinds, P, P]`."""
        return self._product(c, _VALUE, _VALUE, ())

    def slopes(self, c: Floats) -> Floats:
        """Return E φ'(h_A)φ'(h_B)."""
        return self._product(c, _SLOPE, _SLOPE, ())

    def squared_slopes(self, c: Floats, without: tuple[int, ...] = (0,)) -> Floats:
        """Return E φ'(h_A)²φ'(h_B)²/(E φ'²)² without some Hermite degrees: without 0, a covariance."""
        return self._product(c, _SLOPE2, _SLOPE2, without)

    def squared_values(self, c: Floats, without: tuple[int, ...] = (0,)) -> Floats:
        """Return E φ(h_A)²φ(h_B)² without some Hermite degrees."""
        return self._product(c, _VALUE2, _VALUE2, without)

    def slopes_by_values(self, c: Floats, without: tuple[int, ...] = (0,)) -> Floats:
        """Return E φ'(h_A)²φ(h_B)²/E φ'² without some Hermite degrees."""
        return self._product(c, _SLOPE2, _VALUE2, without)

    def pushes(self, c: Floats) -> tuple[Floats, Floats]:
        """Return E h_Aφ'(h_A) h_Bφ'(h_B) and E h_Aφ'(h_A) φ(h_B)."""
        return self._product(c, _PUSH, _PUSH, ()), self._product(c, _PUSH, _VALUE, ())

    def fourth(self) -> tuple[float, float]:
        """Return the means over positions of the coefficients of degree 4 of φ'²/E φ'² and φ²."""
        means = self._coefficients[:, [_SLOPE2, _VALUE2], 4].mean(0)
        return float(means[0]), float(means[1])

    def _product(self, c: Floats, f: int, g: int, without: tuple[int, ...]) -> Floats:
        left, right = self._coefficients[:, f].copy(), self._coefficients[:, g]
        remainder = self._means[:, f, g] - (left * right).sum(1)
        left[:, list(without)] = 0.0
        if (left == left[0]).all() and (right == right[0]).all():
            total = np.polynomial.polynomial.polyval(c, left[0] * right[0], tensor=False)
        else:
            total = np.zeros_like(c)
            for degree in range(_DEGREE, -1, -1):  # Horner's scheme
                total *= c
                total += left[:, degree, None] * right[:, degree]
        # what lies beyond the last degree is known at c = 1 and decays like c to a higher power, as in `block_noise`
        beyond = (remainder[:, None] + remainder) / 2
        return np.asarray(total + beyond * c * np.abs(c) ** (1.5 * _DEGREE))


_VALUE, _SLOPE, _SLOPE2, _VALUE2, _PUSH = range(5)


@dataclass(frozen=True, slots=True)
class _Table:
    coefficients: Floats
    """Of φ, φ', φ'²/E φ'², φ² and hφ', `[5, degree + 1]`"""
    means: Floats
    """Of their products, `[5, 5]`"""


@lru_cache(maxsize=8192)
def _coefficients(phi: NumpyActivation, variance: float) -> _Table:
    nodes = normal_nodes(phi, variance)
    value, slope = phi.value(nodes.h), phi.slope(nodes.h)
    slope2 = nodes.mean(slope**2)
    functions = np.stack([value, slope, slope**2 / slope2 if slope2 > 0 else slope, value**2, nodes.h * slope])
    return _Table(hermite(nodes, functions, _DEGREE), (functions * nodes.weight) @ functions.T)
