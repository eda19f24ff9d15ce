"""What a gradient knows of the forward pass in a convolutional network: its mean over positions, along that of the map.

The mean over positions of a map and of a gradient go through a convolution like those of a fully connected network
whose activation is F(h̄) = E φ(h̄ + h̃), smoothed over what differs between positions. A gradient that is alike at all
positions, as behind a global average, gets a component along the map's mean in every block, and one along it grows
(docs/derivations.md, section 13). `radial_component` is the case of one position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.quadrature import hermite, normal_nodes

__all__ = ["Alignment", "CoherentStep", "coherent_shift", "coherent_step"]

Floats = NDArray[np.float64]

_DEGREE = 40
_FARTHEST, _NODES = 8.0, 241
_CLOSEST = 0.99
"""Correlation of two positions beyond which they are taken as one: the quadrature resolves no narrower kink."""
_LEAST = 0.1
"""Of a factor on g²: the expansion in 1/C has long ended there."""


@dataclass(frozen=True, slots=True)
class CoherentStep:
    """Affine maps of e = C (x̄·δ̄)²/(|x̄|²|δ̄|²) - 1 of one block, [2] each: the value at e = 0, its change with e."""

    delta: tuple[float, float]
    """Δ: E Σ|δ|² below is χ (1 + Δ/C) times that above."""
    below: tuple[float, float]
    """e below, at infinite width."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """Of one block, what all pairs of positions make together."""

    c: float
    """Correlation of the preactivations at two positions"""
    shared: float
    """That of the gradients above"""
    along: float
    """Share of the gradient that an excess e concerns"""
    below: tuple[float, float]
    """e below: at e = 0, and its change with e"""


def coherent_step(phi: NumpyActivation, variance: float, pairs: Alignment, taps: int, *,
                  orthogonal: bool = False) -> CoherentStep:  # fmt: skip
    """Return the maps of a block without norm, skip and biases.

    `variance` is that of the preactivations, `taps` the number of a kernel's taps; `orthogonal`: weights keep lengths.
    """
    m = _means(phi, float(f"{variance:.12g}"), round(min(max(pairs.c, 1 - _CLOSEST), _CLOSEST), 9))
    if orthogonal:
        return CoherentStep((0.0, pairs.along * m.slopes), pairs.below)
    isotropic = m.alone / taps + (1 - 1 / taps) * pairs.shared * m.apart
    return CoherentStep((isotropic, pairs.along * (m.slopes + m.weights)), pairs.below)


@dataclass(frozen=True, slots=True)
class _Means:
    alone: float
    """Δ of one position by itself, for e = 0"""
    apart: float
    """That of two positions with the same gradient, from weights that both have seen"""
    slopes: float
    """dΔ/de that slopes make"""
    weights: float
    """and weights, which have seen the map"""


@lru_cache(maxsize=4096)
def _means(phi: NumpyActivation, q: float, c: float) -> _Means:
    nodes = normal_nodes(phi, q)
    h, value, slope = nodes.h, phi.value(nodes.h), phi.slope(nodes.h)
    slope2 = nodes.mean(slope**2)
    f, s = hermite(nodes, np.stack([value, slope]), _DEGREE)
    k = np.arange(_DEGREE + 1)
    powers = c**k
    raised = np.sqrt((k[:-2] + 1) * (k[:-2] + 2.0))
    third = float((raised * s[2:] * s[:-2]) @ powers[:-2])  # q E φ'''(a) φ'(b)
    second = float((k[1:] * s[1:] ** 2) @ powers[:-1])  # q E φ''(a) φ''(b)
    curve = float((raised * f[2:] * f[:-2]) @ powers[:-2])  # q E φ''(h) F(h̄)

    z = np.linspace(-_FARTHEST, _FARTHEST, _NODES)
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    mean = np.sqrt(c * q) * z  # h̄
    conditional = np.exp(-((h - mean[:, None]) ** 2) / (2 * (1 - c) * q) + h**2 / (2 * q)) * nodes.weight
    conditional /= conditional.sum(1, keepdims=True)
    f_mean, s_mean, s2_mean = conditional @ value, conditional @ slope, conditional @ slope**2
    f2, s2 = float(weight @ f_mean**2), float(weight @ s_mean**2)
    weights = (curve**2 + 2 * curve * s2 * q * c + (s2 * q) ** 2 * c) / (q * slope2 * f2)
    return _Means(
        nodes.mean(h**2 * slope**2) / (q * slope2) - 1,
        (2 * third * c + second * (1 + c)) / slope2,
        float(weight @ (s2_mean * f_mean**2)) / (slope2 * f2) - 1,
        weights,
    )


def coherent_shift(steps: Sequence[CoherentStep], channels: int, r: Floats) -> Floats:
    """Return the shift of ln g_l - ln g_L for networks with these r_L = e + 1, `[L, networks]`; `steps` of blocks 2 to
    L, the lowest first.
    """
    shift = np.zeros((len(steps) + 1, len(r)))
    e = r - 1
    for at in range(len(steps), 0, -1):
        step = steps[at - 1]
        factor = np.maximum(1 + (step.delta[0] + step.delta[1] * e) / channels, _LEAST)
        shift[at - 1] = shift[at] + np.log(factor) / 2
        e = np.clip((1 + step.below[0] + step.below[1] * e) / factor, 0, channels) - 1
    return shift
