"""The linear map of R replicas in one call."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["linear"]


class _Linear(torch.autograd.Function):
    """Autograd's own backward of `baddbmm` gives dW transposed, and the copy into the flat buffer then strides
    through memory; forming dy^T x directly makes the whole step of a width-512 bank a fifth to a quarter faster."""

    @staticmethod
    def forward(ctx: Any, x_RNI: Tensor, weight_ROI: Tensor, bias_RO: Tensor) -> Tensor:
        ctx.save_for_backward(x_RNI, weight_ROI)
        return torch.baddbmm(bias_RO.unsqueeze(1), x_RNI, weight_ROI.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (dy_RNO,) = grads
        x_RNI, weight_ROI = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            torch.bmm(dy_RNO, weight_ROI) if of_x else None,
            torch.bmm(dy_RNO.transpose(1, 2), x_RNI) if of_weight else None,
            dy_RNO.sum(1) if of_bias else None,
        )


def linear(x_RNI: Tensor, weight_ROI: Tensor, bias_RO: Tensor) -> Tensor:
    """Return ``x W^T + b`` for every replica, `[R, N, O]`."""
    return _Linear.apply(x_RNI, weight_ROI, bias_RO)  # type: ignore[no-any-return, no-untyped-call]
