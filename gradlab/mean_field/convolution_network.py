"""Profile and scatter of a convolutional network that is given as the steps of its blocks.

    block = plain_block(BlockForm(relu, 2.0, channels=64, sizes=(8, 8), padding="circular"))
    network = ConvolutionNetwork((block,) * 20, Batch(samples=8), head="flatten")
    convolution_profile(network, forward_pass(network)).log_grad_norm

docs/derivations.md, section 13, derives what is computed here and says what is assumed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.arithmetic import LARGEST, SMALLEST
from gradlab.mean_field.coherent_component import CoherentStep, coherent_shift
from gradlab.mean_field.convolution_blocks import StepBlock, is_plain, plain_coherent_step, plain_line
from gradlab.mean_field.convolution_forward import ForwardLine
from gradlab.mean_field.convolution_gradient import Gradient, NetworkBlock, Statistics, below
from gradlab.mean_field.convolution_steps import Activation, Convolution, Down, Pooling, Step, start
from gradlab.mean_field.echoes import Echoes
from gradlab.mean_field.position_state import MapState
from gradlab.mean_field.positions import REPEATING
from gradlab.mean_field.prediction import NoPrediction

__all__ = [
    "Batch",
    "ConvolutionNetwork",
    "ConvolutionProfile",
    "ForwardPass",
    "StepBlock",
    "convolution_profile",
    "forward_pass",
]

Floats = NDArray[np.float64]

_MOST_POSITIONS = 256
"""Of a map whose covariances are followed; a larger one has a mean and no scatter."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The samples, and what the gradient at the top is: by default an independent normal one for each."""

    samples: int = 1
    shares: tuple[float, ...] = ()
    """Of all pairs of samples, by kind, the first a sample with itself; empty: 1/N and the rest"""
    rho2: tuple[float, ...] = ()
    """Squared correlations of the gradients of a kind's samples at the top; empty: 1 and 0"""

    def weights(self) -> Floats:
        """Return the shares, `[kinds]`."""
        return np.array(self.shares or (1 / self.samples, 1 - 1 / self.samples))

    def correlations2(self) -> Floats:
        """Return ρ², `[kinds]`."""
        return np.array(self.rho2 or (1.0, 0.0))


@dataclass(frozen=True, slots=True)
class ConvolutionNetwork:
    """A network at its start."""

    blocks: tuple[StepBlock, ...]
    batch: Batch = Batch()
    head: Literal["mean", "flatten"] = "flatten"
    """``mean``: the gradient at the top is the same at all positions; ``flatten``: it is independent between them."""
    leave: tuple[Step, ...] = ()
    """Between the last block and the head"""


@dataclass(frozen=True, slots=True)
class ConvolutionProfile:
    """Logarithms are natural; [L] has block 1 first, as in `Prediction`."""

    log_grad_norm: Floats
    """ln g_l - ln g_L at infinite width"""
    shift: Floats | None
    """Of the mean over seeds, against the infinite width, but for `coherent`; None: not known"""
    variance: Floats | None
    """Over seeds, but for `coherent`"""
    chi: Floats
    """E g²_{l-1}/E g²_l; block 1's leads down to the data"""
    q: Floats
    """Mean square of the last convolution's output in each block"""
    coherent: tuple[CoherentStep, ...]
    """What a gradient along the map does in each block but the first, where `shift` is known"""
    line: ForwardLine | None
    """What the noise of the map's size adds, contained in `shift` and `variance`"""

    def over_seeds(self, channels: int, r: Floats, size: Floats | None = None) -> tuple[Floats, Floats | None]:
        """Return the mean of ln g_l - ln g_L over seeds and its standard deviation; None where it is not known.

        `r` are values of C (x̄·δ̄)²/(|x̄|²|δ̄|²) at the top of some networks; of a gradient that does not know the network
        their mean is 1. `size`: what these networks' ln of the outputs' variance deviates by, in standard deviations.
        """
        if self.shift is None or self.variance is None or self.line is None:
            return self.log_grad_norm, None
        along = coherent_shift(self.coherent, channels, r)
        variance = self.variance + along.var(axis=1)
        if size is not None and self.line.growth_variance > 0:  # large outputs, and a loss that knows more of them
            variance = variance + (along @ size / len(size)) * self.line.growth / math.sqrt(self.line.growth_variance)
        sd: Floats = np.sqrt(np.maximum(variance, 0.0))
        return self.log_grad_norm + self.shift + along.mean(axis=1), sd


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """The maps of a network on its data."""

    downs: tuple[NetworkBlock, ...]
    """What each block does to a gradient"""
    leave: tuple[Down, ...]
    inner: tuple[MapState, ...]
    """Output of the last convolution of each block"""
    outputs: tuple[MapState, ...]
    line: ForwardLine | None
    """What the noise of the map's size does, of plain networks without norms"""


def forward_pass(network: ConvolutionNetwork, square: float = 1.0) -> ForwardPass:
    """Return the maps of a network for white data of this mean square.

    Raises:
        NoPrediction: a step is not known for what stands before it.
    """
    weights = network.batch.weights()
    count = _positions(network.blocks[0])
    followed = count <= _MOST_POSITIONS
    state = start(count, square, (0.0,) * len(weights) if followed else None)
    downs: list[NetworkBlock] = []
    inner: list[MapState] = []
    outputs: list[MapState] = []
    for block in network.blocks:
        state, down, middle = _forward(block, state)
        downs.append(down)
        inner.append(middle)
        outputs.append(state)
        state = _representable(state, block)
    leave: list[Down] = []
    for step in network.leave:
        state, behind = step.forward(state)
        leave.append(behind)
    plain = is_plain(network.blocks) and not leave and followed
    line = plain_line(network.blocks, downs, inner, weights) if plain else None
    return ForwardPass(tuple(downs), tuple(leave), tuple(inner), tuple(outputs), line)


def convolution_profile(network: ConvolutionNetwork, forward: ForwardPass) -> ConvolutionProfile:
    """Return the profile of a network whose forward pass is given.

    Raises:
        NoPrediction: the gradient is zero, or not known behind this padding.
    """
    weights, line = network.batch.weights(), forward.line
    gradient = _top(network, forward, network.blocks[-1].channels)
    if network.head == "mean" and gradient.statistics is None and _repeats(network):
        raise NoPrediction(
            "with padding that repeats positions, a gradient alike at all of them has a prediction only in plain "
            f"networks without norms, of at most {_MOST_POSITIONS} positions"
        )
    depth = len(network.blocks)
    logs, shift, variance, chi = (np.zeros(depth) for _ in range(4))
    steps: list[CoherentStep] = []
    for at in range(depth - 1, -1, -1):
        if gradient.statistics is not None and at:
            pairs = gradient.statistics.pairs[0]
            steps.insert(0, plain_coherent_step(network.blocks[at], forward.inner[at], forward.outputs[at],
                                                gradient.energy, pairs))  # fmt: skip
        gradient = below(forward.downs[at], gradient)
        total = float(gradient.energy.sum())
        if not (math.isfinite(total) and total > 0):
            raise NoPrediction("no slope is left: the gradient is exactly zero or not finite")
        chi[at] = total
        gradient = gradient.scaled(1 / total)
        if at:
            logs[at - 1] = logs[at] + math.log(total)
            shift[at - 1], variance[at - 1] = gradient.log_shift_and_variance(weights)
    q = np.array([state.square.mean() for state in forward.inner])
    if line is None:
        return ConvolutionProfile(logs / 2, None, None, chi, q, (), None)
    return ConvolutionProfile(
        logs / 2, (shift + line.shift) / 2, (variance + line.variance) / 4, chi, q, tuple(steps), line
    )


def _positions(block: StepBlock) -> int:
    """Return the positions of the map that a block reads."""
    for step in block.branch:
        if isinstance(step, Convolution | Pooling):
            return math.prod(step.window.sizes)
    raise NoPrediction("the number of positions is not known: the first block has no convolution")


def _repeats(network: ConvolutionNetwork) -> bool:
    return any(
        isinstance(step, Convolution) and step.window.padding in REPEATING and step.window.kernel > 1
        for block in network.blocks
        for step in block.branch
    )


def _forward(block: StepBlock, state: MapState) -> tuple[MapState, NetworkBlock, MapState]:
    """Return the map behind a block, what the block does to a gradient, and the output of its last convolution."""
    before, middle = state, state
    branch: list[Down] = []
    for step in block.branch:
        state, down = step.forward(state)
        branch.append(down)
        if isinstance(step, Convolution):
            middle = state
    skip: list[Down] | None = None
    if block.skip is not None:
        passed = before
        skip = []
        for step in block.skip:
            passed, down = step.forward(passed)
            skip.append(down)
        state = _sum(passed, state, block.scale)
    after: list[Down] = []
    for step in block.after:
        state, down = step.forward(state)
        after.append(down)
    return state, NetworkBlock(
        tuple(branch), None if skip is None else tuple(skip), block.scale, tuple(after)
    ), middle  # fmt: skip


def _representable(state: MapState, block: StepBlock) -> MapState:
    """Keep numbers in range where χ does not depend on the variance any more: a small one, or that of relu."""
    size = float(state.square.mean())
    bounded = min(max(size, SMALLEST), LARGEST)
    if size == bounded or not size > 0:
        return state
    if bounded == LARGEST and not all(
        is_homogeneous(step.phi) for step in block.branch if isinstance(step, Activation)
    ):
        raise NoPrediction(f"the variance along the depth grows beyond {LARGEST:.0e}")
    factor = bounded / size
    pairs = None if state.pairs is None else factor * state.pairs
    return replace(state, square=factor * state.square, mean=math.sqrt(factor) * state.mean,
                   common=factor * state.common, pairs=pairs)  # fmt: skip


def is_homogeneous(phi: NumpyActivation) -> bool:
    x = np.array([-2.0, -1.0, 1.0, 2.0])
    return np.allclose(phi.value(x), phi.slope(x) * x, rtol=1e-12, atol=1e-300)


def _sum(skip: MapState, branch: MapState, scale: float) -> MapState:
    """Return the map of an add whose branch ends in a convolution, and so is independent of the skip."""
    pairs = None
    if skip.pairs is not None and branch.pairs is not None:
        pairs = skip.pairs + scale**2 * branch.pairs
    return MapState(
        skip.square + 2 * scale * skip.mean * branch.mean + scale**2 * branch.square,
        skip.mean + scale * branch.mean,
        skip.common + scale**2 * branch.common,
        skip.is_normal and branch.is_normal,
        False,
        pairs,
    )


def _top(network: ConvolutionNetwork, forward: ForwardPass, channels: int) -> Gradient:
    count = len(forward.outputs[-1].square)
    energy = np.full(count, 1 / count)
    if forward.line is None:
        gradient = Gradient(energy)
        for step in reversed(forward.leave):
            gradient = gradient.through(step)
        return gradient.scaled(1 / float(gradient.energy.sum()))
    rho2 = network.batch.correlations2()
    kinds = len(rho2)
    alike = np.ones((count, count)) if network.head == "mean" else np.eye(count)
    pairs = np.sqrt(rho2)[:, None, None] * alike / count
    remainder = (1 - rho2) / channels
    remainder[0] = 0.0 if network.head == "mean" else 1 / channels
    nothing = np.zeros(kinds)
    echoes = Echoes.none(kinds, count)
    echoes = echoes.added(nothing, remainder) if network.head == "mean" else echoes.added(remainder, nothing)
    return Gradient(energy, Statistics(pairs, np.zeros((kinds, count, count)), echoes))
