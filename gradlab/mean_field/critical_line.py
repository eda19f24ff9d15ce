"""The order-to-chaos line: the (σ_w², σ_b²) whose fixed point has χ(q*) = 1 (Schoenholz 2017, 1611.01232)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gradlab.components import Named
from gradlab.mean_field.activations import NumpyActivation, numpy_activation
from gradlab.mean_field.arithmetic import checked_arithmetic
from gradlab.mean_field.fixed_points import bisect
from gradlab.mean_field.maps import chi, variance_map, variance_slope

__all__ = ["CriticalPoint", "critical_bias", "critical_weight"]

_LADDER = [10.0 ** (k / 8) for k in range(-80, 65)]
_ROUNDING = 1e-13


@dataclass(frozen=True, slots=True)
class CriticalPoint:
    """A point of the line, with its fixed point; q* is 0 at the end of a line, NaN where every q is fixed (ReLU)."""

    sigma_w2: float
    sigma_b2: float
    q: float


@checked_arithmetic()
def critical_weight(activation: Named, sigma_b2: float) -> CriticalPoint | None:
    """Return the critical σ_w² for biases of variance `sigma_b2` ≥ 0, or None where no σ_w² is critical.

    With σ_w² = 1/E φ'²(q), q is fixed where q - E φ²/E φ'² = σ_b². Where several q do (none of the registered
    activations), the lowest stable one counts.
    """
    phi = numpy_activation(activation)
    if sigma_b2 == 0 and (end := _line_end(phi)):
        return end

    def bias_left(q: float) -> float:
        return q - _sigma_w2(phi, q) * variance_map(phi, q, 1.0, 0.0) - sigma_b2

    for q in _roots(bias_left):
        if variance_slope(phi, q, _sigma_w2(phi, q)) < 1:
            return CriticalPoint(_sigma_w2(phi, q), sigma_b2, q)
    return None


@checked_arithmetic()
def critical_bias(activation: Named, sigma_w2: float) -> CriticalPoint | None:
    """Return the critical σ_b² for weights of variance `sigma_w2`/fan_in, or None where no σ_b² ≥ 0 is critical."""
    phi = numpy_activation(activation)
    if (end := _line_end(phi)) and abs(sigma_w2 / end.sigma_w2 - 1) < 1e-12:
        return end
    for q in _roots(lambda q: chi(phi, q, sigma_w2) - 1):
        sigma_b2 = q - variance_map(phi, q, sigma_w2, 0.0)
        if sigma_b2 > -1e-12 * q and variance_slope(phi, q, sigma_w2) < 1:
            return CriticalPoint(sigma_w2, max(sigma_b2, 0.0), q)
    return None


def _sigma_w2(phi: NumpyActivation, q: float) -> float:
    return 1 / chi(phi, q, 1.0)


def _line_end(phi: NumpyActivation) -> CriticalPoint | None:
    """Return the point with σ_b = 0 that has q* = 0 or, for homogeneous φ, any q*; None if the line has no such end.

    It needs φ(0) = 0, and V(q) ≤ q beside q = 0: where φ's slope falls with |h|, as tanh's does.
    """
    at_zero = chi(phi, 0.0, 1.0)
    if variance_map(phi, 0.0, 1.0, 0.0) > 1e-200 or at_zero == 0:
        return None
    ratio = [variance_map(phi, q, 1 / at_zero, 0.0) / q - 1 for q in (1e-4, 1.0, 1e4)]
    if max(map(abs, ratio)) < 1e-12:
        return CriticalPoint(1 / at_zero, 0.0, math.nan)
    return CriticalPoint(1 / at_zero, 0.0, 0.0) if ratio[0] <= 1e-12 and ratio[1] < 0 else None


def _roots(f: Callable[[float], float]) -> Iterator[float]:
    """Yield the q at which f changes its sign, lowest first; steps within rounding of zero are no change."""
    before: tuple[float, float] | None = None
    for q in _LADDER:
        value = f(q)
        if abs(value) < _ROUNDING * max(1.0, q):
            continue
        if before and (before[1] > 0) != (value > 0):
            yield bisect(f, before[0], q)
        before = q, value
