"""The one direction in which a gradient knows the forward pass: along the activations themselves.

Mean-field theory takes ∂loss/∂x to be independent of x. At width n it is, up to the component along x: the weights
W that made h = Wx from x also carry the gradient back, and given h only W's part across x is still random. Let

    r_l = n (x_l·δ_l)² / (|x_l|² |δ_l|²),      1 for an isotropic gradient δ_l.

A positively homogeneous network keeps x_l·δ_l exactly (Euler), so what the loss puts in at the top stays. To order
1/n every block multiplies E|δ|² by χ (1 + Δ/n) with Δ linear in r. Derived per form of block from

    W = (h - b) xᵀ/|x|² + W (1 - x xᵀ/|x|²),

with B = E (h-b)²φ'², δ' = β x' + an isotropic rest, and for a norm the projections that its derivative holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.random_network import Block, RandomNetwork

__all__ = ["radial_shift"]

Floats = NDArray[np.float64]

_LEAST = 0.1
"""Of a factor on g²: the expansion in 1/n has long ended there."""


@dataclass(frozen=True, slots=True)
class _Step:
    """Affine maps of the excess e = r_l - 1: Δ = delta[0] + delta[1]*e, and r_{l-1} - 1 = below[0] + below[1]*e."""

    delta: Floats
    below: Floats


def radial_shift(network: RandomNetwork, blocks: Sequence[Block], width: int, r: Floats) -> Floats:
    """Return the shift of ln g_l - ln g_L for networks with these r_L, `[L, networks]`.

    r is not kept small: where it grows along the depth, as with skips around activations of positive mean, it ends
    as the whole gradient (r = n).
    """
    shift = np.zeros((len(blocks), len(r)))
    step: _Step | None = None
    for at in range(len(blocks) - 1, 0, -1):
        if step is None or blocks[at] is not blocks[at + 1]:
            step = _step(network, blocks[at])
        factor = np.maximum(1 + (step.delta[0] + step.delta[1] * (r - 1)) / width, _LEAST)
        shift[at - 1] = shift[at] + np.log(factor) / 2
        r = np.clip((1 + step.below[0] + step.below[1] * (r - 1)) / factor, 0, width)
    return shift


def _step(network: RandomNetwork, block: Block) -> _Step:
    before, m = block.before, block.moments
    assert before is not None
    nodes, inner = m.nodes, m.nodes.variance / block.q
    skip = 1.0 if network.skip else 0.0
    s = network.scale if network.skip else 1.0
    p, mean, keep = before.square, before.mean, network.keep
    layer = network.norm == "layer"
    random = 0.0 if network.orthogonal else 1.0  # lengths in Wᵀu are random

    # the branch's output y as a function of h, its size and what its norm divides by
    centre, size = 0.0, 1.0
    if network.place == "post_activation":
        centre, size = (m.mean if layer else 0.0), block.divisor
    y = (m.value - centre) / size**0.5
    y_mean, y_square = nodes.mean(y), nodes.mean(y**2) / keep
    after = skip * (p + 2 * s * mean * y_mean) + s**2 * y_square
    known = 1 - network.sigma_b2 / block.q  # share of h that is Wx: E[h - b | h] = known*h
    h_slope, h_slope_y = nodes.mean(nodes.h * m.slope), nodes.mean(nodes.h * m.slope * y) / keep
    plain = nodes.mean(nodes.h**2 * m.slope**2)
    back = (known**2 * plain + known * network.sigma_b2 * inner * m.slope2) / keep  # B
    mixed = skip * mean * h_slope + s * h_slope_y
    slopes = (
        skip * (p * m.slope2 + 2 * s * mean * nodes.mean(m.slope**2 * y) / keep)
        + s**2 * nodes.mean((m.slope * y) ** 2) / keep**2
    ) / after  # E φ'²x'²/E x'²
    along = skip * (p + s * mean * y_mean)  # x·x' per unit, without what comes through the branch
    branch = block.chi * block.share  # s² χ_B
    # relative to branch: with isotropic gradient [0] and per excess [1]
    delta_b, delta_x = np.zeros(2), np.zeros(2)
    through, iso = 0.0, 0.0
    delta_b[1] = slopes / m.slope2 - 1
    total = block.chi
    if network.place == "stream":
        total *= block.divisor
        branch *= block.divisor
    if network.place == "pre_activation":
        lost = plain / (nodes.variance * m.slope2)
        delta_b[0] -= lost + random
        delta_b[1] -= (nodes.mean(nodes.h * m.slope * (skip * mean + s * y / keep))) ** 2 / (
            nodes.variance * after * m.slope2
        )
        if layer:
            delta_b[1] -= nodes.mean(m.slope * (skip * mean + s * y)) ** 2 / (after * m.slope2)
    elif network.place == "input":
        delta_b[0] -= 1.0 if random else back * keep / (known * block.q * m.slope2)
    else:
        given = back * keep / (known * block.q * m.slope2)  # r of Wᵀu for an isotropic u
        gained = mixed**2 * known * keep / (block.q * m.slope2 * after)
        if network.place == "post_activation":
            overlap = (skip * mean * y_mean + s * y_square * keep) ** 2 / after
            given -= (
                known * (nodes.mean(nodes.h * m.slope * y) ** 2 + (h_slope**2 if layer else 0)) / (block.q * m.slope2)
            )
            gained = 0.0
            mixed = skip * mean * (0.0 if layer else h_slope - nodes.mean(nodes.h * m.slope * y) * y_mean)
            delta_b = np.array([-1.0 - (nodes.mean((m.slope * y) ** 2) / m.slope2 - 1), -overlap])
        delta_b += random * np.array([given - 1, gained])
        crossed = 2 * skip * s * known / size**0.5
        delta_x += crossed * np.array([mean * h_slope / p, along * mixed / (p * after)])
        if network.place == "post_activation":
            delta_x[0], delta_x[1] = crossed * mixed / p, 0.0
            through = 0.0
        else:
            through = s * known * mixed
        iso = 2 * skip * s * mean * known * h_slope / size**0.5 + branch * p * given
    push = (along + through) / after
    delta = (branch * delta_b + delta_x) / total
    below = np.array([(skip * p + iso) / (p * total) - 1, push**2 * after / (p * total)])
    if network.place == "stream":  # its derivative takes the part along x out before anything else
        delta = np.array([delta[0] - delta[1] - 1, -1.0])
        below = np.array([below[0] - below[1], 0.0])
    return _Step(delta, below)
