"""Moments of tokens by their positions, for attention in which tokens see different numbers of others: causal masks.

In place of one variance and one cosine there is the mean product of the elements of every two tokens, `[T, T]`, of
the stream and of the gradient. Norms, MLPs and dropout are those of `token_stream`, entry by entry. For attention,
with Q and K the mean products of queries and of keys, the weights of a pair of queries i, i' on a pair of keys j, j'
are

    W_jj' = e^{Q_ii' K_jj'} / Σ_ll' e^{Q_ii' K_ll'}        over j ≤ i, j' ≤ i',

which for tokens that are all alike in their moments is ρ and ρ' of `attention`. All sums over keys or queries are
two-dimensional cumulative sums of powers of K and Q: a time of order T² (docs/derivations.md, section 15).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.attention import Attention
from gradlab.mean_field.prediction import NoPrediction
from gradlab.mean_field.quadrature import hermite, normal_nodes
from gradlab.mean_field.token_stream import RELU

__all__ = ["LARGEST_CAUSAL_SPREAD", "TokenAttention", "TokenMatrix"]

Floats = NDArray[np.float64]

LARGEST_CAUSAL_SPREAD = 0.4
"""Of the variance of the scores of one query: of 1/4 survivals were up to 4 % from
simulations, of 1 up to 12 %, as the first tokens choose between few."""
_REST = 1e-12
"""Of the power series of e^score, what its last term is below."""
_ONE_SIZE = 0.02
"""Relative deviation of the variances of tokens up to which an activation sees them as one."""
_DEGREE = 120
"""Of the Hermite series of an activation."""


@dataclass(frozen=True, slots=True)
class TokenMatrix:
    """Mean products of the elements of two tokens, of a stream or of a gradient."""

    values: Floats
    """`[T, T]`, symmetric."""

    @property
    def square(self) -> float:
        """Mean square of an element, over all tokens."""
        return float(np.trace(self.values)) / len(self.values)

    def scaled(self, factor: float | Floats) -> TokenMatrix:
        """Return the moments times a factor, one or by pairs of tokens."""
        return TokenMatrix(factor * self.values)

    def shifted(self, square: float) -> TokenMatrix:
        """Return the moments after the same vector, of this mean square, is added to every token."""
        return TokenMatrix(self.values + square)

    def dropped(self, keep: float) -> TokenMatrix:
        """Return the moments after dropout, which is independent from token to token."""
        return TokenMatrix(self.values + (1 / keep - 1) * np.diag(np.diag(self.values)))

    def plus(self, other: TokenMatrix) -> TokenMatrix:
        """Return the moments of a sum of two independent tensors."""
        return TokenMatrix(self.values + other.values)

    def times(self, other: TokenMatrix) -> TokenMatrix:
        """Return the moments of an elementwise product of two independent tensors."""
        return TokenMatrix(self.values * other.values)

    def norm_factor(self, gain: float, eps: float) -> Floats:
        """Return what a norm multiplies the moments by, `[T, T]`."""
        deviation = np.sqrt(np.diag(self.values) + eps)
        return gain / np.outer(deviation, deviation)

    def kernels(self, phi: NumpyActivation) -> tuple[TokenMatrix, TokenMatrix]:
        """Return E φ'(a)φ'(b) and E φ(a)φ(b) for the normal elements of two tokens.

        Raises:
            NoPrediction: the tokens differ in variance, and the activation is not homogeneous.
        """
        squares = np.diag(self.values)
        sizes = np.sqrt(np.outer(squares, squares))
        c: Floats = np.clip(self.values / sizes, -1.0, 1.0)
        if phi is RELU:
            angle = np.arccos(c)
            slopes: Floats = (np.pi - angle) / (2 * np.pi)
            values: Floats = sizes * (np.sin(angle) / (2 * np.pi) + slopes * c)
            return TokenMatrix(slopes), TokenMatrix(values)
        variance = float(squares.mean())
        if float(squares.std()) > _ONE_SIZE * variance:
            raise NoPrediction("an activation that depends on the size of tokens, which have different ones")
        nodes = normal_nodes(phi, variance)
        results = []
        for of_nodes in (phi.slope(nodes.h), phi.value(nodes.h)):
            coefficients: Floats = hermite(nodes, of_nodes, _DEGREE) ** 2
            series: Floats = np.asarray(np.polynomial.polynomial.polyval(c, coefficients), dtype=np.float64)
            np.fill_diagonal(series, nodes.mean(of_nodes**2))
            results.append(TokenMatrix(series))
        return results[0], results[1]


class TokenAttention:
    """An attention on tokens with these moments."""

    def __init__(self, weights: Attention, u: TokenMatrix) -> None:
        """`u`: moments of what it reads.

        Raises:
            NoPrediction: the scores vary too much, or it normalises queries and keys.
        """
        self._weights, self._u = weights, u.values
        tokens = len(u.values)
        attended = np.arange(1.0, tokens + 1) if weights.causal else np.full(tokens, float(tokens))
        self._seen, self._pairs = attended, np.outer(attended, attended)
        self._q = weights.query * u.values + weights.query_bias
        keys = weights.key * u.values
        off = float(keys.sum() - np.trace(keys)) / max(1, tokens * (tokens - 1))
        # what all keys share changes no softmax; without it the powers are small
        self._k = keys - off
        spread = float((np.diag(self._q) * (np.trace(keys) / tokens - off)).max())
        weights.require_heads()
        if weights.normed or not weights.mixing:
            raise NoPrediction("causal attention with normed or no queries")
        if spread > LARGEST_CAUSAL_SPREAD:
            raise NoPrediction(
                f"the scores of a causal attention vary by more than {LARGEST_CAUSAL_SPREAD:g} between the keys"
            )
        largest = float(np.abs(self._q).max() * np.abs(self._k).max())
        self._order = next(n for n in range(1, 1000) if largest**n / math.factorial(n) < _REST)

    def forward(self) -> TokenMatrix:
        """Return the moments of its output."""
        weights = self._weights
        values = weights.value * self._u + weights.value_bias
        mixed = self._over_keys(values) / self._total
        if weights.keep < 1:
            diagonal = np.diag(self._over_keys(np.diag(np.diag(values))) / self._total)
            mixed = mixed + (1 / weights.keep - 1) * np.diag(diagonal)
        return TokenMatrix(weights.output * mixed + weights.output_bias)

    def backward(self, g: TokenMatrix) -> TokenMatrix:
        """Return the moments of the gradient at its input, from those at its output."""
        weights, u = self._weights, self._u
        gradient = weights.output * g.values
        values = self._over_queries(gradient)
        if weights.keep < 1:
            diagonal = np.diag(self._over_queries(np.diag(np.diag(gradient))))
            values = values + (1 / weights.keep - 1) * np.diag(diagonal)
        queries = weights.query * weights.key * gradient * self._centred_square
        at_keys = self._q * gradient
        keys = weights.key * (u * self._over_queries(at_keys) - self._centring(at_keys))
        return TokenMatrix(weights.value * (values + queries + keys))

    @cached_property
    def _total(self) -> Floats:
        return self._over_keys(np.ones_like(self._u))

    @cached_property
    def _row_means(self) -> Floats:
        """Mean of u_jj' over the keys j' that the query i' sees, `[j, i']`."""
        if self._weights.causal:
            means: Floats = self._u.cumsum(1) / self._seen
            return means
        return np.repeat(self._u.mean(1)[:, None], len(self._u), 1)

    @cached_property
    def _means(self) -> Floats:
        return self._cumulated(self._u) / self._pairs

    @cached_property
    def _centred_square(self) -> Floats:
        """Σ W u² of u centred over both keys, `[i, i']`."""
        first = self._over_keys(self._u) / self._total
        second = self._over_keys(self._u**2) / self._total
        squares = self._row_means**2
        rows = (
            squares.cumsum(0) / self._seen[:, None]
            if self._weights.causal
            else np.broadcast_to(squares.mean(0), first.shape)
        )
        centred: Floats = second - first**2 - (rows - self._means**2) - (rows.T - self._means**2)
        return centred

    def _cumulated(self, x: Floats) -> Floats:
        """Return the sums over the pairs of keys that each pair of queries sees."""
        if not self._weights.causal:
            return np.full_like(x, x.sum())
        return x.cumsum(0).cumsum(1)

    def _seen_by(self, x: Floats) -> Floats:
        """Return the sums over the pairs of queries that see each pair of keys."""
        if not self._weights.causal:
            return np.full_like(x, x.sum())
        return x[::-1, ::-1].cumsum(0).cumsum(1)[::-1, ::-1]

    def _over_keys(self, x: Floats) -> Floats:
        """Return Σ_jj' e^{Q_ii' K_jj'} x_jj'."""
        total, power, factor = np.zeros_like(x), x, np.ones_like(x)
        for n in range(self._order):
            total = total + factor * self._cumulated(power)
            power, factor = power * self._k, factor * self._q / (n + 1)
        return total

    def _over_queries(self, x: Floats) -> Floats:
        """Return Σ_ii' W_jj' x_ii'."""
        total, power, factor = np.zeros_like(x), x / self._total, np.ones_like(x)
        for n in range(self._order):
            total = total + factor * self._seen_by(power)
            power, factor = power * self._q / (n + 1), factor * self._k
        return total

    def _centring(self, x: Floats) -> Floats:
        """Return Σ_ii' W_jj' x_ii' (mean over j' + mean over j - mean over both of u), to take off what keys share."""
        total, power, factor = np.zeros_like(x), x / self._total, np.ones_like(x)
        for n in range(self._order):
            if self._weights.causal:
                partly = power[::-1].cumsum(0)[::-1] * self._row_means
                rows = partly[:, ::-1].cumsum(1)[:, ::-1]
            else:
                partly = power.sum(0) * self._row_means
                rows = np.repeat(partly.sum(1)[:, None], len(x), 1)
            total = total + factor * (rows + rows.T - self._seen_by(power * self._means))
            power, factor = power * self._q / (n + 1), factor * self._k
        return total
