"""Initial parameters of recurrent networks: one stream for each block of each layer."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from gradlab.families.network import Architecture, Start
from gradlab.families.recurrent.cells import Cell
from gradlab.nn.activations import activation
from gradlab.nn.inits import initial_bias, initial_weight
from gradlab.nn.layout import Layout, Slot
from gradlab.streams import generator

__all__ = ["fill"]


def fill(row_P: Tensor, layout: Layout, cell: Cell, arch: Architecture, params: dict[str, Any], start: Start) -> None:
    """Write the initial parameters of one replica into its row of the flat buffer."""
    constants = {"slope": activation(arch.activation).start or 0.0, "scale": 0.0}
    for slot in layout.slots:
        part = row_P[slot.offset : slot.offset + slot.size].view(slot.shape)
        if slot.name in constants:
            part.fill_(constants[slot.name])
        elif slot.name.endswith("norm_weight"):
            part.fill_(1.0)
        elif slot.name.endswith("norm_bias"):
            part.zero_()
        elif slot.layer == arch.depth:
            _readout(part, slot, arch, start)
        elif slot.name.endswith("bias"):
            _bias(part, slot, cell, arch, params, start)
        elif slot.name == "weight":
            _recurrent(part, slot, cell, arch, start)
        else:
            _inputs(part, slot, cell, arch, params, start)


def _draws(start: Start, *purpose: str | int, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=generator(start.seed, *purpose), dtype=torch.float64)


def _blocks(part: Tensor, cell: Cell, width: int) -> list[tuple[str, Tensor]]:
    """Return the blocks of rows of a parameter with their names; one of a single block is the candidate's."""
    pieces = part.chunk(len(part) // width)
    return list(zip(cell.blocks if len(pieces) == len(cell.blocks) else ("candidate",), pieces, strict=True))


def _recurrent(part: Tensor, slot: Slot, cell: Cell, arch: Architecture, start: Start) -> None:
    for name, block in _blocks(part, cell, arch.width):
        z = _draws(start, "recurrent", slot.layer, name, shape=(arch.width, arch.width))
        block.copy_(initial_weight(start.init, z))


def _inputs(part: Tensor, slot: Slot, cell: Cell, arch: Architecture, params: dict[str, Any], start: Start) -> None:
    # of indices I entries of the joined one-hot vectors are 1, whatever the vocabulary
    first = slot.layer == 0 and slot.name == "input_weight"
    fan_in = arch.in_features if first else arch.width
    gain = params["input_gain"] if slot.name == "input_weight" else 1.0
    for name, block in _blocks(part, cell, arch.width):
        z = _draws(start, slot.name, slot.layer, name, shape=tuple(block.shape))
        block.copy_(gain / math.sqrt(fan_in) * z)


def _bias(part: Tensor, slot: Slot, cell: Cell, arch: Architecture, params: dict[str, Any], start: Start) -> None:
    blocks = dict(_blocks(part, cell, arch.width))
    for name, block in blocks.items():
        z = _draws(start, slot.name, slot.layer, name, shape=(arch.width,))
        block.copy_(initial_bias(start.init, start.bias_std, z, arch.width))
    if slot.name != "bias" or cell.memory is None:
        return
    memory = blocks[cell.blocks[cell.memory]]
    if longest := params["chrono"]:
        # ln U(1, T_max - 1), in units that forget over 1 to T_max - 1 steps (Tallec & Ollivier 2018, arXiv 1804.11188)
        z = _draws(start, "chrono", slot.layer, shape=(arch.width,))
        uniform = (1 + torch.erf(z / math.sqrt(2))) / 2
        memory.copy_(torch.log(1 + uniform * (longest - 2)))
        if "forget" in blocks:
            blocks["input"].copy_(-memory)
    else:
        memory.add_(params.get("forget_bias", 0.0))


def _readout(part: Tensor, slot: Slot, arch: Architecture, start: Start) -> None:
    z = _draws(start, "readout", slot.name, shape=slot.shape)
    part.copy_(z / math.sqrt(arch.width) if slot.name == "weight" else _readout_bias(z, arch, start))


def _readout_bias(z: Tensor, arch: Architecture, start: Start) -> Tensor:
    return initial_bias(start.init, start.bias_std, z, arch.width)
