"""The mean of every block: how the variance of a wide network and of its gradient go through one block.

Notation: p = E x², m = E x over the units of a block output x_l, q the variance of Wx + b, h ~ N(0, r) what the
activation sees, u = σ_w² E φ'(h)² the factor of a plain block on |∂loss/∂x|². Each form below was derived with
fresh random weights in every block (W is independent of x and of the gradient), so products of a branch with the
stream average out, except for the mean of an activation that is not odd.

- plain: q = σ_w² p + σ_b², r = q, p' = E φ², χ = u (Schoenholz 2017, arXiv 1611.01232).
- layer, rms norm before φ: r = q/(q+ε), χ = u/(q+ε). Projecting out mean and norm costs 1/n only.
- layer norm after φ: p' = v/(v+ε) with v = Var φ, χ = u/(v+ε); rms: the same with v = E φ².
- dropout, keeping a share κ: p' = E φ²/κ, χ = u/κ; E x is unchanged (Schoenholz 2017, section 5).
- residual add, branch B of scale s: p' = p + s² E B² + 2 s m E B, m' = m + s E B, χ = 1 + s² χ_B
  (Yang & Schoenholz 2017, arXiv 1712.08969, which has a second matrix in the branch).
- pre_norm: the branch sees N(x), of mean square a = w/(w+ε), so q = σ_w² a + σ_b² and χ_B = u/(w+ε), where
  w = p - m² for layer norm and p for rms (Xiong 2020, arXiv 2002.04745).
- post_norm: stream as for add, then divided by w' = p' - m'² (rms: p'): χ = (1 + s² u)/(w'+ε).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.arithmetic import LARGEST, SMALLEST
from gradlab.mean_field.prediction import NoPrediction
from gradlab.mean_field.quadrature import Nodes, normal_nodes

__all__ = ["Block", "Moments", "RandomNetwork", "Stream"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stream:
    """Mean square and mean, over the units, of a block output."""

    square: float
    mean: float


@dataclass(frozen=True, slots=True)
class Moments:
    """An activation on h ~ N(0, variance)."""

    nodes: Nodes
    value: Floats
    slope: Floats
    mean: float
    """E φ"""
    square: float
    """E φ²"""
    slope2: float
    """E φ'²"""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One block: what goes in, what happens, what comes out."""

    before: Stream | None
    """None for the first block, which sees the inputs and has no skip."""
    q: float
    moments: Moments
    chi: float
    """E |∂loss/∂x_{l-1}|² / E |∂loss/∂x_l|²"""
    share: float
    """Share of the branch in `chi`; 1 without a skip."""
    scale: float
    """Factor on the branch; 1 without a skip."""
    divisor: float
    """What a norm after the branch or the stream divides a mean square by, ε included; 1 without."""
    after: Stream


@dataclass(frozen=True, slots=True)
class RandomNetwork:
    """The random network a cell starts as: everything but its size and its input."""

    phi: NumpyActivation
    sigma_w2: float
    sigma_b2: float
    orthogonal: bool
    norm: Literal["none", "layer", "rms"]
    eps: float
    place: Literal["none", "pre_activation", "post_activation", "input", "stream"]
    skip: bool
    scale: float
    keep: float

    def moments(self, variance: float) -> Moments:
        """Return the activation's moments on N(0, variance)."""
        nodes = normal_nodes(self.phi, variance)
        value, slope = self.phi.value(nodes.h), self.phi.slope(nodes.h)
        return Moments(nodes, value, slope, nodes.mean(value), nodes.mean(value**2), nodes.mean(slope**2))

    def first(self, q: float) -> Block:
        """Return block 1, whose preactivations have variance q. Its `chi`, down to the inputs, is not used."""
        return self._block(None, q)

    def next(self, before: Stream) -> Block:
        """Return a block l > 1 on top of the stream x_{l-1}."""
        if self.place == "input":
            width = self._spread(before)
            return self._block(before, self.sigma_w2 * width / (width + self.eps) + self.sigma_b2)
        return self._block(before, self.sigma_w2 * before.square + self.sigma_b2)

    def _spread(self, stream: Stream) -> float:
        """What a norm divides by, before ε: the variance over the units for layer norm, the mean square for rms."""
        return stream.square - stream.mean**2 if self.norm == "layer" else stream.square

    def _block(self, before: Stream | None, q: float) -> Block:
        return _cached_block(self, before, q)

    def make_block(self, before: Stream | None, q: float) -> Block:
        """Return the block whose preactivations have variance q, computed anew."""
        inner = q + self.eps if self.place == "pre_activation" else 1.0
        moments = self.moments(q / inner)
        branch, chi = Stream(moments.square, moments.mean), self.sigma_w2 * moments.slope2 / inner
        divisor = 1.0
        if self.place == "post_activation":
            branch, divisor = self._normed(branch)
            chi /= divisor
        if self.place == "input" and before is not None:
            chi /= self._spread(before) + self.eps
        branch, chi = Stream(branch.square / self.keep, branch.mean), chi / self.keep
        share, s = 1.0, 1.0
        if self.skip and before is not None:
            s = self.scale
            branch = Stream(
                before.square + s**2 * branch.square + 2 * s * before.mean * branch.mean, before.mean + s * branch.mean
            )
            share = s**2 * chi / (1 + s**2 * chi)
            chi = 1 + s**2 * chi
        if self.place == "stream":
            branch, divisor = self._normed(branch)
            chi /= divisor
        return Block(before, q, moments, chi, share, s, divisor, self._clamped(branch))

    def _clamped(self, stream: Stream) -> Stream:
        """Keep numbers representable, where χ has reached its limit and does not depend on the variance any more.

        Small variances have: every slope has a limit at 0. Large ones have where no norm divides by them and slopes
        no longer change.
        """
        square = min(max(stream.square, SMALLEST), LARGEST)
        if square == stream.square:
            return stream
        if square == LARGEST and (self.place != "none" or self._slopes_change_at(LARGEST)):
            raise NoPrediction(f"the variance along the depth grows beyond {LARGEST:.0e}")
        return Stream(square, stream.mean * (square / stream.square) ** 0.5 if stream.square > 0 else 0.0)

    def _slopes_change_at(self, variance: float) -> bool:
        near, far = self.moments(variance).slope2, self.moments(100 * variance).slope2
        return abs(far - near) > 1e-6 * near

    def _normed(self, stream: Stream) -> tuple[Stream, float]:
        width = self._spread(stream)
        divisor = width + self.eps
        mean = 0.0 if self.norm == "layer" else stream.mean / divisor**0.5
        return Stream(width / divisor, mean), divisor


@lru_cache(maxsize=4096)
def _cached_block(network: RandomNetwork, before: Stream | None, q: float) -> Block:
    """Networks that differ in depth alone share their lower blocks, and a sweep asks for them again and again."""
    return network.make_block(before, q)
