"""Plain blocks of a convolutional network, of a convolution and an activation: what more is known of their scatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.mean_field.coherent_component import Alignment, CoherentStep, coherent_step
from gradlab.mean_field.convolution_forward import ForwardLine, ForwardStep, forward_line
from gradlab.mean_field.convolution_gradient import NetworkBlock
from gradlab.mean_field.convolution_steps import Activation, Convolution, Pooling, Step
from gradlab.mean_field.position_state import Gaussians, MapState

__all__ = ["StepBlock", "is_plain", "plain_coherent_step", "plain_line"]

Floats = NDArray[np.float64]

_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class StepBlock:
    """A block as its steps, bottom first."""

    branch: tuple[Step, ...]
    skip: tuple[Step, ...] | None = None
    """Steps of the skip, often none; None: no skip"""
    scale: float = 1.0
    """Factor on the branch"""
    after: tuple[Step, ...] = ()
    """Behind the add"""
    channels: int = 1
    """Of its input"""


def is_plain(blocks: Sequence[StepBlock]) -> bool:
    """Whether every block is a convolution and an activation."""
    return all(
        block.skip is None and not block.after
        and [type(step) for step in block.branch if not isinstance(step, Pooling)] == [Convolution, Activation]
        for block in blocks
    )  # fmt: skip


def _parts(block: StepBlock) -> tuple[Convolution, Activation]:
    convolution, activation = (step for step in block.branch if not isinstance(step, Pooling))
    assert isinstance(convolution, Convolution)
    assert isinstance(activation, Activation)
    return convolution, activation


def plain_line(blocks: Sequence[StepBlock], downs: Sequence[NetworkBlock], inner: Sequence[MapState],
               weights: Floats) -> ForwardLine | None:  # fmt: skip
    steps: list[ForwardStep] = []
    for block, down, argument in zip(blocks, downs, inner, strict=True):
        convolution, activation = _parts(block)
        slopes = down.branch[-1].slopes
        if slopes is None:
            return None
        mixes = convolution.window.kernel > 1
        steps.append(ForwardStep(activation.phi, float(argument.square.mean()), convolution.gain, slopes, mixes))
    return forward_line(steps, weights, _parts(blocks[-1])[1].channels)


def plain_coherent_step(
    block: StepBlock, argument: MapState, output: MapState, energy: Floats, gradient_pairs: Floats
) -> CoherentStep:
    """Return the step of a plain block; `gradient_pairs` `[P, P]` is E δ_A·δ_B of one sample above it."""
    convolution, activation = _parts(block)
    assert argument.pairs is not None
    assert output.pairs is not None
    units, covariance = Gaussians(activation.phi, argument.square), output.pairs[0]
    correlation = units.correlations(argument.pairs[:1])
    apart = ~np.eye(len(gradient_pairs), dtype=bool)
    c = shared = 1.0
    if len(gradient_pairs) > 1:
        c = float(np.average(correlation[0][apart], weights=np.abs(gradient_pairs[apart]) + _TINY))
        root = np.sqrt(np.outer(energy, energy))
        shared = float(np.average((gradient_pairs / root)[apart], weights=root[apart] ** 2))
    # (x·δ)² over all positions above and below the activation, for a gradient that knows nothing of the map and per
    # excess of one that does; a convolution changes neither
    above = float((gradient_pairs * covariance).sum())
    below = float((gradient_pairs * units.slopes(correlation)[0] * argument.pairs[0]).sum())
    squares, products = (float((gradient_pairs * values[0]).sum()) for values in units.pushes(correlation))
    # the part of the gradient that is along Σ_β G_αβ x(β)
    along = float(np.einsum("ij,jk,ki->", gradient_pairs, covariance, gradient_pairs)) / (above * float(energy.sum()))
    pairs = Alignment(c, shared, along, (squares / below - 1, products**2 / (above * below)))
    taps = convolution.window.kernel ** len(convolution.window.sizes)
    return coherent_step(activation.phi, float(argument.square.mean()), pairs, taps, orthogonal=convolution.orthogonal)
