"""The parts of a block of a convolutional network, each with what it makes of a map and of a gradient that comes back.

Weights drawn anew in every layer are independent of the map and of the gradient, so that squares of different taps and
of different branches add (Xiao et al. 2018, arXiv 1806.05393). Every step returns the map behind it and a `Down`, the
linear map of the gradient's squares at the positions above to those below (docs/derivations.md, section 13).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.position_state import Gaussians, MapState
from gradlab.mean_field.positions import Window, gather_pairs, reach, taps
from gradlab.mean_field.prediction import NoPrediction

__all__ = ["Activation", "Convolution", "Down", "Norm", "Pooling", "Slopes", "Step", "start"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slopes:
    """What an activation does to pairs of gradients, `[kinds, P, P]`."""

    kept: Floats
    """E φ'(h_A)φ'(h_B)"""
    spread: Floats
    """Cov(φ'²_A, φ'²_B)/(E φ'²)²: what two equal gradients see of the slopes beside their mean"""
    eta: Floats
    """The same for gradients that do not know one another, and what a norm before the activation measures"""
    epsilon: Floats
    """C times the covariance of the mean of φ² over channels, `[kinds + 1]`: mean over pairs of positions of each
    kind, and the variance at one position"""
    both: Floats
    """C Cov(φ'²/E φ'², φ²), likewise"""
    eta_mean: float
    """C times the mean of the noise of the slopes, and of E φ², which fixed lengths shift"""
    epsilon_mean: float


@dataclass(frozen=True, slots=True)
class Down:
    """What one step does to a gradient."""

    energy: Floats
    """E |δ|² at each position below per position above, `[below, above]`; `[P]` where it is diagonal"""
    channels: int
    """Below the step"""
    window: Window | None = None
    """Of a convolution"""
    gain: float = 1.0
    """σ_w² of a convolution"""
    random_lengths: bool = False
    """Whether a convolution changes lengths at random: Gaussian weights do, orthogonal ones do not"""
    slopes: Slopes | None = None
    """Of an activation, where the covariances of its argument are followed"""
    average: Floats | None = None
    """Weights `[above, below]` of an average over positions"""


class Step(Protocol):
    """A part of a block."""

    def forward(self, state: MapState) -> tuple[MapState, Down]:
        """Return the map behind the step, and what the step does to a gradient."""


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution with biases. `gain` σ_w² is the variance of a weight times kernel^d·C_in, whatever the stride.

    It is also the factor on |gradient|²: each of C_in inputs is read by kernel^d taps. A delta-orthogonal kernel, whose
    one tap is an orthogonal matrix, is a window of 1 position.
    """

    window: Window
    gain: float
    bias: float = 0.0
    """Variance of the biases"""
    channels: int = 1
    """Of its input"""
    orthogonal: bool = False

    def forward(self, state: MapState) -> tuple[MapState, Down]:
        """Return the map behind the step, and what the step does to a gradient."""
        shares, at = reach(self.window), taps(self.window)
        common = math.nan
        if state.independent:  # each tap reads the mean, where it does not read a zero
            padded = np.append(state.mean, 0.0)
            common = self.gain * float(np.mean(padded[at].mean(1) ** 2))
        pairs = None if state.pairs is None else self.gain * gather_pairs(self.window, state.pairs) + self.bias
        square = self.gain * shares @ state.square + self.bias
        after = MapState(square, np.zeros(len(square)), common + self.bias, True, False, pairs)
        down = Down(self.gain * shares.T, self.channels, self.window, self.gain, not self.orthogonal)
        return after, down


@dataclass(frozen=True, slots=True)
class Activation:
    """φ on each element. `normed`: a norm over the channels stands before it, with Gaussian weights before that."""

    phi: NumpyActivation
    channels: int = 1
    normed: Literal["", "layer", "rms"] = ""
    fixed_lengths: bool = False
    """Whether orthogonal weights stand before it"""

    def forward(self, state: MapState) -> tuple[MapState, Down]:
        """Return the map behind the step, and what the step does to a gradient.

        Raises:
            NoPrediction: the map is not normal: an activation of an activation.
        """
        if not state.is_normal:
            raise NoPrediction("the argument of an activation does not come out of a convolution")
        units = Gaussians(self.phi, state.square)
        pairs, slopes = None, None
        if state.pairs is not None:
            c = units.correlations(state.pairs)
            pairs = units.values(c)
            without = [0]
            if self.normed or self.fixed_lengths:  # the sum of h² over the channels is given: `block_noise`
                without.append(2)
            if self.normed == "layer":
                without.append(1)
            eta = units.squared_slopes(c, tuple(without))
            if self.normed and not self.fixed_lengths:
                eta = eta + 2 * c**2
            sphere = -math.sqrt(24) / 4 if self.normed or self.fixed_lengths else 0.0
            slope4, value4 = units.fourth()
            slopes = Slopes(
                units.slopes(c), units.squared_slopes(c), eta,
                _means(units.squared_values(c, tuple(without))), _means(units.slopes_by_values(c, tuple(without))),
                sphere * slope4 + (2.0 if self.normed and not self.fixed_lengths else 0.0), sphere * value4,
            )  # fmt: skip
        common = float(units.mean.mean() ** 2) if state.independent else math.nan
        after = MapState(units.square, units.mean, common, False, state.independent, pairs)
        return after, Down(units.slope2, self.channels, slopes=slopes)


@dataclass(frozen=True, slots=True)
class Norm:
    """A norm over the channels of a position (layer, rms), or of a channel over all positions of a batch (batch)."""

    kind: Literal["layer", "rms", "batch"]
    eps: float = 0.0
    channels: int = 1

    def forward(self, state: MapState) -> tuple[MapState, Down]:
        """Return the map behind the step, and what the step does to a gradient.

        Raises:
            NoPrediction: a batch norm of a map whose elements are not known to be uncorrelated.
        """
        if self.kind == "batch":
            variance = np.full(len(state.square), float(state.square.mean()) - state.common)
            if math.isnan(state.common):
                raise NoPrediction("the variance over the batch before a batch norm is not known")
            after = MapState((state.square - state.common) / (variance + self.eps), np.zeros(len(variance)), 0.0,
                             state.is_normal, True)  # fmt: skip
            return after, Down(1 / (variance + self.eps), self.channels)
        centre = state.mean if self.kind == "layer" else np.zeros(len(state.mean))
        variance = state.square - centre**2
        divisor = variance + self.eps
        root = np.sqrt(divisor)
        pairs = state.pairs
        if pairs is not None:
            pairs = (pairs - centre[:, None] * centre) / (root[:, None] * root)
        after = MapState(variance / divisor, (state.mean - centre) / root, math.nan, state.is_normal, False, pairs)
        return after, Down(1 / divisor, self.channels)


@dataclass(frozen=True, slots=True)
class Pooling:
    """An average over windows that do not overlap."""

    window: Window
    channels: int = 1

    def forward(self, state: MapState) -> tuple[MapState, Down]:
        """Return the map behind the step, and what the step does to a gradient.

        The variance of an average depends on the covariances of its positions; where they are not followed the map's
        mean square is not known, NaN.
        """
        shares = reach(self.window)
        pairs = None if state.pairs is None else shares @ state.pairs @ shares.T
        if pairs is not None:
            square = np.diagonal(pairs[0]).copy()
        elif state.independent:
            square = (shares**2) @ (state.square - state.mean**2) + (shares @ state.mean) ** 2
        else:
            square = np.full(len(shares), math.nan)
        after = replace(state, square=square, mean=shares @ state.mean, pairs=pairs)
        return after, Down((shares**2).T, self.channels, average=shares)


def _means(values: Floats) -> Floats:
    return np.append(values.mean((-1, -2)), np.trace(values[0]) / values.shape[-1])


def start(positions: int, square: float, c: tuple[float, ...] | None = None) -> MapState:
    """Return a map of data: of one mean square everywhere, and of correlations `c` between different elements.

    `c` has one number for each kind of pairs of samples, the first between two positions of one sample; None: the
    covariances are not followed.
    """
    pairs = None
    if c is not None:
        pairs = square * np.tile(np.array(c)[:, None, None], (1, positions, positions))
        np.einsum("ii->i", pairs[0])[:] = square
    return MapState(np.full(positions, square), np.zeros(positions), 0.0, True, True, pairs)
