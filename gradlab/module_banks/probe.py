"""The profile of one replica of a module: forward once, back once along the cuts of its graph, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gradlab.errors import UsageError
from gradlab.families.network import Architecture
from gradlab.module_banks.graph import Trace, request_of
from gradlab.module_banks.stacked import Tensors
from gradlab.modules.copies.isolation import isolated
from gradlab.modules.measuring.block_numbers import joint, numbers_of
from gradlab.modules.measuring.forward import chain_of, forward_pass
from gradlab.nn.parameters import Layout
from gradlab.plugins.modules import ModuleFactory

__all__ = ["replica_numbers"]


def replica_numbers(
    module: nn.Module, tensors: Tensors, arch: Architecture, declared: ModuleFactory, trace: Trace, layout: Layout,
    x: Tensor, loss: Callable[[Tensor], Tensor], seed: int, smallest: float,
) -> dict[str, Any]:  # fmt: skip
    """Return the loss, and by the name of a `Profile`'s field without its axes the numbers of each block.

    Args:
        module: a float64 copy that is written over with `tensors`, the parameters and buffers of the replica.
        trace: the chain that it must have.
        layout: of the parameters that are trained.
        x, loss: samples of this replica, and the loss of its outputs.
        seed: where dropout begins: the same at every probe.
        smallest: the smallest magnitude of a gradient element that training keeps; 0: all are kept.

    Raises UsageError where the chain is another one than before training.
    """
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            tensor.copy_(tensors[name])
    request = request_of(arch, declared, x, loss, seed)
    with isolated(module, dtype=torch.float64, train=True, seed=seed) as copy:
        forward = forward_pass(copy.model, request, torch.float64)
        chain, blocks, graph = chain_of(copy.model, request, torch.float64, forward)
        if len(chain.blocks) != len(trace.blocks):
            was, now = len(trace.blocks), len(chain.blocks)
            problem = f"its graph has {now} blocks at one probe and {was} at another"
            raise UsageError(f"model {arch.model.name}: {problem}", "name its blocks: gl.module(…, blocks=…)")
        leaves = [leaf for leaf in forward.run.leaves.values() if leaf.requires_grad]
        block_numbers, _, grads = numbers_of(copy, forward.capture, graph, blocks, forward.loss, leaves, smallest)
    of_block: dict[int, list[float]] = {}
    for slot in layout.slots:
        if slot.parameter.profiled and isinstance(slot.parameter.block, int):
            of_block.setdefault(slot.parameter.block, []).append(grads.get(slot.name, math.nan))
    chain_grads = [grads.get(slot.name, math.nan) for slot in layout.slots if slot.name in trace.block_of]
    return {
        "loss": float(forward.loss.detach()),
        "log_grad_norm_total": joint(chain_grads) if chain_grads else -math.inf,
        "log_grad_norm": [block.log_grad_norm for block in block_numbers],
        "log_weight_grad_norm": [joint(of_block[i]) if i in of_block else math.nan for i in range(len(block_numbers))],
        "act_mean": [block.act_mean for block in block_numbers],
        "act_std": [math.sqrt(max(0.0, block.act_rms**2 - block.act_mean**2)) for block in block_numbers],
        "saturated": [block.saturated for block in block_numbers],
        "dead": [block.dead for block in block_numbers],
        "zero_grad": [block.zero_grad for block in block_numbers],
        "underflow": [block.underflow if smallest else math.nan for block in block_numbers],
        "token_cosine": [block.token_cosine for block in block_numbers],
        "attn_entropy": [block.attention_entropy for block in block_numbers],
        "common": [block.common for block in block_numbers],
    }
