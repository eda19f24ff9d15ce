"""Activations shaped so that a deep plain network is critical: what their constants must be.

Deep kernel shaping (Martens et al. 2021, arXiv 2110.01765) moves and scales an activation, γ(φ(αx + β) + δ), so that
for weights of variance 1/fan_in the variance 1 is kept, Q(1) = 1, neither growing nor falling from it, Q'(1) = 1,
two orthogonal inputs stay so, C(0) = 0, and the slope of the correlation map at 1 over all L blocks is C'(1)^L = ζ.
A single block is shaped as one of two: alone, a one-sided φ does not reach 1.5.
Tailored rectifiers (TAT, Zhang et al. 2022, arXiv 2203.08120) choose the slope a of √(2/(1+a²))·leaky_relu so that
two orthogonal inputs have the correlation η after L blocks; Q(1) = 1 and χ = 1 hold for every a.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shape", "deep_kernel_shape", "rectifier_gain", "rectifier_slope"]

Floats = NDArray[np.float64]
_STARTS = [(scale, shift) for scale in (1.0, 0.5, 0.2, 0.1, 2.0, 5.0) for shift in (0.3, 1.0, -0.2)]


@dataclass(frozen=True, slots=True)
class Shape:
    """The constants of γ(φ(αx + β) + δ)."""

    alpha: float
    beta: float
    gamma: float
    delta: float


def _normal_nodes() -> tuple[Floats, Floats]:
    """Return nodes and weights of a standard normal number: panels of a quarter deviation, Gauss-Legendre in each."""
    x, w = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(-12, 12, 97)
    z = ((edges[:-1] + edges[1:]) / 2)[:, None] + np.diff(edges)[:, None] / 2 * x
    weight = np.exp(-(z**2) / 2) * w
    return z.ravel(), (weight / weight.sum()).ravel()


def deep_kernel_shape(value: Callable[[Floats], Floats], slope: Callable[[Floats], Floats], target: float) -> Shape:
    """Return the constants for a smooth φ and C'(1) = `target`, above 1.

    Raises:
        ValueError: there are none.
    """
    from scipy.optimize import root

    z, weight = _normal_nodes()

    def moments(log_alpha: float, beta: float) -> tuple[Any, Any, Any, Any]:
        """Return E φ, Var φ, Q'(1) and C'(1)."""
        alpha = math.exp(min(log_alpha, 5.0))
        centred, rise = value(alpha * z + beta), slope(alpha * z + beta)
        mean = weight @ centred
        centred = centred - mean
        variance = weight @ centred**2
        return (
            mean,
            variance,
            alpha * (weight @ (centred * rise * z)) / variance,
            alpha**2 * (weight @ rise**2) / variance,
        )

    def missing(at: Floats) -> list[Any]:
        _, _, growth, correlation = moments(*at)
        return [growth - 1, correlation - target]

    for scale, shift in _STARTS:
        with np.errstate(all="ignore"):
            solution = root(missing, [math.log(scale), shift], tol=1e-14)
        if np.abs(solution.fun).max() < 1e-11:
            mean, variance, _, _ = moments(*solution.x)
            return Shape(math.exp(solution.x[0]), float(solution.x[1]), 1 / math.sqrt(variance), -float(mean))
    raise ValueError(f"no shift and scale give a slope of {target:g}")


def rectifier_slope(eta: float, length: int) -> float:
    """Return the slope below 0 with which two orthogonal inputs have the correlation `eta` after `length` blocks.

    0 where even relu leaves them less alike: a short network.
    """

    def correlation(slope: float) -> float:
        share, c = (1 - slope) ** 2 / (math.pi * (1 + slope**2)), 0.0
        for _ in range(length):
            c = min(c + share * (math.sqrt((1 - c) * (1 + c)) - c * math.acos(c)), 1.0)
        return c

    if correlation(0.0) <= eta:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if correlation(middle) > eta else (low, middle)
    return (low + high) / 2


def rectifier_gain(slope: float) -> float:
    """Return the factor on a leaky_relu that keeps the variance 1."""
    return math.sqrt(2 / (1 + slope**2))
