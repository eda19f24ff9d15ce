"""From a cell of a convolutional network to the blocks that theory knows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gradlab.cell import Cell
from gradlab.components import NORMS, Named
from gradlab.families import FAMILIES
from gradlab.families.conv.shape import begins_stage, channels, image, positions
from gradlab.mean_field.activations import numpy_activation
from gradlab.mean_field.convolution_blocks import StepBlock
from gradlab.mean_field.convolution_forms import BlockForm, plain_block, residual_block
from gradlab.mean_field.convolution_steps import Step
from gradlab.mean_field.inits import bias_variance, weight_variance
from gradlab.mean_field.prediction import NoPrediction

__all__ = ["CellBlocks", "blocks_of"]

_NORMS: dict[str, Literal["none", "layer", "rms", "batch"]] = {
    "none": "none", "layer": "layer", "rms": "rms", "batch": "batch", "group": "none", "instance": "none",
}  # fmt: skip
"""Group and instance norm have a theory of their own in `gradlab.mean_field.group_norm`."""


@dataclass(frozen=True, slots=True)
class CellBlocks:
    """What a cell is at its start."""

    blocks: tuple[StepBlock, ...]
    leave: tuple[Step, ...]
    channels: tuple[int, ...]
    """Of the output of each block"""
    sizes: tuple[tuple[int, ...], ...]
    """Positions of that output along each axis"""
    readout: float
    """Variance of an output's weight times the number of features that it reads"""


def blocks_of(cell: Cell, shape: tuple[int, ...], outputs: int) -> CellBlocks:
    """Return the blocks of a cell on images of this shape, channels first.

    Raises:
        NoPrediction: its weights are zero or not random, or it has a kind of block that theory does not know.
    """
    options = cell.model.resolve(FAMILIES)
    if options["separable"]:
        raise NoPrediction("mean-field theory has one matrix a tap: separable convolutions have none")
    if options["stages"] > 1 and options["pool"] == "max":
        raise NoPrediction("what a maximum over positions leaves of the activations is not derived")
    if cell.init.name == "delta_orthogonal" and options["kernel"] % 2 == 0:
        raise NoPrediction("the middle of an even kernel is not in the middle: theory takes odd ones")
    below, *size = image(shape, options["dims"])
    wide = channels(cell.depth, cell.width, options)
    sizes = positions(cell.depth, size, options)
    blocks: list[StepBlock] = []
    form = _form(cell, options, below, wide[0], tuple(size), stride=1, average=0)
    for block in range(cell.depth):
        starts = begins_stage(block, cell.depth, options["stages"])
        pooled = starts and options["pool"] != "none"
        stride = options["stride"] if starts and not pooled else 1
        form = _form(cell, options, below, wide[block], tuple(size), stride, 2 if pooled else 0)
        blocks.append(_block(cell, options, form, block))
        below, size = wide[block], list(sizes[block])
    alone = cell.residual.name in ("add", "fixup") and cell.depth > 1
    leave = form.normed_activation() if alone else ()
    features = wide[-1] * (math.prod(sizes[-1]) if options["head"] == "flatten" else 1)
    readout = weight_variance(_shared_init(cell), features, outputs) * features
    return CellBlocks(tuple(blocks), leave, tuple(wide), tuple(sizes), readout)


def _block(cell: Cell, options: Mapping[str, Any], form: BlockForm, block: int) -> StepBlock:
    if cell.residual.name == "none":
        return plain_block(form)
    if block == 0:  # the convolution alone
        return StepBlock((form.convolution(),), channels=form.channels_below)
    if cell.residual.name == "fixup":
        return residual_block(form, options["convs"], last_gain=0.0)
    zero = cell.branch_init.name == "zero"
    return residual_block(form, options["convs"], _scale(cell), last_gain=0.0 if zero else None)


def _form(cell: Cell, options: Mapping[str, Any], below: int, above: int, size: tuple[int, ...], stride: int,
          average: int) -> BlockForm:  # fmt: skip
    delta = cell.init.name == "delta_orthogonal"
    taps = 1 if delta else options["kernel"] ** options["dims"]
    fans = below * taps, above * taps
    gain = weight_variance(_shared_init(cell), above * taps, above * taps) * above * taps
    first = weight_variance(_shared_init(cell), *fans) * below * taps
    if gain == 0 or first == 0:
        raise NoPrediction("all weights are zero: there is no gradient to predict")
    biased = cell.residual.name != "fixup"
    all_taps = options["kernel"] ** options["dims"]
    return BlockForm(
        numpy_activation(cell.activation), gain, above, size, options["kernel"], options["padding"],
        bias=bias_variance(cell.init, cell.bias_std, above * all_taps) if biased else 0.0,
        delta_orthogonal=delta, norm=_NORMS[cell.norm.name], eps=float(cell.norm.resolve(NORMS).get("eps", 0.0)),
        norm_after=cell.norm_position.name == "post_activation", channels_below=below, stride=stride, average=average,
        gain_below=first, bias_below=bias_variance(cell.init, cell.bias_std, below * all_taps) if biased else 0.0,
        gain_skip=weight_variance(_shared_init(cell), below, above) * below,
    )  # fmt: skip


def _shared_init(cell: Cell) -> Named:
    """Return the init of a matrix: of a delta-orthogonal kernel, the orthogonal one at its middle."""
    return Named("orthogonal", cell.init.params) if cell.init.name == "delta_orthogonal" else cell.init


def _scale(cell: Cell) -> float:
    """Return the factor on a branch at the start."""
    if isinstance(cell.residual_scale, str):
        factors = {"1/sqrt(depth)": 1 / math.sqrt(cell.depth), "1/sqrt(2*depth)": 1 / math.sqrt(2 * cell.depth)}
        return factors.get(cell.residual_scale, 0.0)
    return float(cell.residual_scale)
