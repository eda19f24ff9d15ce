"""Mean-field maps of a plain deep network and the fixed points they lead to.

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
from gradlab.mean_field.activations import Curve, curve
from gradlab.mean_field.quadrature import expect_pair, grid

__all__ = [
    "FixedPoint",
    "Phase",
    "Status",
    "bisect",
    "chi",
    "correlation_map",
    "limit",
    "summary",
    "variance_map",
    "variance_slope",
]

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


def variance_map(of: Curve, q: float, sigma_w2: float, sigma_b2: float) -> float:
    """Return V(q) = σ_w² E[φ(√q z)²] + σ_b², the preactivation variance of the next block."""
    on = grid(of, q)
    return sigma_w2 * on.mean(of.value(on.h) ** 2) + sigma_b2


def chi(of: Curve, q: float, sigma_w2: float) -> float:
    """Return χ = σ_w² E[φ'(√q z)²], the mean factor of |∂loss/∂x|² across a block going down."""
    on = grid(of, q)
    return sigma_w2 * on.mean(of.slope(on.h) ** 2)


def variance_slope(of: Curve, q: float, sigma_w2: float) -> float:
    """Return V'(q) = σ_w² E[φ(h) φ'(h) h]/q, by Stein's lemma from E[φφ'' + φ'²], so right at kinks too."""
    on = grid(of, q)
    return sigma_w2 * on.mean(of.value(on.h) * of.slope(on.h) * on.h) / q


def correlation_map(of: Curve, q: float, c: float, sigma_w2: float, sigma_b2: float) -> tuple[float, float]:
    """Return the next correlation C(c) of two inputs whose preactivations have variance q, and its slope χ_c = C'(c).

    C(c) = (σ_w² E[φ(a)φ(b)] + σ_b²)/V(q) and C'(c) = σ_w² E[φ'(a)φ'(b)]·q/V(q).
    """
    value, slope = expect_pair(of, q, c)
    after = variance_map(of, q, sigma_w2, sigma_b2)
    return (sigma_w2 * value + sigma_b2) / after, sigma_w2 * slope * q / after


def summary(activation: Named, sigma_w2: float, sigma_b2: float) -> FixedPoint:
    """Return the fixed point of a plain network of this activation with weights σ_w²/fan_in and biases σ_b²."""
    of = curve(activation)
    limits = [chi(of, q, sigma_w2) for q in (1e-8, 1.0, 1e8)]
    if max(limits) - min(limits) < 1e-12 * max(limits):
        return _scale_free(of, limits[1], sigma_w2, sigma_b2)

    status, q = limit(of, sigma_w2, sigma_b2)
    if status == "converges":
        found = chi(of, q, sigma_w2)
        phase = _phase(found)
        c = 1.0 if phase != "chaotic" else _fixed_correlation(of, q, sigma_w2, sigma_b2)
        slope = found if c == 1.0 else correlation_map(of, q, c, sigma_w2, sigma_b2)[1]
        return FixedPoint("converges", q, found, phase, _length(found), c, _length(slope))
    if q == 0:
        found = chi(of, 0.0, sigma_w2)
        return FixedPoint(status, 0.0, found, _phase(found), _length(found), None, math.inf)
    return FixedPoint(status, None, None, None, None, None, None)


def _scale_free(of: Curve, found: float, sigma_w2: float, sigma_b2: float) -> FixedPoint:
    """Positively homogeneous φ: V(q) = kq + σ_b² with k = χ, because φ(h) = φ'(h) h."""
    phase = _phase(found)
    slopes = of.slope(np.array([-1.0, 1.0]))
    if sigma_b2 == 0:
        c = 1.0 if slopes[0] != slopes[1] else None
        return FixedPoint("scale free", None, found, phase, _length(found), c, math.inf)
    if phase == "ordered":
        return FixedPoint("converges", sigma_b2 / (1 - found), found, phase, _length(found), 1.0, _length(found))
    status: Status = "drifts" if phase == "critical" else "diverges"
    return FixedPoint(status, None, found, phase, _length(found), None, math.inf)


def _phase(found: float) -> Phase:
    return "critical" if abs(found - 1) < _CRITICAL else "ordered" if found < 1 else "chaotic"


def _length(factor: float) -> float:
    return math.inf if abs(factor - 1) < _CRITICAL else -1 / math.log(factor) if factor > 0 else 0.0


def limit(of: Curve, sigma_w2: float, sigma_b2: float) -> tuple[Status, float]:
    """Return what q does, started at the usual q of about 1, and where it ends; q is NaN where it ends nowhere.

    Homogeneous activations, for which this is a matter of rounding, are not for it.
    """

    def growth(q: float) -> float:
        """ln of V(q)/q: its sign says where q goes, and it keeps its digits at any scale."""
        after = variance_map(of, q, sigma_w2, sigma_b2)
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
    if abs(chi(of, 0.0, sigma_w2) - 1) < _CRITICAL:
        return "power law", 0.0
    steep = any(variance_slope(of, q, sigma_w2) > 1 + 1e-6 for q in _LADDER)
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


def _fixed_correlation(of: Curve, q: float, sigma_w2: float, sigma_b2: float) -> float:
    """Return c* < 1 of the chaotic phase. C is convex on [0, 1] with C(0) ≥ 0: Newton from 0 climbs to it."""
    c = 0.0
    for _ in range(50):
        after, slope = correlation_map(of, q, c, sigma_w2, sigma_b2)
        step = (after - c) / (1 - slope)
        if abs(step) < 1e-14:
            break
        c += step
    return c
