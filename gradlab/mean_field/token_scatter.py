"""How far the gradient of one transformer lies from the mean over seeds, to order 1/n (docs/derivations.md, 14).

Weights are drawn anew in each sub-layer, so that what a sub-layer adds to the moments of tokens is independent noise,
and what it makes of noise from elsewhere is the derivative of its mean. With W of n rows, y = W z, in

    |x + y|² = |x|² + 2 x·y + |y|²,

summed over the sequences a, b of a batch and the directions of a mode of their tokens (`token_modes`), the second term
has the variance 4/n Σ_ab (x_a·x_b)(y_a·y_b) and the last one 2/n Σ_ab (y_a·y_b)²; going up and going down alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.attention import Attention
from gradlab.mean_field.hidden_units import HiddenNoise, hidden_noise
from gradlab.mean_field.token_ascent import Ascent
from gradlab.mean_field.token_modes import Modes, Sources, elasticity, ratio
from gradlab.mean_field.token_profile import Sublayer
from gradlab.mean_field.token_stream import FeedForward, Norm, Pair

__all__ = ["Batch", "TokenScatter", "token_scatter"]

Floats = NDArray[np.float64]

_SOURCES = 10
"""Of a sub-layer: up and down the two modes of the sum, the two of the branch, and the hidden units."""
_MEAN_ERROR, _SOFTMAX_ERROR = 1.0, 0.03
"""Of the mean of ln g where a branch has all of the gradient: n times what of order 1/n is left out; and that of a
softmax with scores of variance 1, whose ratio of means stands for a mean of ratios. docs/derivations.md has the
measurements."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The sequences on which the gradient is measured."""

    samples: int
    width: int
    hidden: int = 0
    """Units of an MLP; 0: so many that they add no noise"""
    single: bool = False
    """Whether one token of each sequence has all of the gradient at the top: both modes have its one direction"""
    features: float = math.inf
    """Independent numbers of a token of the data; infinite: the tokens below block 1 themselves are without noise"""

    def up(self, tokens: int, first: float, second: float) -> Floats:
        """Return Σ_ab (x_a·x_b)(y_a·y_b)/(Σ|x_a|²Σ|y_a|²) of the stream, [2], two sequences' means so correlated."""
        return np.array([1 / (self.samples * max(tokens - 1, 1)) + 1 / self.width, self._of_means(first, second)])

    def down(self, tokens: int, first: float, second: float) -> Floats:
        """Return the same of the gradient."""
        if self.single:
            return np.full(2, self._of_means(first, second))
        return self.up(tokens, first, second)

    def _of_means(self, first: float, second: float) -> float:
        return (1 + (self.samples - 1) * (first * second + 1 / self.width)) / self.samples


@dataclass(frozen=True, slots=True)
class TokenScatter:
    """Of ln g_l - ln g_L after each block."""

    variance: Floats
    """Over seeds, [L]."""
    error: float
    """Largest error of the mean at block 1 that the recursion is known to make."""


def token_scatter(
    blocks: Sequence[Sequence[Sublayer]],
    tokens: int,
    batch: Batch,
    *,
    common: float | None = None,
    stream: Pair | None = None,
    final_norm: Norm | None = None,
    loss: Callable[[Pair, float], float] | None = None,
) -> TokenScatter | None:
    """Return the scatter of a profile; None where it is not derived: without a skip, and with dropout.

    Arguments are those of `token_profile`, the batch, and the mean squared correlation of the loss's gradients at two
    sequences, from the moments of the output's tokens and their mean product between sequences; None: 0.
    """
    layers = [layer for block in blocks for layer in block]
    if any(layer.skip == 0 or layer.keep < 1 or layer.branch.keep < 1 for layer in layers):
        return None
    modes, sources = Modes(tokens), Sources(_SOURCES * len(layers) + 2)
    ascents, state, state_noise, between = _up(layers, modes, stream or Pair(1.0, 0.0), batch, sources)
    share = 1 / tokens if common is None else common
    g = modes.of(Pair(1.0, (tokens * share - 1) / (tokens - 1) if tokens > 1 else 0.0))
    noise = sources.none()
    if final_norm is not None:
        noise = elasticity(lambda e: g * final_norm.factor(modes.pair(e)), state) @ state_noise
    output = modes.pair(state)
    factor = final_norm.factor(output) if final_norm else 1.0
    rho2 = (loss(output.scaled(factor), factor * between) if loss else 0.0) + 1 / batch.width
    top = modes.shares(g) @ noise
    variances = [0.0]
    # the first norm of the stream takes 2 of n directions of a gradient, those below it find them taken
    error = 1 / batch.width if any(layer.stream_norm for layer in layers) else 0.0
    at = len(layers)
    for block in reversed(blocks):
        for layer in reversed(block):
            at -= 1
            ascent = ascents[at]
            g, noise, rho2, share = _down(ascent, g, noise, rho2, batch, sources)
            error += share * _MEAN_ERROR / batch.width
            if isinstance(layer.branch, Attention):
                error += share * _SOFTMAX_ERROR * layer.branch.spread(ascent.read())
        variances.append(float(((modes.shares(g) @ noise - top) ** 2).sum()) / 4)
    return TokenScatter(np.array(variances[-2::-1]), error)


def _up(
    layers: Sequence[Sublayer], modes: Modes, stream: Pair, batch: Batch, sources: Sources
) -> tuple[list[Ascent], Floats, Floats, float]:
    """Return the sub-layers on the way up; of the stream at the top energies, noise, mean product of two sequences."""
    n, tokens, none = batch.width, modes.tokens, sources.none()
    state, between = modes.of(stream), 0.0
    noise = none
    if math.isfinite(batch.features):  # one map is drawn for all tokens, and the data vary in length
        lengths = 2 / batch.features / batch.samples / np.array([max(tokens - 1, 1), 1])
        noise = sources.separate(2 / n * batch.up(tokens, batch.features**-0.5, batch.features**-0.5) + lengths)
    ascents = []
    for layer in layers:
        ascent = Ascent(layer, modes, state, between, noise, none, none, none, none, none)
        branch = ascent.branch = ascent.output(state)
        total = ascent.total = ascent.sum(state, branch)
        product = ascent.output_between()
        cosines = tokens * np.array([between / state[1], product / branch[1] if branch[1] > 0 else 0.0])
        lengths = 2 * _maps(layer) / n * batch.up(tokens, cosines[1], cosines[1])
        ascent.branch_noise = elasticity(ascent.output, state) @ noise + sources.separate(lengths)
        if isinstance(layer.branch, FeedForward) and batch.hidden:
            units = _hidden(ascent, layer.branch, batch, np.zeros(3))
            ascent.hidden_noise = sources.common(units.up / batch.hidden)
            ascent.branch_noise = ascent.branch_noise + ascent.hidden_noise
        skipped = layer.skip**2 * state
        cross = 4 / n * skipped * (total - skipped) * batch.up(tokens, *cosines)
        ascent.total_noise = sources.separate(ratio(cross, total**2))
        ascent.total_noise += elasticity(partial(ascent.sum, branch=branch), state) @ noise
        ascent.total_noise += elasticity(partial(ascent.sum, state), branch) @ ascent.branch_noise
        ascents.append(ascent)
        factor = layer.branch_norm.factor(modes.pair(branch)) if layer.branch_norm else 1.0
        between = layer.skip**2 * between + layer.scale**2 * factor * product
        between *= layer.stream_norm.factor(modes.pair(total)) if layer.stream_norm else 1.0
        state, noise = ascent.leave(total), elasticity(ascent.leave, total) @ ascent.total_noise
    return ascents, state, noise, between


def _down(
    ascent: Ascent, g: Floats, noise: Floats, rho2: float, batch: Batch, sources: Sources
) -> tuple[Floats, Floats, float, float]:
    """Return the gradient below a sub-layer, its noise, ρ² there, and the share of the branch in its mean square."""
    n, layer, modes = batch.width, ascent.layer, ascent.modes
    at = (g, ascent.state, ascent.branch, ascent.total)
    through, skipped = ascent.through(*at), ascent.skipped(g, ascent.total)
    below = through + skipped
    retained = ascent.kept(g, through)
    rho = math.sqrt(rho2)
    lengths = 2 * _maps(layer) / n * through**2 * batch.down(modes.tokens, rho * retained, rho * retained)
    cross = 4 / n * through * skipped * batch.down(modes.tokens, rho, rho * retained)
    added = sources.separate(ratio(lengths, below**2)) + sources.separate(ratio(cross, below**2))
    for place, owed in enumerate((noise, ascent.state_noise, ascent.branch_noise, ascent.total_noise)):

        def moved(e: Floats, place: int = place) -> Floats:
            changed = (*at[:place], e, *at[place + 1 :])
            return ascent.through(*changed) + ascent.skipped(changed[0], changed[3])

        added = added + elasticity(moved, at[place]) @ owed
    if isinstance(layer.branch, FeedForward) and batch.hidden:
        moments = modes.pair(g)
        mean = float(g[1]) / (modes.tokens * moments.square)
        squared_correlation = (moments.product / moments.square) ** 2
        units = _hidden(ascent, layer.branch, batch, np.array([1.0, squared_correlation, rho2 * mean**2]))
        along = units.both / units.up if units.up > 0 else 0.0
        hidden = along * ascent.hidden_noise + sources.common((units.down - along * units.both) / batch.hidden)
        added = added + ratio(through, below)[:, None] * hidden
    w = float(ratio(through, below)[1])
    rho2 = rho2 * (1 - w + w * retained) ** 2 + (2 * w * (1 - w) + w**2) * (1 + rho2) / n
    counted = np.array([modes.tokens - 1, 1])
    return below, added, min(rho2, 1.0), float((counted @ through) / (counted @ below))


def _maps(layer: Sublayer) -> int:
    """Return the matrices of n rows, but for hidden units, that a branch multiplies by."""
    return 2 if isinstance(layer.branch, Attention) else 1


def _hidden(ascent: Ascent, mlp: FeedForward, batch: Batch, rho2: Floats) -> HiddenNoise:
    read, tokens = ascent.read(), ascent.modes.tokens
    cosines = np.array([1.0, read.cosine, ascent.read_between() / read.square])
    shares = np.array([1, tokens - 1, (batch.samples - 1) * tokens]) / (batch.samples * tokens)
    return hidden_noise(mlp, read, cosines, rho2, shares)
