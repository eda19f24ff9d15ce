"""Mean-field maps of one block of a plain network: of a variance, of a correlation, and of the gradient going down.

Poole et al. 2016 (arXiv 1606.05340), Schoenholz et al. 2017 (1611.01232). Weights have variance σ_w²/fan_in,
biases σ_b²; h ~ N(0, q) is a preactivation of an infinitely wide block.
"""

from __future__ import annotations

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.quadrature import expect_pair, normal_nodes

__all__ = ["chi", "correlation_map", "variance_map", "variance_slope"]


def variance_map(phi: NumpyActivation, q: float, sigma_w2: float, sigma_b2: float) -> float:
    """Return V(q) = σ_w² E[φ(√q z)²] + σ_b², the preactivation variance of the next block."""
    nodes = normal_nodes(phi, q)
    return sigma_w2 * nodes.mean(phi.value(nodes.h) ** 2) + sigma_b2


def chi(phi: NumpyActivation, q: float, sigma_w2: float) -> float:
    """Return χ = σ_w² E[φ'(√q z)²], the mean factor of |∂loss/∂x|² across a block going down."""
    nodes = normal_nodes(phi, q)
    return sigma_w2 * nodes.mean(phi.slope(nodes.h) ** 2)


def variance_slope(phi: NumpyActivation, q: float, sigma_w2: float) -> float:
    """Return V'(q) = σ_w² E[φ(h) φ'(h) h]/q, by Stein's lemma from E[φφ'' + φ'²], so right at kinks too."""
    nodes = normal_nodes(phi, q)
    return sigma_w2 * nodes.mean(phi.value(nodes.h) * phi.slope(nodes.h) * nodes.h) / q


def correlation_map(phi: NumpyActivation, q: float, c: float, sigma_w2: float, sigma_b2: float) -> tuple[float, float]:
    """Return the next correlation C(c) of two inputs whose preactivations have variance q, and its slope χ_c = C'(c).

    C(c) = (σ_w² E[φ(a)φ(b)] + σ_b²)/V(q) and C'(c) = σ_w² E[φ'(a)φ'(b)]·q/V(q).
    """
    value, slope = expect_pair(phi, q, c)
    after = variance_map(phi, q, sigma_w2, sigma_b2)
    return (sigma_w2 * value + sigma_b2) / after, sigma_w2 * slope * q / after
