"""The noise of the hidden units of an MLP on tokens: m of them, independent given what they read.

Up, a unit adds a(h) = φ(h)² to the square of a token, down b(h) = φ'(h)² times the square of what W2ᵀ brings it, which
is Gaussian over the units. Of the means over m units and the tokens of a batch, by pairs (i, j) of tokens,

    m Var = Σ_ij E a_i a_j/(E a)² - 1,    Σ_ij (1 + 2ρ_ij²) E b_i b_j/(E b)² - 1,    m Cov = Σ_ij E a_i b_j/(Ea Eb) - 1,

ρ the correlation of two gradients. A gated unit has a = φ(h)² k² and b = w1 φ'(h)² k² + w3 φ(h)², k = W3 x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.quadrature import hermite, normal_nodes
from gradlab.mean_field.token_stream import FeedForward, Pair

__all__ = ["HiddenNoise", "hidden_noise"]

Floats = NDArray[np.float64]

_DIGITS = 4
"""Of a variance, to compute expectations at equal ones once."""
_DEGREE = 40


@dataclass(frozen=True, slots=True)
class HiddenNoise:
    """Relative variances of the squares of tokens over seeds, and their covariance, for one unit."""

    up: float
    down: float
    both: float


def hidden_noise(mlp: FeedForward, read: Pair, cosines: Floats, rho2: Floats, shares: Floats) -> HiddenNoise:
    """Return the noise for kinds of pairs of tokens, [kinds], the first a token with itself.

    Args:
        mlp: the MLP.
        read: moments of the tokens that it reads.
        cosines: of two of these tokens.
        rho2: squared correlation of the gradients of two tokens at its output.
        shares: of all pairs of tokens.
    """
    variance = mlp.first * read.square + mlp.first_bias
    c = np.clip((mlp.first * read.square * cosines + mlp.first_bias) / variance, -1, 1)
    units = _units(mlp.activation, float(f"{variance:.{_DIGITS}g}"))
    values, mixed, slopes = units.products(c)
    value, slope = units.means
    up, both, down = values, mixed, slopes
    if mlp.gated is not None:
        w1, w3, gate = mlp.first, mlp.gated, mlp.gated * read.square
        pairs = gate**2 * (1 + 2 * cosines**2)
        up = values * pairs
        both = w1 * mixed * pairs + w3 * gate * values
        down = w1**2 * slopes * pairs + 2 * w1 * w3 * gate * mixed + w3**2 * values
        value, slope = value * gate, w1 * slope * gate + w3 * value
    return HiddenNoise(
        max(float(shares @ up) / value**2 - 1, 0.0),
        max(float(shares @ ((1 + 2 * rho2) * down)) / slope**2 - 1, 0.0),
        float(shares @ both) / (value * slope) - 1,
    )


class _Units:
    """Squares of φ and φ' of normal preactivations, by their Hermite coefficients: E f(a)g(b) = Σ_k f_k g_k c^k."""

    def __init__(self, phi: NumpyActivation, variance: float) -> None:
        nodes = normal_nodes(phi, variance)
        self._squares = phi.value(nodes.h) ** 2, phi.slope(nodes.h) ** 2
        self._coefficients = tuple(hermite(nodes, f, _DEGREE) for f in self._squares)
        self._mean = nodes.mean
        self.means = tuple(float(nodes.mean(f)) for f in self._squares)

    def products(self, c: Floats) -> list[Floats]:
        """Return E φ_a²φ_b², E φ_a²φ'_b² and E φ'_a²φ'_b² at correlations, [kinds] each."""
        powers = c[:, None] ** np.arange(_DEGREE + 1)
        beyond = c * np.abs(c) ** (1.5 * _DEGREE)  # of higher degrees, as far as c is near 1
        products = []
        for f, g in ((0, 0), (0, 1), (1, 1)):
            terms = self._coefficients[f] * self._coefficients[g]
            remainder = float(self._mean(self._squares[f] * self._squares[g])) - terms.sum()
            products.append(powers @ terms + remainder * beyond)
        return products


@lru_cache(maxsize=4096)
def _units(phi: NumpyActivation, variance: float) -> _Units:
    return _Units(phi, variance)
