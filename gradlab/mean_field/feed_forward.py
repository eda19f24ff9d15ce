"""Theory of feed-forward networks: the gradient profile of a cell, and how far a single seed may lie from it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gradlab.cell import Cell
from gradlab.mean_field.arithmetic import require_representable
from gradlab.mean_field.batch_norm import batch_norm_chi
from gradlab.mean_field.finite_width import Pairs, forward_noise, noises_of, scatter
from gradlab.mean_field.fixed_points import FixedPoint, fixed_point, variance_limit
from gradlab.mean_field.initialisation import COVERAGE, Initialisation, initialisation
from gradlab.mean_field.inits import bias_variance, weight_variance
from gradlab.mean_field.inputs import Inputs
from gradlab.mean_field.loss_gradient import loss_gradient
from gradlab.mean_field.network_theory import NetworkTheory
from gradlab.mean_field.prediction import NoPrediction, Prediction, from_profile
from gradlab.mean_field.radial_component import radial_shift
from gradlab.mean_field.random_network import Block, RandomNetwork

__all__ = ["THEORY"]

Floats = NDArray[np.float64]

_AMPLIFIED = 0.3
"""What the noise of p, summed over the blocks, may do to ln g² of a network whose variance collapses. Simulated: gelu
and silu at σ_w² = 2 scatter 2 to 4 times as far as predicted above it; below it, in short networks, z is right."""
_SMALL = 1e-3
"""What batch norm's eps may be of the variance before it."""
_SAME_CLASS, _OTHERS = 0.5, 0.25
"""Typical |correlation| of two inputs of one class and of two others: digits have 0.5 and 0.25. It enters the scatter
only, and there only where lengths are kept (orthogonal weights, norms) or slopes are even functions."""


def _profile(cell: Cell, inputs: Inputs) -> Prediction:
    if math.isnan(inputs.mean_square):
        raise NoPrediction("the inputs are indices: theory does not know what they are embedded in")
    if not (math.isfinite(inputs.mean_square) and inputs.mean_square > 0):
        raise NoPrediction("the inputs are zero or not finite")
    start = initialisation(cell, inputs.in_features, inputs.out_features)
    network, depth, width = start.network, cell.depth, cell.width
    first = start.first_weight * inputs.mean_square
    require_representable("the variance of the first preactivations", first + start.first_bias)
    blocks = _blocks(start, inputs.mean_square, depth)
    samples = cell.probe_batch_size
    if cell.norm.name == "batch":
        if network.eps > _SMALL * (first + start.first_bias):
            raise NoPrediction(
                f"the inputs are so small that the eps of batch norm ({network.eps:g}) counts beside them"
            )
        chi = np.full(depth, batch_norm_chi(cell, network, samples))
        return from_profile(_log_profile(chi), chi=chi)

    profile = _mean_profile(start, inputs, depth)
    pairs = _pairs(samples, inputs.out_features)
    noises, correlations = noises_of(network, blocks, (first * pairs.c + start.first_bias) / (first + start.first_bias))
    forward = forward_noise(network, blocks, noises, width, pairs.weight)
    if forward.amplified > _AMPLIFIED and _collapses(network):
        raise NoPrediction(
            f"unstable per seed: the depth at which the variance of {cell.activation} collapses depends on what "
            f"a width of {width} adds to it"
        )
    growth_sd = math.sqrt(forward.growth_variance)
    c = float(np.clip(pairs.weight @ correlations, 0, 1))
    top = loss_gradient(inputs.out_features, start.readout * blocks[-1].after.square, c, samples, growth_sd)
    rho2 = _gradient_correlations(top.product2, inputs.out_features)
    backward = scatter(network, blocks, noises, forward, width, pairs.weight, rho2)
    along = radial_shift(network, blocks, width, top.radial)
    # networks whose outputs are large have large gradients, and a loss that knows more of the outputs
    common = 2 * (along @ top.growth / len(top.growth)) * backward.growth / growth_sd if growth_sd > 0 else 0.0
    sd = np.sqrt(np.maximum(backward.variance + along.var(axis=1) + common, 0.0))
    q = np.array([block.q for block in blocks])
    return from_profile(profile + backward.shift + along.mean(axis=1), sd, q, _chi(blocks))


def _mean_profile(start: Initialisation, inputs: Inputs, depth: int) -> Floats:
    """Return the profile at infinite width, over samples of different length: log-normal, by the three-point rule.

    The mean square of I independent Gaussian features deviates by √(2/I) of itself from sample to sample.
    """
    spread = math.sqrt(2 / inputs.in_features)
    sigma = math.sqrt(math.log1p(spread**2))
    log_g2 = [
        math.log(weight)
        + 2 * _log_profile(_chi(_blocks(start, inputs.mean_square * math.exp(sigma * z - sigma**2 / 2), depth)))
        for weight, z in ((1 / 6, -math.sqrt(3)), (2 / 3, 0.0), (1 / 6, math.sqrt(3)))
    ]
    profile: Floats = np.logaddexp.reduce(log_g2) / 2
    profile -= profile[-1]  # the rounding of the weights
    return profile


def _collapses(network: RandomNetwork) -> bool:
    """Whether the variance of a plain network vanishes after a stretch that amplifies differences."""
    if network.place != "none" or network.skip:
        return False
    return variance_limit(network.phi, network.sigma_w2 / network.keep, network.sigma_b2)[0] == "unstable per seed"


def _blocks(start: Initialisation, square: float, depth: int) -> list[Block]:
    """Return all blocks of a network; from where its state repeats they are one object."""
    blocks = [start.network.first(start.first_weight * square + start.first_bias)]
    for _ in range(1, depth):
        last = blocks[-1]
        if (
            last.before is not None
            and _same(last.before.square, last.after.square, last.after.square)
            and _same(last.before.mean, last.after.mean, last.after.square**0.5)
        ):
            blocks.append(last)
        else:
            blocks.append(start.network.next(last.after))
    return blocks


def _same(a: float, b: float, scale: float) -> bool:
    return abs(a - b) < 1e-13 * scale


def _chi(blocks: Sequence[Block]) -> Floats:
    return np.array([block.chi for block in blocks])


def _log_profile(chi: Floats) -> Floats:
    """Return ln g_l - ln g_L, [L], of the factors χ_l on g² of each block; the first block's is not used."""
    with np.errstate(divide="ignore"):
        steps = np.log(chi[1:]) / 2
    if not np.isfinite(steps).all():
        raise NoPrediction("no slope is left: the gradient is exactly zero or not finite")
    return np.append(np.cumsum(steps[::-1])[::-1], 0.0)


def _pairs(samples: int, outputs: int) -> Pairs:
    """Return the kinds of pairs: a sample with itself, two of one class, two others on the same or the other side."""
    alike = 1 / outputs if outputs > 1 else 0.0
    shares = np.array([0.0, alike, (1 - alike) / 2, (1 - alike) / 2]) * (1 - 1 / samples)
    shares[0] = 1 / samples
    return Pairs(shares, np.array([1.0, _SAME_CLASS, _OTHERS, -_OTHERS]))


def _gradient_correlations(mean: float, outputs: int) -> Floats:
    """Return ρ² of the kinds of pairs: 1 within a class, the rest of its mean between classes."""
    if outputs == 1:
        return np.ones(4)
    between = max(mean - 1 / outputs, 0.0) / (1 - 1 / outputs)
    return np.array([1.0, 1.0, between, between])


def _plain(cell: Cell, inputs: Inputs | None) -> FixedPoint:
    if cell.norm.name != "none" or cell.residual.name != "none" or cell.dropout > 0:
        raise NoPrediction("networks with norms, skips or dropout have no fixed point of this kind")
    sigma_w2 = weight_variance(cell.init, cell.width, cell.width) * cell.width
    return fixed_point(cell.activation, sigma_w2, bias_variance(cell.init, cell.bias_std, cell.width))


THEORY = NetworkTheory(COVERAGE, _profile, _plain)
