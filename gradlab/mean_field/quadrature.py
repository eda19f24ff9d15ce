"""Expectations over one or two Gaussians, right at kinks and in the tails.

Gauss-Hermite converges like 1/√nodes at a kink and misses what happens at |h| ~ 1 when the deviation of h is
1000. Here the line is cut into panels at the kinks, at multiples of the activation's own scale, and at
multiples of the Gaussian's deviation, and each panel gets Gauss-Legendre nodes: about 1e-13 for every
registered activation and variances from 1e-12 to 1e6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.prediction import NoPrediction

__all__ = ["Nodes", "expect_pair", "hermite", "normal_nodes"]

Floats = NDArray[np.float64]

_FAR = 12.0
"""Where the line ends, in deviations: the mass beyond is 4e-33."""
_TINY = 1e-150
_MOST_PERIODS = 100
"""Of a periodic activation inside `_FAR`: each half period is a panel."""
_BY_DEVIATION = np.arange(-_FAR, _FAR + 1)
_NEAR = np.array([0.5, 1.0, 2.0, 3.0, 4.0, 6.0])
_BY_SCALE = np.concatenate([_NEAR, 8 * 1.6 ** np.arange(70)])


@lru_cache(maxsize=4)
def _legendre(count: int) -> tuple[Floats, Floats]:
    x, w = np.polynomial.legendre.leggauss(count)
    return x, w


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes and weights with ``weight @ f(h)`` = E f(h), h ~ N(0, variance)."""

    h: Floats
    weight: Floats
    variance: float

    def mean(self, values: Floats) -> float:
        """Return the expectation of a function given by its values at `h`."""
        return float(self.weight @ values)


def _edges(phi: NumpyActivation, far: float) -> Floats:
    """Return the edges in h that belong to the activation, inside ±far.

    Raises:
        NoPrediction: it is periodic with a period too short to be resolved.
    """
    steps = phi.scale * _BY_SCALE
    steps = steps[steps < far]
    if phi.period:
        turns = far / phi.period
        if turns > _MOST_PERIODS:
            raise NoPrediction(
                f"the activation goes through more than {_MOST_PERIODS} periods: its integrals are not resolved"
            )
        steps = np.concatenate([steps, phi.period / 2 * np.arange(1, int(2 * turns) + 1)])
    kinks = np.array(phi.kinks, dtype=np.float64)
    return np.concatenate([-steps, [0.0], steps, kinks[np.abs(kinks) < far]])


def normal_nodes(phi: NumpyActivation, variance: float, count: int = 20) -> Nodes:
    """Return the quadrature for N(0, variance) and this activation; variance 0 is the limit, half each side of 0."""
    deviation = math.sqrt(variance)
    edges = np.unique(np.concatenate([_BY_DEVIATION * deviation, _edges(phi, _FAR * deviation)]))
    if deviation == 0:
        return Nodes(np.array([-_TINY, _TINY]), np.full(2, 0.5), variance)
    x, w = _legendre(count)
    half = np.diff(edges) / 2
    h = (edges[:-1] + half)[:, None] + half[:, None] * x
    density = np.exp(-((h / deviation) ** 2) / 2) / math.sqrt(2 * math.pi)
    return Nodes(h.ravel(), (density * (half / deviation)[:, None] * w).ravel(), variance)


def hermite(nodes: Nodes, values: Floats, degree: int) -> Floats:
    """Return the coefficients f_k = E[f(h) He_k(z)]/√(k!), z = h/deviation, k = 0…degree; `values` `[..., nodes]`.

    For a pair with correlation c, E[f(h_a) g(h_b)] = Σ f_k g_k c^k (Mehler).
    """
    z = nodes.h / math.sqrt(nodes.variance) if nodes.variance > 0 else np.sign(nodes.h)
    rows = np.empty((degree + 1, len(z)))
    rows[0] = 1
    if degree:
        rows[1] = z
    for k in range(1, degree):
        rows[k + 1] = (z * rows[k] - math.sqrt(k) * rows[k - 1]) / math.sqrt(k + 1)
    coefficients: Floats = (values * nodes.weight) @ rows.T
    return coefficients


def expect_pair(phi: NumpyActivation, variance: float, c: float, count: int = 16) -> tuple[float, float]:
    """Return E[φ(a)φ(b)] and E[φ'(a)φ'(b)] for Gaussian a, b of equal variance and correlation c in [-1, 1].

    Given a, b is Gaussian about ca with deviation s = √(1-c²)·√variance, so the inner integral has its own panels
    for every a; the outer one has further edges where its smoothed kinks lie, at kink/c with a width of s.
    """
    deviation = math.sqrt(variance)
    spread = math.sqrt((1 - c) * (1 + c)) * deviation
    if deviation == 0 or spread < 1e-13 * deviation:
        nodes = normal_nodes(phi, variance)
        other = nodes.h * math.copysign(1, c)
        return (
            nodes.mean(phi.value(nodes.h) * phi.value(other)),
            nodes.mean(phi.slope(nodes.h) * phi.slope(other)),
        )
    far = _FAR * deviation
    phi_edges = _edges(phi, far)
    soft = np.zeros(0)
    if c != 0:
        at = np.array([*phi.kinks, 0.0]) / c
        soft = (at[:, None] + spread / abs(c) * np.array([-9, -6, -4, -2, -1, 0, 1, 2, 4, 6, 9])).ravel()
    outer = np.concatenate([_BY_DEVIATION * deviation, phi_edges, soft])
    outer = np.unique(outer[np.abs(outer) <= far])
    a, weight_a = _panels(outer, count)
    weight_a = weight_a * np.exp(-((a / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))

    centre = c * a
    reach = _FAR * spread
    edges = np.concatenate(
        [np.broadcast_to(phi_edges, (len(a), len(phi_edges))), centre[:, None] + _BY_DEVIATION * spread], axis=1
    )
    # edges of the activation outside the reach collapse into panels of no width
    edges = np.sort(np.clip(edges, (centre - reach)[:, None], (centre + reach)[:, None]), axis=1)
    x, w = _legendre(count)
    row, panel = np.nonzero(np.diff(edges, axis=1) > 0)
    low, high = edges[row, panel], edges[row, panel + 1]
    half = (high - low) / 2
    b = (low + half)[:, None] + half[:, None] * x
    weight = np.exp(-(((b - centre[row, None]) / spread) ** 2) / 2) * w * half[:, None]
    weight /= spread * math.sqrt(2 * math.pi)
    value = np.bincount(row, (phi.value(b) * weight).sum(1), len(a))
    slope = np.bincount(row, (phi.slope(b) * weight).sum(1), len(a))
    return float(weight_a @ (phi.value(a) * value)), float(weight_a @ (phi.slope(a) * slope))


def _panels(edges: Floats, count: int) -> tuple[Floats, Floats]:
    x, w = _legendre(count)
    half = np.diff(edges) / 2
    return ((edges[:-1] + half)[:, None] + half[:, None] * x).ravel(), (half[:, None] * w).ravel()
