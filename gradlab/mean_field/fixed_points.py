"""Where the variance, the gradient and the correlation of two inputs end in an infinitely deep plain network.

Poole et al. 2016 (arXiv 1606.05340), Schoenholz et al. 2017 (1611.01232). Weights have variance σ_w²/fan_in,
biases σ_b²; h ~ N(0, q) is a preactivation of an infinitely wide block.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradlab.components import Named
from gradlab.mean_field.activations import NumpyActivation, numpy_activation
from gradlab.mean_field.arithmetic import checked_arithmetic
from gradlab.mean_field.maps import chi, correlation_map, variance_map, variance_slope

__all__ = ["FixedPoint", "Phase", "Status", "bisect", "fixed_point", "variance_limit"]

Status = Literal["converges", "vanishes", "power law", "scale free", "drifts", "diverges", "unstable per seed"]
"""What q does along the depth.

converges: to a stable q* > 0. vanishes: exponentially to 0. power law: to 0 like a power of the depth, because
V(q)/q → 1 there. scale free: V(q) is proportional to q, so χ is one number whatever q does. drifts: to infinity
slower than exponentially. diverges: exponentially. unstable per seed: to 0, but only after a stretch where V' > 1,
which amplifies what the finite width of one network adds; its depth of collapse differs from seed to seed.
"""
Phase = Literal["ordered", "critical", "chaotic"]

_CRITICAL = 1e-9
"""|χ - 1| below which a network counts as critical: rounding of the fixed point stays far below, physics above."""
_ROUNDING = 1e-12
"""What V(q)/q may be off; hardtanh's differs from 1 by less for every q below 0.02."""
_LADDER = [10.0 ** (k / 4 + 0.1) for k in range(-40, 41)]
"""Variances to look for a sign change at; none is a fixed point by design, as selu's 1 is."""
_START = 40


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """Where a deep plain network ends. None where there is no such number (`status` says why)."""

    status: Status
    q: float | None
    """q*, the variance of a preactivation."""
    chi: float | None
    """χ(q*) = σ_w² E φ'²: the factor on g² per block going down; its root is the factor on g."""
    phase: Phase | None
    xi_grad: float | None
    """Blocks over which g² changes by e: -1/ln χ, negative where gradients grow, infinite at χ = 1."""
    c: float | None
    """c*, the correlation that two inputs end with; None where the network turns linear before they get there."""
    xi_c: float | None
    """Blocks over which the correlation approaches c* by a factor e (Schoenholz 2017, eq. 9); infinite where it
    does so like a power of the depth, or not at all."""

    @property
    def factor(self) -> float | None:
        """√χ, the factor on a gradient norm per block."""
        return None if self.chi is None else math.sqrt(self.chi)


@checked_arithmetic()
def fixed_point(activation: Named, sigma_w2: float, sigma_b2: float) -> FixedPoint:
    """Return the fixed point of a plain network of this activation with weights σ_w²/fan_in and biases σ_b².

    Raises:
        NoPrediction: the activation has no numpy twin, or numbers leave the range of float64.
    """
    phi = numpy_activation(activation)
    chis = [chi(phi, q, sigma_w2) for q in (1e-8, 1.0, 1e8)]
    if max(chis) - min(chis) < 1e-12 * max(chis):
        return _scale_free(phi, chis[1], sigma_w2, sigma_b2)

    status, q = variance_limit(phi, sigma_w2, sigma_b2)
    if status == "converges":
        end = chi(phi, q, sigma_w2)
        phase = _phase(end)
        c = 1.0 if phase != "chaotic" else _fixed_correlation(phi, q, sigma_w2, sigma_b2)
        slope = end if c == 1.0 else correlation_map(phi, q, c, sigma_w2, sigma_b2)[1]
        return FixedPoint("converges", q, end, phase, _depth_scale(end), c, _depth_scale(slope))
    if q == 0:
        end = chi(phi, 0.0, sigma_w2)
        return FixedPoint(status, 0.0, end, _phase(end), _depth_scale(end), None, math.inf)
    return FixedPoint(status, None, None, None, None, None, None)


def _scale_free(phi: NumpyActivation, end: float, sigma_w2: float, sigma_b2: float) -> FixedPoint:
    """Positively homogeneous φ: V(q) = kq + σ_b² with k = χ, because φ(h) = φ'(h) h."""
    phase = _phase(end)
    slopes = phi.slope(np.array([-1.0, 1.0]))
    if sigma_b2 == 0:
        c = 1.0 if slopes[0] != slopes[1] else None
        return FixedPoint("scale free", None, end, phase, _depth_scale(end), c, math.inf)
    if phase == "ordered":
        return FixedPoint("converges", sigma_b2 / (1 - end), end, phase, _depth_scale(end), 1.0, _depth_scale(end))
    status: Status = "drifts" if phase == "critical" else "diverges"
    return FixedPoint(status, None, end, phase, _depth_scale(end), None, math.inf)


def _phase(chi: float) -> Phase:
    return "critical" if abs(chi - 1) < _CRITICAL else "ordered" if chi < 1 else "chaotic"


def _depth_scale(factor: float) -> float:
    return math.inf if abs(factor - 1) < _CRITICAL else -1 / math.log(factor) if factor > 0 else 0.0


def variance_limit(phi: NumpyActivation, sigma_w2: float, sigma_b2: float) -> tuple[Status, float]:
    """Return what q does, started at the usual q of about 1, and where it ends; q is NaN where it ends nowhere.

    Homogeneous activations, for which this is a matter of rounding, are not for it.
    """

    def growth(q: float) -> float:
        """ln of V(q)/q: its sign says where q goes, and it keeps its digits at any scale."""
        after = variance_map(phi, q, sigma_w2, sigma_b2)
        return math.log(after / q) if after > 0 else -math.inf

    up = growth(_LADDER[_START]) > 0
    step, sign = (1, 1) if up else (-1, -1)
    below = _LADDER[_START]
    for q in _LADDER[_START + step :: step]:
        if sign * growth(q) < -_ROUNDING:
            return "converges", bisect(growth, min(below, q), max(below, q))
        below = q
    if up:
        # V(q)/q far out: a limit above 1 is a rate, a limit of 1 leaves a power of the depth
        return ("diverges" if growth(1e12) > 1e-4 else "drifts"), math.nan
    if abs(chi(phi, 0.0, sigma_w2) - 1) < _CRITICAL:
        return "power law", 0.0
    steep = any(variance_slope(phi, q, sigma_w2) > 1 + 1e-6 for q in _LADDER)
    return ("unstable per seed", math.nan) if steep else ("vanishes", 0.0)


def bisect(f: Callable[[float], float], low: float, high: float) -> float:
    """Return where f changes its sign between two positive numbers, to rounding."""
    sign = f(low) > 0
    while high / low - 1 > 4e-16:
        middle = math.sqrt(low * high)
        if middle in (low, high):
            break
        low, high = (middle, high) if (f(middle) > 0) == sign else (low, middle)
    return low


def _fixed_correlation(phi: NumpyActivation, q: float, sigma_w2: float, sigma_b2: float) -> float:
    """Return c* < 1 of the chaotic phase. C is convex on [0, 1] with C(0) ≥ 0: Newton from 0 climbs to it."""
    c = 0.0
    for _ in range(50):
        after, slope = correlation_map(phi, q, c, sigma_w2, sigma_b2)
        step = (after - c) / (1 - slope)
        if abs(step) < 1e-14:
            break
        c += step
    return c
