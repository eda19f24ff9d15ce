"""The parameters of a module in the flat buffer of a bank: what each is for, and to which block it belongs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from gradlab.modules.chains.blocks import Chain
from gradlab.modules.graph.cuts import edge_of
from gradlab.nn.parameters import Layout, Parameter, Role, Start

__all__ = ["ModuleLayout", "Modules", "blocks_of", "parameters"]


@dataclass(frozen=True, slots=True)
class Modules:
    """The modules of the replicas before training, by seed; each is built when it is asked for."""

    build: Callable[[int], nn.Module]

    def states(self, seeds: Sequence[int], names: Sequence[str]) -> list[Tensor]:
        """Return the tensors of these names, each stacked over the seeds."""
        tensors = {seed: _tensors(self.build(seed)) for seed in dict.fromkeys(seeds)}
        return [torch.stack([tensors[seed][name] for seed in seeds]) for name in names]


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in (*module.named_parameters(), *module.named_buffers())}


class ModuleLayout(Layout):
    """A layout whose parameters begin as the modules draw them."""

    def __init__(self, parameters: Mapping[str, Parameter], modules: Modules) -> None:
        super().__init__([parameters])
        self._modules = modules

    def initial(self, starts: Sequence[Start]) -> Tensor:
        """Return the flat buffer `[R, P]` of initial parameters, float64 on the CPU."""
        return self.of_seeds([start.seed for start in starts])

    def of_seeds(self, seeds: Sequence[int]) -> Tensor:
        """Return the initial parameters of replicas with these seeds, as `initial` does."""
        tensors = self._modules.states(seeds, [slot.name for slot in self.slots])
        return torch.cat([tensor.flatten(1).double() for tensor in tensors], 1)


def blocks_of(module: nn.Module, chain: Chain) -> dict[str, int | Literal["leave"]]:
    """Return the block of each parameter that the loss depends on: that in which it is used first.

    `chain` is that of a forward pass of `module`, whose graph is there.
    """
    segment_of = chain.graph.segments([block.edge for block in chain.blocks])
    blocks: dict[str, int | Literal["leave"]] = {}
    for name, parameter in module.named_parameters():
        edge = edge_of(parameter)
        if edge is not None and edge.node in segment_of:
            place = segment_of[edge.node]
            blocks[name] = place if place < len(chain.blocks) else "leave"
    return blocks


def parameters(module: nn.Module, blocks: Mapping[str, int | Literal["leave"]]) -> dict[str, Parameter]:
    """Return what is trained of a module, in its order. A parameter without a block stands beside the profile."""
    kinds = {parameter: owner for owner in module.modules() for parameter in owner.parameters(recurse=False)}
    trained = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            role, shape = _role(kinds[parameter], parameter), tuple(parameter.shape)
            block = blocks.get(name, "leave")
            trained[name] = Parameter(
                shape, role, block, 0.0, prod(shape[1:]) if len(shape) > 1 else 0,
                shape[0] * prod(shape[2:]) if len(shape) > 1 else 0, profiled=role == "matrix" and block != "leave",
            )  # fmt: skip
    return trained


def _role(owner: nn.Module, parameter: nn.Parameter) -> Role:
    if isinstance(owner, nn.Embedding | nn.EmbeddingBag):
        return "table"
    if parameter.ndim > 1:
        return "matrix"
    if parameter.numel() == 1:
        return "scalar"
    return "norm" if next(iter(owner.parameters(recurse=False))).ndim < 2 else "bias"
