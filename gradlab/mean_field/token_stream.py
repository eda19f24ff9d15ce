"""The tokens of a sequence in a wide network: what two moments become in a norm, an MLP and an attention.

At infinite width the elements of the T tokens of a sequence are Gaussian with one variance V and one cosine c between
two different tokens; the gradient has the mean square P of an element and the mean product R over two tokens. Weights
are drawn anew in each layer, independent of both, so that the four numbers follow one another: (V, c) up, (P, R)
down. Gains are variances of weights times fan_in, u the variance of what a branch reads.

MLP (Cho & Saul 2009): a hidden unit has the variance w1 u + b1² and the cosine of it; forward w2 E φ(a)φ(b), backward
w1 w2 E φ'(a)² for P and w1 w2 E φ'(a)φ'(b) for R. A gated one, W2 (φ(W1 x) · W3 x), has products of the expectations.
Dropout keeping a share κ divides squares of one token by κ and leaves products of two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from gradlab.components import Named
from gradlab.mean_field.activations import NumpyActivation, numpy_activation
from gradlab.mean_field.quadrature import expect_pair, normal_nodes

__all__ = ["RELU", "FeedForward", "Norm", "Pair"]

RELU = numpy_activation(Named("relu"))


@dataclass(frozen=True, slots=True)
class Pair:
    """Moments of the elements of the tokens, of a stream or of a gradient."""

    square: float
    """Mean square of an element."""
    product: float
    """Mean product of the same element of two different tokens of one sequence."""

    @property
    def cosine(self) -> float:
        """Cosine between two tokens; 0 where everything is zero."""
        return min(1.0, self.product / self.square) if self.square > 0 else 0.0

    def scaled(self, factor: float) -> Pair:
        """Return both moments times a factor."""
        return Pair(factor * self.square, factor * self.product)

    def shifted(self, square: float) -> Pair:
        """Return the moments after the same vector, of this mean square, is added to every token."""
        return Pair(self.square + square, self.product + square)

    def dropped(self, keep: float) -> Pair:
        """Return the moments after dropout, which is independent from token to token."""
        return Pair(self.square / keep, self.product)

    def plus(self, other: Pair) -> Pair:
        """Return the moments of a sum of two independent tensors."""
        return Pair(self.square + other.square, self.product + other.product)

    def times(self, other: Pair) -> Pair:
        """Return the moments of an elementwise product of two independent tensors."""
        return Pair(self.square * other.square, self.product * other.product)

    def norm_factor(self, gain: float, eps: float) -> float:
        """Return what a norm multiplies the moments by."""
        return gain / (self.square + eps)

    def kernels(self, phi: NumpyActivation) -> tuple[Pair, Pair]:
        """Return E φ'(a)φ'(b) and E φ(a)φ(b) for the normal elements of one token and of two."""
        return _kernels(phi, self.square, self.cosine)


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer or RMS norm over the features of a token."""

    gain: float = 1.0
    """Mean square of its scales."""
    bias: float = 0.0
    """Mean square of its shifts."""
    eps: float = 0.0

    def forward(self, x: Pair) -> Pair:
        """Return the moments of the normed tokens."""
        return x.scaled(self.factor(x)).shifted(self.bias)

    def factor(self, x: Pair) -> float:
        """Return what the squares of a gradient are multiplied by; the one direction it projects out is left out."""
        return x.norm_factor(self.gain, self.eps)


@dataclass(frozen=True, slots=True)
class FeedForward:
    """An MLP of one hidden layer, W2 φ(W1 x + b1) + b2, or gated, W2 (φ(W1 x + b1) · W3 x) + b2."""

    first: float = 2.0
    """Variance of W1 x fan_in."""
    second: float = 1.0
    activation: NumpyActivation = RELU
    gated: float | None = None
    """Variance of W3 x fan_in; None: without."""
    first_bias: float = 0.0
    """Mean square."""
    second_bias: float = 0.0
    keep: float = 1.0
    """Share of the hidden units that dropout keeps."""

    def hidden(self, u: Pair) -> Pair:
        """Return the moments of what W2 reads."""
        values = self._kernels(u)[1]
        if self.gated is not None:
            values = values.times(u).scaled(self.gated)
        return values.dropped(self.keep)

    def forward(self, u: Pair, tokens: int) -> Pair:
        """Return the moments of its output, from those of its input."""
        return self.hidden(u).scaled(self.second).shifted(self.second_bias)

    def backward(self, u: Pair, g: Pair, tokens: int) -> Pair:
        """Return the moments of the gradient at its input, from those at its output."""
        slopes, values = self._kernels(u)
        factor = slopes.scaled(self.first)
        if self.gated is not None:
            factor = factor.times(u).plus(values).scaled(self.gated)
        return factor.times(g).scaled(self.second).dropped(self.keep)

    def _kernels(self, u: Pair) -> tuple[Pair, Pair]:
        """Return E φ'(a)φ'(b) and E φ(a)φ(b), of one token and of two."""
        return u.scaled(self.first).shifted(self.first_bias).kernels(self.activation)


@lru_cache(maxsize=65536)
def _kernels(phi: NumpyActivation, variance: float, c: float) -> tuple[Pair, Pair]:
    if phi is RELU:  # in closed form: the arc-cosine kernels of degree 0 and 1
        angle = math.acos(max(-1.0, c))
        slope = (math.pi - angle) / (2 * math.pi)
        value = variance * (math.sin(angle) + (math.pi - angle) * c) / (2 * math.pi)
        return Pair(0.5, slope), Pair(variance / 2, value)
    nodes = normal_nodes(phi, variance)
    value, slope = expect_pair(phi, variance, c)
    return (
        Pair(nodes.mean(phi.slope(nodes.h) ** 2), slope),
        Pair(nodes.mean(phi.value(nodes.h) ** 2), value),
    )
