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

    slope_product: Floats
    """E φ'(h_A)φ'(h_B)"""
    spread: Floats
    """Cov(φ'²_A, φ'²_B)/(E φ'²)²: what two equal gradients see of the slopes beside their mean"""
    eta: Floats
    """The same for gradients that do not know one another"""
    epsilon: Floats
    """C times the covariance of the mean of φ² over channels, `[kinds + 1]`: mean over pairs of positions of each
    kind, and the variance at one position"""
    cross: Floats
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
        common = np.full(len(shares), math.nan)
        if state.independent:  # each tap reads the mean, where it does not read a zero
            mean_at_taps = np.append(state.mean, 0.0)[at]
            common = self.gain * (mean_at_taps * mean_at_taps.mean(1, keepdims=True)).mean(0)
        elif self.window.kernel == 1:  # with a stride the positions that are read stand for all of them
            common = self.gain * shares @ state.common
        pairs = None if state.pairs is None else self.gain * gather_pairs(self.window, state.pairs) + self.bias
        square = self.gain * shares @ state.square + self.bias
        after = MapState(square, np.zeros(len(square)), common + self.bias, True, False, pairs)
        down = Down(self.gain * shares.T, self.channels, self.window, self.gain, not self.orthogonal)
        return after, down


@dataclass(frozen=True, slots=True)
class Activation:
    """φ on each element."""

    phi: NumpyActivation
    channels: int = 1
    fixed_lengths: bool = False
    """Whether orthogonal weights stand before it"""

    def forward(self, state: MapState) -> tuple[MapState, Down]:
        """Return the map behind the step, and what the step does to a gradient.

        Raises:
            NoPrediction: the map is not normal: an activation of an activation; or its size is not known.
        """
        if not state.is_normal:
            raise NoPrediction("the argument of an activation does not come out of a convolution")
        if not np.isfinite(state.square).all():
            raise NoPrediction("the mean square of an average over positions is not known")
        units = Gaussians(self.phi, state.square)
        pairs, slopes = None, None
        if state.pairs is not None:
            c = units.correlations(state.pairs)
            pairs = units.values(c)
            without = (0, 2) if self.fixed_lengths else (0,)  # the sum of h² over the channels is given: `block_noise`
            sphere = -math.sqrt(24) / 4 if self.fixed_lengths else 0.0
            slope4, value4 = units.fourth()
            slopes = Slopes(
                units.slopes(c),
                units.squared_slopes(c),
                units.squared_slopes(c, without),
                _means(units.squared_values(c, without)),
                _means(units.slopes_by_values(c, without)),
                sphere * slope4,
                sphere * value4,
            )
        common = units.mean * (units.mean.mean() if state.independent else math.nan)
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
            if not np.isfinite(state.common).all():
                raise NoPrediction("the variance over the batch before a batch norm is not known")
            nothing = np.zeros(len(state.square))
            centred = state.square - 2 * state.common + state.common.mean()
            divisor = nothing + centred.mean() + self.eps
            return MapState(centred / divisor, nothing, nothing, state.is_normal, True), Down(
                1 / divisor, self.channels
            )
        centre = state.mean if self.kind == "layer" else np.zeros(len(state.mean))
        variance = state.square - centre**2
        divisor = variance + self.eps
        root = np.sqrt(divisor)
        pairs = state.pairs
        if pairs is not None:
            pairs = (pairs - centre[:, None] * centre) / (root[:, None] * root)
        after = MapState(
            variance / divisor, (state.mean - centre) / root, centre * math.nan, state.is_normal, False, pairs
        )
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
        mean, common = shares @ state.mean, shares @ state.common
        after = replace(state, square=square, mean=mean, common=common, pairs=pairs)
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
    nothing = np.zeros(positions)
    return MapState(nothing + square, nothing, nothing, True, True, pairs)
