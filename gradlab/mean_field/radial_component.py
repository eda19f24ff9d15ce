"""The one direction in which a gradient knows the forward pass: along the activations themselves.

Mean-field theory takes ∂loss/∂x to be independent of x. At width n it is, up to the component along x: the weights
W that made h = Wx from x also carry the gradient back, and given h only W's part across x is still random. Let

    r_l = n (x_l·δ_l)² / (|x_l|² |δ_l|²),      1 for an isotropic gradient δ_l.

A positively homogeneous network keeps x_l·δ_l exactly (Euler), so what the loss puts in at the top stays. To order
1/n every block multiplies E|δ|² by χ (1 + Δ/n), and both Δ and the r below it are affine in the r above. Derived for
each form of block in docs/derivations.md, section 9; its names are those of the formulas there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.random_network import Block, RandomNetwork

__all__ = ["RadialStep", "radial_shift", "radial_step"]

Floats = NDArray[np.float64]

_LEAST = 0.1
"""Of a factor on g²: the expansion in 1/n has long ended there."""


@dataclass(frozen=True, slots=True)
class RadialStep:
    """Affine maps of the excess e = r_l - 1 of one block, [2] each: the value at e = 0, and its change with e."""

    delta: Floats
    """Δ: E|δ_{l-1}|² is χ (1 + Δ/n) times E|δ_l|²."""
    below: Floats
    """r_{l-1} - 1, at infinite width."""


def radial_shift(network: RandomNetwork, blocks: Sequence[Block], width: int, r: Floats) -> Floats:
    """Return the shift of ln g_l - ln g_L for networks with these r_L, `[L, networks]`.

    r is not kept small: where it grows along the depth, as with skips around activations of positive mean, it ends
    as the whole gradient (r = n).
    """
    shift = np.zeros((len(blocks), len(r)))
    step: RadialStep | None = None
    for at in range(len(blocks) - 1, 0, -1):
        if step is None or blocks[at] is not blocks[at + 1]:
            step = radial_step(network, blocks[at])
        factor = np.maximum(1 + (step.delta[0] + step.delta[1] * (r - 1)) / width, _LEAST)
        shift[at - 1] = shift[at] + np.log(factor) / 2
        r = np.clip((1 + step.below[0] + step.below[1] * (r - 1)) / factor, 0, width)
    return shift


class _Means:
    """Expectations over the units of a block, its input x, its output x' = [x +] s y, the branch y a function of h."""

    def __init__(self, network: RandomNetwork, block: Block) -> None:
        before, m = block.before, block.moments
        assert before is not None
        self.nodes, self.slope, self.slope2 = m.nodes, m.slope, m.slope2
        self.q, self.keep, self.layer = block.q, network.keep, network.norm == "layer"
        self.random = 0.0 if network.orthogonal else 1.0  # whether lengths in Wᵀu are random
        self.skip = 1.0 if network.skip else 0.0
        self.s = s = network.scale if network.skip else 1.0
        self.p, self.mean = p, mean = before.square, before.mean
        centre, self.size = 0.0, 1.0
        if network.place == "post_activation":
            centre, self.size = (m.mean if self.layer else 0.0), block.divisor
        self.y = y = (m.value - centre) / self.size**0.5
        mean_of = m.nodes.mean
        self.y_mean, self.y_square = mean_of(y), mean_of(y**2) / self.keep
        self.after = self.skip * (p + 2 * s * mean * self.y_mean) + s**2 * self.y_square  # E x'²
        self.known = 1 - network.sigma_b2 / block.q  # share of h that is Wx: E[h - b | h] = known*h
        self.h_slope, self.h_slope_y = mean_of(m.nodes.h * m.slope), mean_of(m.nodes.h * m.slope * y) / self.keep
        self.h2_slope2 = mean_of(m.nodes.h**2 * m.slope**2)
        inner = m.nodes.variance / block.q
        self.back = (self.known**2 * self.h2_slope2 + self.known * network.sigma_b2 * inner * m.slope2) / self.keep  # B
        self.mixed = self.skip * mean * self.h_slope + s * self.h_slope_y  # E h φ' x'
        self.along = self.skip * (p + s * mean * self.y_mean)  # E x x', but for what comes through the branch
        self.isotropic = self.back * self.keep / (self.known * block.q * m.slope2)  # r of Wᵀu for an isotropic u

    def slopes_of_output(self) -> float:
        """E φ'²x'²/E x'²."""
        in_branch = self.nodes.mean((self.slope * self.y) ** 2) / self.keep**2
        across = 2 * self.s * self.mean * self.nodes.mean(self.slope**2 * self.y) / self.keep
        return (self.skip * (self.p * self.slope2 + across) + self.s**2 * in_branch) / self.after


@dataclass(frozen=True, slots=True)
class _Form:
    """What a form of block does to |δ|² and to x·δ; [2]: for an isotropic gradient, and per excess."""

    branch: Floats
    """Relative to the branch's part of χ."""
    across: Floats
    """Of the product of branch and skip, relative to |δ|²."""
    through: float = 0.0
    """E x·δ through the branch, in units of δ along x'."""
    isotropic: float = 0.0
    """E (x·δ)² through the branch for an isotropic gradient above, with its product with the skip's."""


def radial_step(network: RandomNetwork, block: Block) -> RadialStep:
    """Return the maps of a block l > 1."""
    m = _Means(network, block)
    branch = block.chi * block.share  # s² χ_B
    total = block.chi
    if network.place == "stream":
        total *= block.divisor
        branch *= block.divisor
    if network.place == "pre_activation":
        form = _norm_before_activation(m)
    elif network.place == "input":
        form = _norm_of_input(m)
    elif network.place == "post_activation":
        form = _norm_after_activation(m, branch)
    else:
        form = _without_norm(m, branch)
    push = (m.along + form.through) / m.after
    delta = (branch * form.branch + form.across) / total
    below = np.array([(m.skip * m.p + form.isotropic) / (m.p * total) - 1, push**2 * m.after / (m.p * total)])
    if network.place == "stream":  # its derivative takes the part along x' out before anything else
        delta = np.array([delta[0] - delta[1] - 1, -1.0])
        below = np.array([below[0] - below[1], 0.0])
    return RadialStep(delta, below)


def _without_norm(m: _Means, branch: float) -> _Form:
    gained = m.mixed**2 * m.known * m.keep / (m.q * m.slope2 * m.after)
    crossed = 2 * m.skip * m.s * m.known
    return _Form(
        np.array([0.0, m.slopes_of_output() / m.slope2 - 1]) + m.random * np.array([m.isotropic - 1, gained]),
        crossed * np.array([m.mean * m.h_slope / m.p, m.along * m.mixed / (m.p * m.after)]),
        m.s * m.known * m.mixed,
        2 * m.skip * m.s * m.mean * m.known * m.h_slope + branch * m.p * m.isotropic,
    )


def _norm_before_activation(m: _Means) -> _Form:
    """The part of the gradient along h is taken out, and with it all that goes along x."""
    h, output = m.nodes.h, m.skip * m.mean + m.s * m.y / m.keep
    lost = m.h2_slope2 / (m.nodes.variance * m.slope2)
    change = m.slopes_of_output() / m.slope2 - 1
    change -= m.nodes.mean(h * m.slope * output) ** 2 / (m.nodes.variance * m.after * m.slope2)
    if m.layer:
        change -= m.nodes.mean(m.slope * (m.skip * m.mean + m.s * m.y)) ** 2 / (m.after * m.slope2)
    return _Form(np.array([-(lost + m.random), change]), np.zeros(2))


def _norm_of_input(m: _Means) -> _Form:
    """The part of Wᵀu along x is taken out."""
    change = m.slopes_of_output() / m.slope2 - 1
    if m.random:
        return _Form(np.array([-1.0, change]), np.zeros(2))
    gained = m.mixed**2 * m.known * m.keep / (m.q * m.slope2 * m.after)
    return _Form(np.array([-m.isotropic, change - gained]), np.zeros(2))


def _norm_after_activation(m: _Means, branch: float) -> _Form:
    """The part of the gradient along y is taken out before it reaches the activation."""
    along_y = m.nodes.mean(m.nodes.h * m.slope * m.y)
    overlap = (m.skip * m.mean * m.y_mean + m.s * m.y_square * m.keep) ** 2 / m.after
    isotropic = m.isotropic - m.known * (along_y**2 + (m.h_slope**2 if m.layer else 0)) / (m.q * m.slope2)
    mixed = m.skip * m.mean * (0.0 if m.layer else m.h_slope - along_y * m.y_mean)
    crossed = 2 * m.skip * m.s * m.known / m.size**0.5
    lost = np.array([-1.0 - (m.nodes.mean((m.slope * m.y) ** 2) / m.slope2 - 1), -overlap])
    return _Form(
        lost + m.random * np.array([isotropic - 1, 0.0]),
        np.array([crossed * mixed / m.p, 0.0]),
        0.0,
        crossed * mixed + branch * m.p * isotropic,
    )
