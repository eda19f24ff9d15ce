"""The chain of a module, found in one forward pass: how many blocks, and which parameters each of them has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gradlab.families.network import Architecture
from gradlab.module_banks.building import arranged, example, refuse
from gradlab.module_banks.layout import blocks_of
from gradlab.modules.copies.isolation import isolated
from gradlab.modules.measuring.forward import Request, chain_of, forward_pass
from gradlab.plugins.modules import ModuleFactory

__all__ = ["Trace", "request_of", "traced"]


@dataclass(frozen=True, slots=True)
class Trace:
    """What the graph of a module says about it."""

    blocks: tuple[str, ...]
    """Names of the blocks of its profile."""
    block_of: dict[str, int | Literal["leave"]]
    """By the name of a parameter that the loss depends on; ``leave``: it lies above the last block."""


def request_of(
    arch: Architecture, declared: ModuleFactory, x: Tensor, loss: Callable[[Tensor], Tensor], seed: int
) -> Request:
    """Return what is measured of a module on samples `x`, `loss` being a function of its outputs."""

    def of_output(output: Any, _: Any) -> Tensor:
        return loss(_checked(arch, declared, output, len(x)))

    return Request(arranged(arch, declared, x), of_output, declared.blocks, None, seed)


def traced(module: nn.Module, arch: Architecture, declared: ModuleFactory, seed: int) -> Trace:
    """Return the chain of a module, which is not changed.

    Raises PluginError for outputs of another kind or shape than the task needs, and where they do not depend on the
    inputs; what the module raises.
    """
    request = request_of(arch, declared, example(arch, seed, torch.float64), lambda output: output.square().sum(), seed)
    with isolated(module, dtype=torch.float64, train=True, seed=seed) as copy:
        forward = forward_pass(copy.model, request, torch.float64)
        if forward.graph is None or not forward.graph.connected:
            hint = "nothing inside may detach, or compute without gradients"
            refuse(declared, "no gradient leads from its outputs to its inputs", hint)
        chain, _, _ = chain_of(copy.model, request, torch.float64, forward)
        return Trace(tuple(block.name for block in chain.blocks), blocks_of(copy.model, chain))


def _checked(arch: Architecture, declared: ModuleFactory, output: Any, samples: int) -> Tensor:
    steps = (arch.seq_len,) if arch.per_step and arch.seq_len is not None else ()
    expected = (samples, *steps, arch.out_features)
    if not isinstance(output, Tensor):
        refuse(declared, f"it returned a {type(output).__name__}", f"return the outputs, a tensor {list(expected)}")
    if tuple(output.shape) != expected:
        problem = f"for {samples} samples it returned {list(output.shape)}, not {list(expected)}"
        refuse(declared, problem, "the last axis has out_features numbers")
    return output
