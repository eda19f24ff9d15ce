"""Moments of tokens by their positions: against the theory of tokens that are all alike, explicit sums and plain
torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from transformer_reference import Setting, simulated

from gradlab.mean_field import NoPrediction
from gradlab.mean_field.activations import NUMPY_ACTIVATIONS
from gradlab.mean_field.attention import Attention
from gradlab.mean_field.token_matrix import TokenAttention, TokenMatrix
from gradlab.mean_field.token_stream import RELU, Norm, Pair

TOKENS = 16
Floats = NDArray[np.float64]


def alike(pair: Pair, tokens: int = TOKENS) -> TokenMatrix:
    return TokenMatrix(np.full((tokens, tokens), pair.product) + (pair.square - pair.product) * np.eye(tokens))


def drawn(tokens: int, seed: int) -> TokenMatrix:
    values = np.random.default_rng(seed).standard_normal((tokens, 40))
    return TokenMatrix(values @ values.T / 40)


def assert_alike(matrix: TokenMatrix, pair: Pair, rel: float = 1e-10) -> None:
    assert matrix.values[3, 3] == pytest.approx(pair.square, rel=rel)
    assert matrix.values[3, 5] == pytest.approx(pair.product, rel=rel)


def test_tokens_that_are_alike_are_a_pair() -> None:
    u, g = Pair(1.1, 0.3), Pair(0.7, 0.2)
    for keep in (1.0, 0.8):
        weights = Attention(0.3, 0.8, 0.9, 1.1, 0.1, 0.2, 0.3, keep=keep)
        assert_alike(TokenAttention(weights, alike(u)).forward(), weights.forward(u, TOKENS))
    # without scores the gradient has no part that the two theories centre differently, by a factor 1-ρ
    weights = Attention(0.0, 0.0, 0.9, 1.1)
    assert_alike(TokenAttention(weights, alike(u)).backward(alike(g)), weights.backward(u, g, TOKENS))
    norm = Norm(0.9, 0.2, 1e-3)
    assert_alike(alike(u).scaled(alike(u).norm_factor(norm.gain, norm.eps)).shifted(norm.bias), norm.forward(u))
    for phi in (RELU, NUMPY_ACTIVATIONS["gelu"](), NUMPY_ACTIVATIONS["tanh"]()):
        for matrix, pair in zip(alike(u).kernels(phi), u.kernels(phi), strict=True):
            assert_alike(matrix, pair)


def test_the_part_of_queries_and_keys_with_many_tokens() -> None:
    u, g, tokens = Pair(1.0, 0.3), Pair(1.0, 0.2), 128
    weights = Attention(0.3, 1.0, 1.0, 1.0)
    matrix = TokenAttention(weights, alike(u, tokens)).backward(alike(g, tokens))
    # of order 1/T apart: a factor 1-ρ, and what queries and keys add to the product of two tokens
    assert matrix.square == pytest.approx(weights.backward(u, g, tokens).square, rel=0.02)


def explicit(weights: Attention, u: Floats) -> Floats:
    """Return W `[i, i', j, j']`."""
    tokens = len(u)
    scores = (weights.query * u)[:, :, None, None] * (weights.key * u)[None, None]
    visible = np.tril(np.ones((tokens, tokens))) if weights.causal else np.ones((tokens, tokens))
    chances = np.exp(scores) * visible[:, None, :, None] * visible[None, :, None, :]
    result: Floats = chances / chances.sum((2, 3), keepdims=True)
    return result


@pytest.mark.parametrize("causal", [False, True])
def test_cumulative_sums_are_the_explicit_ones(causal: bool) -> None:
    weights, u, g = Attention(0.2, 0.7, 0.9, 1.1, causal=causal), drawn(8, 0), drawn(8, 1)
    attention = TokenAttention(weights, u)
    chances = explicit(weights, u.values)
    assert attention.forward().values == pytest.approx(0.99 * np.einsum("abij,ij->ab", chances, u.values), rel=1e-9)
    without_scores = Attention(0.0, 0.0, 0.9, 1.1, causal=causal)
    down = TokenAttention(without_scores, u).backward(g).values
    assert down == pytest.approx(
        0.99 * np.einsum("abij,ab->ij", explicit(without_scores, u.values), g.values), rel=1e-9
    )


@pytest.mark.parametrize("causal", [False, True])
def test_queries_and_keys_are_the_explicit_sums(causal: bool) -> None:
    weights, u, g = Attention(0.2, 0.7, 0.9, 1.1, causal=causal), drawn(8, 0), drawn(8, 1)
    chances = explicit(weights, u.values)
    visible = np.tril(np.ones((8, 8))) if causal else np.ones((8, 8))
    mean = visible / visible.sum(1, keepdims=True)
    rows, both = np.einsum("bj,ij->ib", mean, u.values), mean @ u.values @ mean.T
    # the mean of u_jj' over the keys that i' sees, over those that i sees, less that over both: [i, i', j, j']
    centring = rows.T[None, :, :, None] + rows.T[:, None, None, :] - both[:, :, None, None]
    gradient = 1.1 * g.values
    keys = 0.7 * np.einsum("abij,ab,ab,abij->ij", chances, 0.2 * u.values, gradient, u.values - centring)
    values = np.einsum("abij,ab->ij", chances, gradient)
    first = np.einsum("abij,ij->ab", chances, u.values)
    second = np.einsum("abij,ij->ab", chances, u.values**2)
    spread = np.einsum("aj,jb->ab", mean, rows**2) - both**2
    queries = 0.2 * 0.7 * gradient * (second - first**2 - spread - spread.T)
    down = TokenAttention(weights, u).backward(g).values
    assert down == pytest.approx(0.9 * (values + queries + keys), rel=1e-8)


def test_a_token_that_sees_itself_alone() -> None:
    forward = TokenAttention(Attention(0.3, 1.0, 0.5, 1.0, causal=True), alike(Pair(1.0, 0.0))).forward().values
    assert forward[0, 0] == pytest.approx(0.5, rel=1e-12)
    assert forward[-1, -1] == pytest.approx(0.5 * math.exp(0.3) / (math.exp(0.3) + TOKENS - 1), rel=1e-9)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (Attention(causal=True), "vary by more than 0.4 between the keys"),
        (Attention(query=0.1, head_dim=2, causal=True), "a head has 2 dimensions"),
        (Attention(query=0.1, normed=True, causal=True), "normed"),
    ],
)
def test_refusals(weights: Attention, reason: str) -> None:
    with pytest.raises(NoPrediction, match=reason):
        TokenAttention(weights, alike(Pair(1.0, 0.0)))


def test_tokens_of_different_sizes_and_an_activation_that_bends() -> None:
    matrix = TokenMatrix(np.diag([1.0, 1.0, 2.0]))
    with pytest.raises(NoPrediction, match="size of tokens"):
        matrix.kernels(NUMPY_ACTIVATIONS["tanh"]())
    slopes, values = matrix.kernels(RELU)
    assert np.diag(values.values) == pytest.approx([0.5, 0.5, 1.0])
    assert np.diag(slopes.values) == pytest.approx([0.5, 0.5, 0.5])


def blocks_of_relu(setting: Setting) -> tuple[Floats, Floats]:
    """Return ln of the gradient norms `[1 + L]` against the top, and the mean cosines, of pre-LN or post-LN blocks."""
    x = TokenMatrix(np.eye(setting.tokens))
    weights = Attention(setting.query, setting.key, setting.value, setting.output, causal=True)
    pre = setting.form == "pre_norm"
    passed, cosines = [], [0.0]
    for _ in range(setting.blocks):
        for place in (0, 1):
            factor = x.norm_factor(1.0, 0.0) if pre else np.ones_like(x.values)
            u = x.scaled(factor)
            attention = None if place else TokenAttention(weights, u)
            slopes, values = u.scaled(setting.first).kernels(RELU)
            branch = attention.forward() if attention else values.scaled(setting.second)
            total = x.plus(branch)
            after = np.ones_like(x.values) if pre else total.norm_factor(1.0, 0.0)
            passed.append((attention, slopes.scaled(setting.first * setting.second), factor, after))
            x = total.scaled(after)
        c = x.values * x.norm_factor(1.0, 0.0)
        cosines.append(float(c.sum() - setting.tokens) / (setting.tokens * (setting.tokens - 1)))
    g = TokenMatrix(np.eye(setting.tokens) if setting.cotangent == "token" else np.ones((setting.tokens,) * 2))
    logs = [math.log(g.square) / 2]
    for count, (attention, slopes, factor, after) in enumerate(reversed(passed), 1):
        g = g.scaled(after)
        g = g.plus((attention.backward(g) if attention else slopes.times(g)).scaled(factor))
        if count % 2 == 0:
            logs.append(math.log(g.square) / 2)
    return np.array(logs[::-1]) - logs[0], np.array(cosines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "sd"),
    [
        (Setting("pre_norm", causal=True, query=0.25, samples=4), 0.031),
        (Setting("pre_norm", causal=True, query=0.25, samples=4, cotangent="common"), 0.05),
        (Setting("post_norm", causal=True, query=0.25, samples=4), 0.21),
        (Setting("pre_norm", causal=True, query=0.4, samples=4, tokens=64), 0.031),
    ],
)
def test_causal_transformers(setting: Setting, sd: float) -> None:
    seeds = 5
    measured = simulated(setting, seeds)
    logs, cosines = blocks_of_relu(setting)
    assert measured.log_norm[1] == pytest.approx(logs[1], abs=3 * sd / math.sqrt(seeds) + 0.04)
    assert measured.cosine == pytest.approx(cosines, abs=0.02 + 3 * 0.03 / math.sqrt(seeds))
