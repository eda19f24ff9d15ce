"""What the noise of the map's size does to the factors of later blocks, in plain convolutional networks.

As docs/derivations.md, section 8, has it for a fully connected network. A convolution keeps the sum over positions of
the mean squares, so that their mean over positions and samples follows one line. What one position has is that of its
whole sample, as it reads those beside it, and its own where kernels have one tap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.convolution_steps import Slopes
from gradlab.mean_field.quadrature import normal_nodes

__all__ = ["ForwardLine", "ForwardStep", "forward_line"]

Floats = NDArray[np.float64]

_STEP = 0.03
"""Relative step of the derivatives in q."""


@dataclass(frozen=True, slots=True)
class ForwardStep:
    """One block: an activation of preactivations whose variance is q = gain * p + bias, p the block's input."""

    phi: NumpyActivation
    q: float
    gain: float
    slopes: Slopes
    mixes: bool = True
    """Whether the convolution reads several positions"""


@dataclass(frozen=True, slots=True)
class ForwardLine:
    """Of ln g_l² - ln g_L², [L], what comes from the size of the map."""

    shift: Floats
    """Of the mean over seeds"""
    variance: Floats
    growth: Floats
    """Covariance with ln of the mean square of the last block's output"""
    growth_variance: float
    """Of that"""
    amplified: float
    """Standard deviations of the blocks' ln χ, summed"""


def forward_line(steps: Sequence[ForwardStep], weights: Floats, channels: int) -> ForwardLine:
    """Return the line of plain blocks; `weights` `[kinds]` are the shares of the kinds of pairs of samples."""
    depth = len(steps)
    mean_and_own = np.zeros((2, len(weights) + 1))
    mean_and_own[0, :-1] = weights
    mean_and_own[1, 0 if any(step.mixes for step in steps) else -1] = 1.0
    epsilon, cross = (
        np.stack([mean_and_own @ getattr(step.slopes, name) for step in steps]) / channels
        for name in ("epsilon", "cross")
    )
    epsilon = np.maximum(epsilon, 0.0)
    gain, pull, bend, sag, after = np.transpose([_derivatives(step) for step in steps])
    square, mean_shift, drift, amplified = np.zeros((depth, 2)), np.zeros(depth), 0.0, 0.0
    square[0], drift = epsilon[0], steps[0].slopes.epsilon_mean / channels
    for at in range(1, depth):
        before = square[at - 1, 1]
        amplified += abs(pull[at]) * before**0.5
        mean_shift[at] = pull[at] * drift + bend[at] * before / 2 + steps[at].slopes.eta_mean / channels
        drift = gain[at] * drift + sag[at] * before / 2 + steps[at].slopes.epsilon_mean / channels
        square[at] = gain[at] ** 2 * square[at - 1] + epsilon[at]
    variance, growth = np.zeros((depth, 2)), np.zeros(depth)
    effect, later, grown, reached = 0.0, np.zeros(2), 0.0, 1.0
    for at in range(depth - 1, -1, -1):
        variance[at] = later + effect**2 * square[at]
        growth[at] = grown + effect * square[at, 0] * reached
        later = later + effect**2 * epsilon[at] + 2 * effect * cross[at]
        grown += (cross[at, 0] + effect * epsilon[at, 0]) * reached
        effect = pull[at] + gain[at] * effect
        reached *= gain[at]
    shift = np.append(np.cumsum(mean_shift[:0:-1])[::-1], 0.0) + (variance[:, 1] - variance[:, 0]) / 2
    return ForwardLine(shift, variance[:, 0], growth / after[-1], float(np.log1p(square[-1, 0] / after[-1] ** 2)),
                       amplified)  # fmt: skip


def _derivatives(step: ForwardStep) -> tuple[float, float, float, float, float]:
    """Return dp'/dp, d ln χ/dp, the second derivatives of ln χ and p', and p' = E φ², p the block's input."""
    size = _STEP * step.q
    squares, logs = [], []
    for q in (step.q - size, step.q, step.q + size):
        nodes = normal_nodes(step.phi, q)
        squares.append(nodes.mean(step.phi.value(nodes.h) ** 2))
        logs.append(float(np.log(nodes.mean(step.phi.slope(nodes.h) ** 2))))
    first, second = step.gain / (2 * size), (step.gain / size) ** 2
    return (
        first * (squares[2] - squares[0]),
        first * (logs[2] - logs[0]),
        second * (logs[2] - 2 * logs[1] + logs[0]),
        second * (squares[2] - 2 * squares[1] + squares[0]),
        squares[1],
    )
