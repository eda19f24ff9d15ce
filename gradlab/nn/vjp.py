"""The vector-Jacobian product of a graph, without what torch.autograd.grad imports for a gradient that is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["vjp"]


class _Cotangents(torch.autograd.Function):
    """A scalar whose gradient with respect to some outputs is given: the first half of `arguments` are the outputs."""

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> Tensor:
        half = len(arguments) // 2
        ctx.save_for_backward(*arguments[half:])
        return arguments[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        cotangents = ctx.saved_tensors
        return (*cotangents, *(None for _ in cotangents))


def vjp(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Sequence[Tensor],
    *,
    retain_graph: bool | None = None,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """Return what ``torch.autograd.grad(outputs, inputs, cotangents, …)`` returns, to the bit.

    With `cotangents` that function imports sympy, which takes longer than a small bank to train; of a scalar without
    one it does not, so the outputs are joined to a scalar that hands the cotangents on.
    """
    with torch.enable_grad():
        scalar: Tensor = _Cotangents.apply(*outputs, *cotangents)  # type: ignore[no-untyped-call]
    return torch.autograd.grad(
        scalar, inputs, retain_graph=retain_graph, allow_unused=allow_unused, materialize_grads=materialize_grads
    )
