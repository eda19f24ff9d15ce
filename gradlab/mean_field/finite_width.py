"""What a finite width adds to a profile: its scatter from seed to seed and the shift of its mean, to order 1/n.

Derived in docs/derivations.md, sections 2, 3, 5 and 8.

Every block multiplies g² = Σ_a |δ_a|² (a: the samples of a batch) by a factor with relative noise η_l, and adds
noise ε_l to the mean square p_l that later factors depend on:

    ln g²_{l-1} - ln g²_l = ln χ_l(p_{l-1}) + ln(1 + η_l),        δp_l = p_l'(p_{l-1}) δp_{l-1} + ε_l.

For one sample and p fixed, n Var η = 2 + 3(μ2/μ1² - 1) with μ_k = E φ'^{2k} (Hanin & Nica 2018, arXiv 1812.05994):
2 from the weights, the rest from the slopes, which also vary with the gradient (2 of the 3). For two samples whose
gradients have the correlation ρ it is 2ρ² + (1 + 2ρ²)(E[φ'_a²φ'_b²]/μ1² - 1), and g² has its mean over all pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.block_noise import Noise, preactivation_correlation, units_of
from gradlab.mean_field.random_network import Block, RandomNetwork, Stream

__all__ = ["ForwardNoise", "Pairs", "Scatter", "forward_noise", "noises_of", "pair_products", "scatter"]

Floats = NDArray[np.float64]

_STEP = 0.03
"""Relative step of the derivatives in p; their error, about its square, is far below what 1/n² leaves out."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of samples in a batch by kind, [P]; kind 0 is a sample with itself."""

    weight: Floats
    """Share of all N² pairs; sums to 1."""
    c: Floats
    """Correlation x_a·x_b/(|x_a||x_b|) of the inputs."""


@dataclass(frozen=True, slots=True)
class ForwardNoise:
    """The noise of the mean squares p_l, in units of an infinite width; columns: mean over pairs, one sample."""

    epsilon: Floats
    """Var ε_l, [L, 2]"""
    cross: Floats
    """Cov(η_l, ε_l), [L, 2]"""
    square: Floats
    """Var δp_l, [L, 2]"""
    gain: Floats
    """dp_l/dp_{l-1}, [L]"""
    pull: Floats
    """d ln χ_l/dp_{l-1}, [L]"""
    mean_shift: Floats
    """Shift of the mean of ln χ_l(1 + η_l) for one sample, but for -Var η_l/2, [L]"""
    amplified: float
    """Standard deviations of the blocks' ln χ that come from the noise of p below them, summed."""
    growth_variance: float
    """Over seeds, of ln of the mean square of the last block's output over the batch."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """Of ln g_l - ln g_L, [L]."""

    shift: Floats
    """Of the mean over seeds, against the infinite width."""
    variance: Floats
    """Over seeds."""
    growth: Floats
    """Covariance over seeds with ln of the mean square of the last block's output."""


def noises_of(network: RandomNetwork, blocks: Sequence[Block], first_c: Floats) -> tuple[list[Noise], Floats]:
    """Return the noise of every block and the correlations of its outputs at the last, [P].

    `first_c` [P] are those of the first block's preactivations.
    """
    noises: list[Noise] = []
    product = np.zeros_like(first_c)
    for at, block in enumerate(blocks):
        c = preactivation_correlation(network, block, product) if at else first_c
        units = units_of(network, block)
        noises.append(units.noise(c, product))
        product = units.output_product(noises[-1], product)
    return noises, product / product[0]


def forward_noise(
    network: RandomNetwork, blocks: Sequence[Block], noises: Sequence[Noise], width: int, weight: Floats
) -> ForwardNoise:
    """Return what the blocks' noise does to the mean squares above them; `weight` [P] is the share of each pair."""
    depth = len(blocks)
    epsilon, cross = (
        np.stack([_mean_and_own(weight) @ getattr(noise, name) for noise in noises]) / width
        for name in ("epsilon", "cross")
    )
    epsilon = np.maximum(epsilon, 0.0)  # rounding, where lengths are kept exactly: orthogonal and linear
    gain, pull, bend, sag = np.transpose([_derivatives(network, blocks, at) for at in range(depth)])
    square, drift, mean_shift = np.zeros((depth, 2)), noises[0].epsilon_mean / width, np.zeros(depth)
    square[0] = epsilon[0]
    amplified = 0.0
    for at in range(1, depth):
        before = square[at - 1, 1]
        amplified += abs(pull[at]) * before**0.5
        mean_shift[at] = pull[at] * drift + bend[at] * before / 2 + noises[at].eta_mean / width
        drift = gain[at] * drift + sag[at] * before / 2 + noises[at].epsilon_mean / width
        square[at] = gain[at] ** 2 * square[at - 1] + epsilon[at]
    growth_variance = float(np.log1p(square[-1, 0] / blocks[-1].after.square ** 2))
    return ForwardNoise(epsilon, cross, square, gain, pull, mean_shift, amplified, growth_variance)


def scatter(
    network: RandomNetwork,
    blocks: Sequence[Block],
    noises: Sequence[Noise],
    forward: ForwardNoise,
    width: int,
    weight: Floats,
    rho2: Floats,
) -> Scatter:
    """Return the statistics of the profile; `weight`, `rho2` [P]: share and squared gradient correlation of pairs."""
    depth = len(blocks)
    log_products = np.log(_gradient_products(network, blocks, noises, width, rho2) @ _mean_and_own(weight).T)
    # the effect of ε_l on the factors of all later blocks, and on the last block's output
    variance, effect, later = log_products.copy(), 0.0, np.zeros(2)
    growth, grown, reach = np.zeros(depth), 0.0, 1.0
    for at in range(depth - 1, -1, -1):
        variance[at] += later + effect**2 * forward.square[at]
        growth[at] = grown + effect * forward.square[at, 0] * reach
        later = later + effect**2 * forward.epsilon[at] + 2 * effect * forward.cross[at]
        grown += (forward.cross[at, 0] + effect * forward.epsilon[at, 0]) * reach
        effect = forward.pull[at] + forward.gain[at] * effect
        reach *= forward.gain[at]
    # E ln of a mean over samples = E ln of one + (Var one - Var mean)/2
    shift = np.append(np.cumsum(forward.mean_shift[:0:-1])[::-1], 0.0) - log_products[:, 1] / 2
    shift += (variance[:, 1] - variance[:, 0]) / 2
    return Scatter(shift / 2, variance[:, 0] / 4, growth / blocks[-1].after.square / 2)


def _mean_and_own(weight: Floats) -> Floats:
    return np.stack([weight, np.eye(1, len(weight))[0]])


def _gradient_products(
    network: RandomNetwork, blocks: Sequence[Block], noises: Sequence[Noise], width: int, rho2: Floats
) -> Floats:
    """Return E[|δ_a|²|δ_b|²] at every block for every kind of pair, [L, P], in units of its mean field and of block L.

    It goes with E[(δ_a·δ_b)²], which does not decay like the square of the mean correlation: n random units leave
    1/n of it at every block, and that makes the noise of two samples alike again.
    """
    all_squares = np.ones((len(blocks), len(rho2)))
    squares, products = np.ones(len(rho2)), rho2 + (1 - rho2**2) / width
    products[0] = 1.0
    for at in range(len(blocks) - 1, 0, -1):
        squares, products = pair_products(network, blocks[at], noises[at], width, squares, products)
        products[0] = squares[0]
        all_squares[at - 1] = squares
    return all_squares


def pair_products(
    network: RandomNetwork, block: Block, noise: Noise, width: int, squares: Floats, products: Floats
) -> tuple[Floats, Floats]:
    """Return E[|δ_a|²|δ_b|²] and E[(δ_a·δ_b)²] below a block from those above it, [P] each, both over χ².

    docs/derivations.md, sections 3 (without a skip) and 5.
    """
    overlap, w = noise.slope_overlap, block.share
    lengths = (0.0 if network.orthogonal else 1.0) * w**2
    scattered = noise.spread + w**2 * (1 - overlap**2)
    return (
        squares * (1 + noise.eta / width)
        + products * (2 * noise.spread + 2 * lengths * overlap**2 + 4 * w * (1 - w) * overlap) / width,
        products * (1 - w + w * overlap) ** 2
        + (scattered * (squares + 2 * products) + lengths * (squares + overlap**2 * products)) / width
        + 2 * w * (1 - w) * (squares + overlap * products) / width,
    )


def _derivatives(network: RandomNetwork, blocks: Sequence[Block], at: int) -> tuple[float, float, float, float]:
    """Return dp_l/dp, d ln χ_l/dp and the second derivatives of ln χ_l and p_l, p the mean square of x_{l-1}."""
    block, before = blocks[at], blocks[at].before
    if before is None:
        return 0.0, 0.0, 0.0, 0.0
    # the mean is kept: a step must leave a variance, which is small beside the square in a stream with a drift
    step = min(_STEP * before.square, (before.square - before.mean**2) / 2)
    up, down = (network.next(Stream(before.square + d, before.mean)) for d in (step, -step))
    mid, high, low = np.log(block.chi), np.log(up.chi), np.log(down.chi)
    return (
        (up.after.square - down.after.square) / (2 * step),
        float(high - low) / (2 * step),
        float(high - 2 * mid + low) / step**2,
        (up.after.square - 2 * block.after.square + down.after.square) / step**2,
    )
