"""The gradient along the blocks of a wide transformer, from the moments of its tokens.

A block is a sequence of sub-layers, each x' = N_s(a x + r N_b(f(N_i(x)))) with any of its norms: pre-LN has N_i,
post-LN and DeepNorm (a = α) N_s, sandwich or peri-LN N_i and N_b; ReZero has r = 0, Fixup an f of output gain 0,
LayerScale a small r; without a skip a = 0. A norm divides by the variance V of what it reads, as the gradient:

    V' = a² V + r² var,    V' c' = a² V c + r² cov,    P ← (a² P + b P_in)/D,    R likewise,

with b = r²/V for N_i, 1/var for N_b, and D = V' for N_s. The mean over tokens and the rest of the gradient live
differently: a norm after the add and an attention between tokens that are alike halve the rest in each block
(docs/derivations.md, section 14).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.arithmetic import require_representable
from gradlab.mean_field.attention import Attention
from gradlab.mean_field.token_stream import FeedForward, Norm, Pair

__all__ = ["Sublayer", "TokenProfile", "sublayer", "token_profile"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sublayer:
    """A branch on the stream, and its norms."""

    branch: Attention | FeedForward
    skip: float = 1.0
    """Factor on the stream; 0 without a skip."""
    scale: float = 1.0
    """Factor on the branch."""
    input_norm: Norm | None = None
    """On what the branch reads."""
    branch_norm: Norm | None = None
    """On what the branch gives."""
    stream_norm: Norm | None = None
    """On the sum."""
    keep: float = 1.0
    """Share of the branch's elements that dropout keeps."""


def sublayer(
    form: str, branch: Attention | FeedForward, *, alpha: float = 1.0, scale: float = 1.0, norm: Norm | None = None
) -> Sublayer:
    """Return a sub-layer of one of the usual forms.

    Args:
        form: ``none`` (no skip), ``add``, ``pre_norm``, ``post_norm``, ``sandwich``, ``deepnorm``.
        branch: the attention or the MLP.
        alpha: factor on the stream, of DeepNorm as a rule.
        scale: factor on the branch.
        norm: the norm of the forms that have one; one without scales and shifts where None.
    """
    norm = norm or Norm()
    at_input, at_branch, at_stream = {
        "none": (None, None, None),
        "add": (None, None, None),
        "pre_norm": (norm, None, None),
        "post_norm": (None, None, norm),
        "deepnorm": (None, None, norm),
        "sandwich": (norm, norm, None),
    }[form]
    return Sublayer(branch, 0.0 if form == "none" else alpha, scale, at_input, at_branch, at_stream)


@dataclass(frozen=True, slots=True)
class TokenProfile:
    """What mean-field theory expects of the blocks of a transformer, bottom first. Logarithms are natural."""

    log_grad_norm: Floats
    """ln g_l - ln g_L after each block, `[L]`."""
    log_input_grad_norm: float
    """The same of the stream below block 1."""
    common: Floats
    """Share of the squared gradient that is common to all tokens, `[L]`."""
    variance: Floats
    """Mean square of the stream after each block, `[L]`."""
    cosine: Floats
    """Between two tokens, after each block, `[L]`."""
    entropy: Floats
    """Of the attention over ln T, the mean over the attentions of a block, `[L]`; NaN without one."""
    log_weight_grad: Floats
    """ln of the root mean square of an element of ∂loss/∂W2 of a block's last MLP, for one sequence and an rms of 1 of
    the gradient at each element of the network's output, `[L]`; NaN without an MLP."""


def token_profile(
    blocks: Sequence[Sequence[Sublayer]],
    tokens: int,
    *,
    common: float | None = None,
    stream: Pair | None = None,
    final_norm: Norm | None = None,
) -> TokenProfile:
    """Return the profile of a sequence of blocks.

    Args:
        blocks: the sub-layers of each block, bottom first.
        tokens: T.
        common: share of the squared gradient at the top that all tokens have in common: 1/T for one that is
            independent at each token (the default), 1 for a loss that reads the mean over tokens.
        stream: moments of the tokens below block 1; None: independent tokens of variance 1.
        final_norm: between the last block and the output.

    Raises:
        NoPrediction: an attention is beyond what the recursion holds for, or a variance leaves the range of floats.
    """
    state = Pair(1.0, 0.0) if stream is None else stream
    below: list[Pair] = []
    streams: list[Pair] = []
    entropy = np.full(len(blocks), math.nan)
    for at, block in enumerate(blocks):
        entropies = []
        for layer in block:
            below.append(state)
            read = layer.input_norm.forward(state) if layer.input_norm else state
            if isinstance(layer.branch, Attention):
                layer.branch.require(read, tokens)
                entropies.append(layer.branch.entropy(read, tokens))
            state = _forward(layer, state, tokens)
            require_representable("the variance of the stream", state.square)
        streams.append(state)
        if entropies:
            entropy[at] = sum(entropies) / len(entropies)
    share = 1 / tokens if common is None else common
    g = Pair(1.0, (tokens * share - 1) / (tokens - 1) if tokens > 1 else 0.0)
    if final_norm is not None:
        g = g.scaled(final_norm.factor(state))
    gradients: list[Pair] = [g]
    weights = np.full(len(blocks), math.nan)
    for at in range(len(blocks) - 1, -1, -1):
        for layer in reversed(blocks[at]):
            state = below.pop()
            if isinstance(layer.branch, FeedForward) and math.isnan(weights[at]):
                weights[at] = _log_weight_grad(layer, state, g, tokens)
            g = _backward(layer, state, g, tokens)
            require_representable("the mean square of the gradient", g.square)
        gradients.append(g)
    squares = np.array([gradient.square for gradient in gradients[::-1]])
    logs = np.log(squares) / 2
    return TokenProfile(
        log_grad_norm=logs[1:] - logs[-1],
        log_input_grad_norm=float(logs[0] - logs[-1]),
        common=np.array([_common(gradient, tokens) for gradient in gradients[-2::-1]]),
        variance=np.array([pair.square for pair in streams]),
        cosine=np.array([pair.cosine for pair in streams]),
        entropy=entropy,
        log_weight_grad=weights,
    )


def _forward(layer: Sublayer, state: Pair, tokens: int) -> Pair:
    read = layer.input_norm.forward(state) if layer.input_norm else state
    branch = layer.branch.forward(read, tokens)
    if layer.branch_norm:
        branch = layer.branch_norm.forward(branch)
    total = state.scaled(layer.skip**2).plus(branch.dropped(layer.keep).scaled(layer.scale**2))
    return layer.stream_norm.forward(total) if layer.stream_norm else total


def _at_branch(layer: Sublayer, state: Pair, g: Pair, tokens: int) -> tuple[Pair, Pair, Pair]:
    """Return the gradient at the sum and at the branch's output, and what the branch reads."""
    read = layer.input_norm.forward(state) if layer.input_norm else state
    branch = layer.branch.forward(read, tokens)
    normed = layer.branch_norm.forward(branch) if layer.branch_norm else branch
    total = state.scaled(layer.skip**2).plus(normed.dropped(layer.keep).scaled(layer.scale**2))
    g = g.scaled(layer.stream_norm.factor(total)) if layer.stream_norm else g
    at_branch = g.scaled(layer.scale**2).dropped(layer.keep)
    return g, at_branch.scaled(layer.branch_norm.factor(branch)) if layer.branch_norm else at_branch, read


def _backward(layer: Sublayer, state: Pair, g: Pair, tokens: int) -> Pair:
    g, at_branch, read = _at_branch(layer, state, g, tokens)
    inner = layer.branch.backward(read, at_branch, tokens)
    if layer.input_norm:
        inner = inner.scaled(layer.input_norm.factor(state))
    return g.scaled(layer.skip**2).plus(inner)


def _log_weight_grad(layer: Sublayer, state: Pair, g: Pair, tokens: int) -> float:
    assert isinstance(layer.branch, FeedForward)
    _, at_branch, read = _at_branch(layer, state, g, tokens)
    hidden = layer.branch.hidden(read)
    square = tokens * at_branch.square * hidden.square + tokens * (tokens - 1) * at_branch.product * hidden.product
    return math.log(square) / 2 if square > 0 else -math.inf


def _common(g: Pair, tokens: int) -> float:
    return (g.square + (tokens - 1) * g.product) / (tokens * g.square) if g.square > 0 else math.nan
