"""Forms of block of a convolutional network, as steps: plain, residual with the norm first, and changes of shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from gradlab.mean_field.activations import NumpyActivation
from gradlab.mean_field.convolution_blocks import StepBlock
from gradlab.mean_field.convolution_steps import Activation, Convolution, Norm, Pooling, Step
from gradlab.mean_field.positions import Padding, Window

__all__ = ["BlockForm", "plain_block", "residual_block"]


@dataclass(frozen=True, slots=True)
class BlockForm:
    """What the blocks of a stage have in common."""

    phi: NumpyActivation
    gain: float
    """σ_w²: variance of a weight times kernel^d·C_in"""
    channels: int
    """Of the stage"""
    sizes: tuple[int, ...]
    """Positions of the map that a block reads, along each axis"""
    kernel: int = 3
    padding: Padding = "zeros"
    bias: float = 0.0
    """Variance of the biases"""
    delta_orthogonal: bool = False
    """Whether a kernel is one orthogonal matrix at its middle (Xiao et al. 2018): a window of one position"""
    norm: Literal["none", "layer", "rms", "batch"] = "none"
    eps: float = 0.0
    norm_after: bool = False
    """Whether a plain block has the norm behind the activation"""
    channels_below: int = 0
    """Of the map that the block reads, where they are others; 0: the same"""
    stride: int = 1
    """Of the block's first convolution"""
    average: int = 0
    """Positions along each axis that are averaged before it; 0: none"""
    gain_below: float | None = None
    """σ_w² of that convolution, where it is another"""
    bias_below: float | None = None
    gain_skip: float | None = None
    """σ_w² of the convolution of a skip that changes the shape, where it is another than that of the first"""

    def convolution(self, first: bool = True) -> Convolution:
        """Return the first convolution of a block, or one of the others."""
        window = self.window(first)
        if first:
            return Convolution(
                window,
                self.gain if self.gain_below is None else self.gain_below,
                self.bias if self.bias_below is None else self.bias_below,
                self.channels_below or self.channels,
                self.delta_orthogonal,
            )
        return Convolution(window, self.gain, self.bias, self.channels, self.delta_orthogonal)

    def window(self, first: bool) -> Window:
        """Return what a convolution reads: the first reads what the pooling leaves."""
        kernel = 1 if self.delta_orthogonal else self.kernel
        sizes = self.pooling().window.above if self.average else self.sizes
        window = Window(sizes, kernel, self.stride, self.padding)
        return window if first else Window(window.above, kernel, 1, self.padding)

    def pooling(self) -> Pooling:
        """Return the pooling before the first convolution."""
        return Pooling(Window(self.sizes, self.average, self.average, "none"), self.channels_below or self.channels)

    def normed_activation(self, first: bool = False) -> tuple[Step, ...]:
        """Return φ(N(·)), before a block's first convolution of a residual branch or behind one."""
        channels = (self.channels_below or self.channels) if first else self.channels
        activation = Activation(self.phi, channels, self.delta_orthogonal)
        return (activation,) if self.norm == "none" else (Norm(self.norm, self.eps, channels), activation)


def plain_block(form: BlockForm) -> StepBlock:
    """Return φ(N(conv(x) + b)), or N(φ(conv(x) + b))."""
    pooled = (form.pooling(),) if form.average else ()
    steps = form.normed_activation()
    branch = (*pooled, form.convolution(), *(reversed(steps) if form.norm_after else steps))
    return StepBlock(branch, channels=form.channels_below or form.channels)


def residual_block(form: BlockForm, convolutions: int = 2, scale: float = 1.0,
                   last_gain: float | None = None) -> StepBlock:  # fmt: skip
    """Return x + s·branch with the branch φ(N(·)), conv, … (He et al. 2016, arXiv 1603.05027).

    `last_gain`: σ_w² of the branch's last convolution where it is another: 0 in Fixup (Zhang et al. 2019, arXiv
    1901.09321). A block that changes the shape has a convolution of one position with its stride on the skip.
    """
    branch: list[Step] = []
    if form.average:
        branch.append(form.pooling())
    for at in range(convolutions):
        convolution = form.convolution(first=at == 0)
        if at == convolutions - 1 and last_gain is not None:
            convolution = replace(convolution, gain=last_gain)
        branch += [*form.normed_activation(first=at == 0), convolution]
    below = form.channels_below or form.channels
    skip: list[Step] = [form.pooling()] if form.average else []
    if form.stride > 1 or below != form.channels:
        window = replace(form.window(first=True), kernel=1)
        gain = form.convolution().gain if form.gain_skip is None else form.gain_skip
        skip.append(Convolution(window, gain, 0.0, below))
    return StepBlock(tuple(branch), tuple(skip), scale, channels=below)
