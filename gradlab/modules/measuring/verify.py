"""The gradients of a profile once more by plain autograd: no hooks, no rescaling, `torch.autograd.grad` alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from gradlab.errors import UsageError
from gradlab.modules.chains.blocks import Block
from gradlab.modules.chains.choice import Blocks
from gradlab.modules.copies.isolation import isolated, unwrapped
from gradlab.modules.graph.cuts import Edge
from gradlab.modules.measuring.forward import Request, chain_of, forward_pass
from gradlab.modules.measuring.inputs import Batch, Loss, limited
from gradlab.modules.measuring.probe import names_of
from gradlab.modules.profile import ModuleProfile

__all__ = ["largest_difference"]

_IN_RANGE = 650.0
"""ln g up to which, and down to minus which, plain float64 is to be believed."""


def largest_difference(
    profile: ModuleProfile, model: nn.Module, batch: Batch, loss: Loss = None, *, blocks: Blocks = "auto",
    source: str | None = None, seed: int = 0, train: bool | None = None, samples: int | None = None,
) -> float:  # fmt: skip
    """Return the largest difference of ln g between a profile and plain autograd; infinite where one has a zero alone.

    Blocks whose gradient is beyond the range of the number format are left out: only the profile has them. NaN where
    that leaves none.

    Args:
        profile: what `measure` gave for the same arguments.
        model, batch, loss, blocks, source, seed, train, samples: see `measure`.

    Raises:
        UsageError: for a model with other blocks than the profile.
        Exception: whatever the model or the loss raises.
    """
    model = unwrapped(model)
    dtype = torch.float64 if profile.dtype == "float64" else None
    request = Request(
        batch if samples is None else limited(batch, samples), loss, names_of(model, blocks), source, seed
    )
    with isolated(model, dtype=dtype, train=train, seed=seed) as copy:
        forward = forward_pass(copy.model, request, dtype)
        _, measured, _ = chain_of(copy.model, request, dtype, forward)
        if [block.name for block, _ in measured] != [block.name for block in profile.blocks]:
            raise UsageError("the model has other blocks than when it was measured", "measure it anew: gl.probe(…)")
        plain = _plain(forward.loss, measured)
    limit = _IN_RANGE if dtype == torch.float64 or profile.dtype == "float64" else 80.0
    differences = [
        _difference(block.log_grad_norm, log_norm) for block, log_norm in zip(profile.blocks, plain, strict=True)
        if block.connected and not limit < abs(block.log_grad_norm) < math.inf
    ]  # fmt: skip
    return max(differences, default=math.nan)


def _plain(loss: Tensor, blocks: Sequence[tuple[Block, Edge | None]]) -> list[float]:
    """Return ln g of each block; -inf for zero, and where the loss does not depend on it."""
    edges = list(dict.fromkeys(edge for _, edge in blocks if edge is not None))
    if not edges:
        return [-math.inf] * len(blocks)
    gradients = torch.autograd.grad(loss, [GradientEdge(edge.node, edge.output) for edge in edges], allow_unused=True)
    logs = {edge: _log_norm(gradient) for edge, gradient in zip(edges, gradients, strict=True)}
    return [logs.get(edge, -math.inf) if edge is not None else -math.inf for _, edge in blocks]


def _log_norm(gradient: Tensor | None) -> float:
    if gradient is None or not gradient.numel():
        return -math.inf
    largest = float(gradient.abs().max())
    if not largest or not math.isfinite(largest):
        return -math.inf if not largest else math.nan
    exponent = min(1000, max(-1000, math.frexp(largest)[1]))
    scaled = (gradient.double() if not gradient.is_complex() else gradient) * 2.0**-exponent
    return math.log(float(torch.linalg.vector_norm(scaled))) + exponent * math.log(2)


def _difference(measured: float, plain: float) -> float:
    if measured == plain or (math.isnan(measured) and math.isnan(plain)):
        return 0.0
    difference = abs(measured - plain)
    return math.inf if math.isnan(difference) else difference
