"""The noise of one block: covariances of means over its n units, for pairs of samples (docs/derivations.md, 4 to 7).

The samples of a batch share the weights but not the slopes, so noise averages out between them; how much depends on
the correlation c of their preactivations. All covariances come from Hermite coefficients (Mehler's formula),

    E[f(h_a) g(h_b)] = Σ_k f_k g_k c^k.

Orthogonal weights keep lengths, so Σ_i h_i² is not random: that removes the term k = 2 and makes h uniform on a
sphere, whose density is 1 - He_4(z)/4n times the Gaussian's. A norm before the activation does the same (layer norm
removes k = 1 too) and divides by the length it measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.quadrature import Nodes, hermite
from gradlab.mean_field.random_network import Block, RandomNetwork

__all__ = ["Noise", "Units", "preactivation_correlation", "units_of"]

Floats = NDArray[np.float64]

_DEGREE = 40


@dataclass(frozen=True, slots=True)
class Noise:
    """n times the covariances of one block's noise, [P] for each kind of pair, and n times its mean.

    η is the relative noise of the factor on g², ε the noise of E x² over the units of the block's output.
    """

    eta: Floats
    """Var η but for what `spread` and the random lengths of Wᵀu add"""
    spread: Floats
    """(E[φ'_a²φ'_b²]/μ1² - 1): what two equal gradients see of the slopes, beside their mean"""
    epsilon: Floats
    cross: Floats
    """Cov(η, ε)"""
    slope_overlap: Floats
    """E[φ'_aφ'_b]/μ1: what slopes leave of a gradient correlation"""
    eta_mean: float
    """Mean of ln(1 + η) for one sample, but for -Var η/2"""
    epsilon_mean: float
    product: Floats
    """E[φ_aφ_b]"""


class _Function:
    """A function of h by its values at the nodes, with its Hermite coefficients."""

    __slots__ = ("coefficients", "values")

    def __init__(self, nodes: Nodes, values: Floats) -> None:
        self.values, self.coefficients = values, hermite(nodes, values, _DEGREE)


class Units:
    """The units of a block, whatever the correlation between samples."""

    def __init__(self, network: RandomNetwork, block: Block) -> None:
        self._net, self._block = network, block
        m, before = block.moments, block.before
        self._skip = network.skip and before is not None
        centre = m.mean if network.norm == "layer" else 0.0
        nothing = np.zeros_like(m.value)

        # the mean square of the output as a mean over units of a function of h; with a skip, x varies as well: `noise`
        square = nothing if network.place == "post_activation" else m.value**2 / network.keep
        # what counts for a layer norm of the input is the variance over units: E x² - (E x)²
        variance = network.place == "input" and network.norm == "layer"
        if before is not None and network.skip:
            cross = 0.0 if network.place == "post_activation" else before.mean
            if variance:
                cross = -block.scale * m.mean
            square = block.scale**2 * square + 2 * block.scale * cross * m.value
        elif variance:
            square = square - 2 * m.mean * m.value
        divided = nothing  # relative noise of what a norm behind the activation divides by
        if network.place == "post_activation":
            divided = (m.value - centre) ** 2 / block.divisor
        elif network.place == "stream":
            mean = block.scale * m.mean + (before.mean if network.skip and before is not None else 0.0)
            divided = (square - 2 * (mean if network.norm == "layer" else 0.0) * block.scale * m.value) / block.divisor
            square = nothing

        w = block.share
        slopes = m.slope**2 / m.slope2
        self._value, self._slope, self._slopes = (_Function(m.nodes, f) for f in (m.value, m.slope, slopes))
        self._square, self._divided = _Function(m.nodes, square), _Function(m.nodes, divided)
        # a norm of the stream divides the skip as well
        self._eta = _Function(m.nodes, w * slopes - (1.0 if network.place == "stream" else w) * divided)
        self._fix_lengths()

    def _fix_lengths(self) -> None:
        network, block = self._net, self._block
        known = 1 - network.sigma_b2 / block.q if block.before is not None else 1.0
        self._alive = np.ones(_DEGREE + 1)
        self._alive[0] = 0
        self._measured = 0.0
        fixed = known**2 if network.orthogonal else 0.0
        if network.place == "pre_activation":
            self._alive[1] = 0 if network.norm == "layer" else 1
            self._measured = 0.0 if network.orthogonal else 2.0
            fixed = 1.0
        self._alive[2] = 1 - fixed
        self._sphere = -fixed * math.sqrt(24) / 4

    def noise(self, c: Floats, before_ab: Floats) -> Noise:
        """Return the noise for pairs whose preactivations correlate like c; `before_ab` is E x_a x_b before."""
        network, block = self._net, self._block
        powers = c[:, None] ** np.arange(_DEGREE + 1)
        beyond = c * np.abs(c) ** (1.5 * _DEGREE)

        def product(f: _Function, g: _Function, alive: Floats | None = None) -> Floats:
            terms = f.coefficients * g.coefficients
            remainder = block.moments.nodes.mean(f.values * g.values) - terms.sum()
            covariance: Floats = powers @ (terms if alive is None else terms * alive) + remainder * beyond
            return covariance

        values = product(self._value, self._value)
        w = block.share
        eta = product(self._eta, self._eta, self._alive)
        epsilon = product(self._square, self._square, self._alive)
        divided = product(self._divided, self._divided, self._alive)
        overlap = product(self._divided, self._slopes, self._alive)[0]
        eta_mean = divided[0] - w * overlap if network.place == "stream" else w * (divided[0] - overlap)
        if self._skip and block.before is not None:  # x·y/n with x random over the units
            centred = network.norm == "layer" and network.place != "pre_activation"
            centre = block.moments.mean**2 if centred else 0.0
            across = 4 * network.scale**2 * (before_ab - block.before.mean**2) * (values - centre)
            if network.place == "stream":
                eta = eta + across / block.divisor**2
                eta_mean += across[0] / block.divisor**2
            else:
                epsilon = epsilon + across / (block.divisor if network.place == "post_activation" else 1.0)
        if self._measured:
            eta = eta + w**2 * self._measured * powers[:, 2]
            eta_mean += w * self._measured
        slopes = product(self._slopes, self._slopes)
        spread = w**2 * (slopes - 1)
        if network.keep < 1:  # dropout masks are a sample's own
            mask_noise = w**2 * slopes[0] * (1 / network.keep - 1)
            eta[0] += mask_noise
            spread[0] += mask_noise
        slope_overlap = product(self._slope, self._slope) / block.moments.slope2
        slope_overlap[1:] *= network.keep
        return Noise(
            eta,
            spread,
            epsilon,
            product(self._eta, self._square, self._alive),
            slope_overlap,
            eta_mean + self._sphere * float(self._eta.coefficients[4]),
            self._sphere * float(self._square.coefficients[4]),
            values,
        )

    def output_product(self, noise: Noise, before_ab: Floats) -> Floats:
        """Return E x_a x_b of the block's output for every kind of pair, [P]."""
        network, block, m = self._net, self._block, self._block.moments
        branch, mean, layer = noise.product, m.mean, network.norm == "layer"
        if network.place == "post_activation":
            branch = (branch - (mean**2 if layer else 0.0)) / block.divisor
            mean = 0.0 if layer else mean / math.sqrt(block.divisor)
        if self._skip and block.before is not None:
            branch = before_ab + 2 * network.scale * block.before.mean * mean + network.scale**2 * branch
            mean = block.before.mean + network.scale * mean
        if network.place == "stream":
            branch = (branch - (mean**2 if layer else 0.0)) / block.divisor
        product = np.array(branch)
        product[0] = block.after.square  # a sample with itself, dropout included
        return product


@lru_cache(maxsize=4096)
def units_of(network: RandomNetwork, block: Block) -> Units:
    """Return the units of a block; `RandomNetwork` hands out one object for one state, so they are worked out once."""
    return Units(network, block)


def preactivation_correlation(network: RandomNetwork, block: Block, before_ab: Floats) -> Floats:
    """Return c for every kind of pair from E x_a x_b before a block l > 1."""
    input_ab, before = before_ab, block.before
    if network.place == "input" and before is not None:
        lost = before.mean**2 if network.norm == "layer" else 0.0
        input_ab = (before_ab - lost) / (before.square - lost + network.eps)
    c = (network.sigma_w2 * input_ab + network.sigma_b2) / block.q
    c[0] = 1.0
    return np.clip(c, -1, 1)
