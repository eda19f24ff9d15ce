"""Softmax attention between the tokens of a wide network: its forward variances and its gradient.

The scores q·k/√(dimension of a head) of a query with the keys are Gaussian of variance s = Q K, less a part that all
keys share: s (1-c) counts. The softmax of T such scores has Σ_j a_ij² = ρ and, for two queries of cosine c, Σ_j a_ij
a_i'j = ρ':

    ρ = 1/(1 + (T-1) e^{-s(1-c)}),      ρ' = 1/(1 + (T-1) e^{-s c (1-c)}).

Both are ratios of log-normal means, right for e^s/T → 0 and at T = 1; `Attention.require` refuses what is further from
both. A token of the output has ρ of one value and 1-ρ of what all values have in common. Down, the
values get P (ρ) and R (ρ'); queries and keys get what the derivative of a softmax, centred by (1-ρ) at each end,
leaves of it (docs/derivations.md, section 14).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradlab.mean_field.prediction import NoPrediction
from gradlab.mean_field.token_stream import Pair

__all__ = ["LARGEST_SPREAD", "Attention"]

LARGEST_SPREAD = 1.25
"""Of the variance of the scores of one query. Against simulations of 8 to 64 tokens survivals
are off by up to 4 % at 1, 5 % here, 12 % at 2."""
_FEWEST_TOKENS = 4
"""But for one, which attends to itself: of two and three, survivals were up to 10 % off."""
_FEWEST_DIMENSIONS = 4
"""Of a head: a score is a sum of so many products, and Gaussian if they are many."""


@dataclass(frozen=True, slots=True)
class Attention:
    """Multi-head attention in which every token sees all T; gains are variances of weights x fan_in."""

    query: float = 1.0
    key: float = 1.0
    value: float = 1.0
    output: float = 1.0
    query_bias: float = 0.0
    """Mean square; a bias of the keys changes no softmax."""
    value_bias: float = 0.0
    output_bias: float = 0.0
    normed: bool = False
    """Whether queries and keys go through a norm over the dimensions of a head."""
    keep: float = 1.0
    """Share of the attention weights that dropout keeps."""
    mixing: bool = True
    """False: every token attends to itself alone, as shaped attention with queries of zero (arXiv 2306.17759)."""
    head_dim: int | None = None
    """Dimensions of a head; None: many."""
    causal: bool = False

    def require(self, u: Pair, tokens: int) -> None:
        """Check that the recursion holds for what it reads.

        Raises:
            NoPrediction: it does not, with the reason.
        """
        if not self.mixing or tokens == 1:
            return
        if self.causal:
            raise NoPrediction(
                "the tokens of a causal sequence see different numbers of others: one cosine does not do for them"
            )
        if tokens < _FEWEST_TOKENS:
            raise NoPrediction(f"{tokens} tokens are too few for the theory of attention (from {_FEWEST_TOKENS} on)")
        self.require_heads()
        if self.spread(u) > LARGEST_SPREAD:
            raise NoPrediction(
                f"the scores of the attention vary by more than {LARGEST_SPREAD:g} between the keys: a few tokens get "
                "the most"
            )

    def require_heads(self) -> None:
        """Raise NoPrediction where the scores of a head are a sum of too few products."""
        if self.head_dim is not None and self.head_dim < _FEWEST_DIMENSIONS:
            raise NoPrediction(
                f"a head has {self.head_dim} dimensions: its scores are not normal (from {_FEWEST_DIMENSIONS} on)"
            )

    def forward(self, u: Pair, tokens: int) -> Pair:
        """Return the moments of its output, from those of its input."""
        values = u.scaled(self.value).shifted(self.value_bias)
        if self.mixing:
            single, cross = self.overlaps(u, tokens)
            common = values.product
            values = Pair(
                common * (1 - single) + values.square * single / self.keep,
                common + (values.square - common) * cross,
            )
        return values.scaled(self.output).shifted(self.output_bias)

    def backward(self, u: Pair, g: Pair, tokens: int) -> Pair:
        """Return the moments of the gradient at its input, from those at its output."""
        g = g.scaled(self.output)
        if not self.mixing:
            return g.scaled(self.value)
        single, cross = self.overlaps(u, tokens)
        other_tokens = tokens - 1
        p, r = single * g.square, other_tokens * cross * g.product
        values = Pair(
            p / self.keep + r, (1 - single) * g.square / other_tokens + (1 - cross) * g.product if other_tokens else 0.0
        ).scaled(self.value)
        queries, key = self._queries(u), self._key(u)
        value_variance = self.value * (u.square - u.product)
        dropped = value_variance + (1 / self.keep - 1) * (self.value * u.square + self.value_bias)
        scores = (1 - single) ** 2 * (
            self._query(u) * key * (u.square - u.product) * dropped * p
            + key * (dropped * queries.square * p + value_variance * queries.product * r)
        )
        return Pair(values.square + scores, values.product)

    def overlaps(self, u: Pair, tokens: int) -> tuple[float, float]:
        """Return ρ and ρ', the mean overlap of the attention weights of a query with themselves and with another's."""
        keys = self._key(u) * (u.square - u.product)
        queries = self._queries(u)
        other_tokens = tokens - 1
        return (
            1 / (1 + other_tokens * math.exp(-queries.square * keys)),
            1 / (1 + other_tokens * math.exp(-queries.product * keys)),
        )

    def spread(self, u: Pair) -> float:
        """Return the variance of the scores of one query over the keys."""
        return self._queries(u).square * self._key(u) * (u.square - u.product) if self.mixing else 0.0

    def entropy(self, u: Pair, tokens: int) -> float:
        """Return the mean entropy of the attention weights over ln T, to order 1/T; NaN without a softmax.

        1 - s/(2 ln T) for many tokens, s the variance of the scores.
        """
        if not self.mixing or tokens < 2:
            return math.nan
        spread = self.spread(u)
        finite = (spread * math.exp(spread) - math.expm1(spread) / 2) / tokens
        return 1 + (finite - spread / 2) / math.log(tokens)

    def _query(self, u: Pair) -> float:
        return 1 / (u.square + self.query_bias / self.query) if self.normed else self.query

    def _key(self, u: Pair) -> float:
        return 1 / u.square if self.normed else self.key

    def _queries(self, u: Pair) -> Pair:
        bias = self.query_bias * (self._query(u) / self.query if self.query > 0 else 1.0)
        return u.scaled(self._query(u)).shifted(bias)
