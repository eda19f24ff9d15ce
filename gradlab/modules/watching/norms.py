"""Norms of the tensors of a training loop, with all digits that float32 has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.modules.measuring.token_numbers import accumulator

__all__ = ["Number", "norm", "norms"]

Number = Tensor | float
"""A number on its device, or on the host where it costs nothing to have it there."""


@torch.no_grad()
def norms(tensors: Sequence[Tensor]) -> list[Number]:
    """Return the norm of each tensor, summed up in float32 at least: of tensors on the host as a float, else on its
    device.

    A float32 sum of squares loses norms below 1e-19: what comes near is summed up in float64. A device that would have
    to be waited for to see that takes float64 at once, where it has it.
    """
    if not tensors:
        return []
    if not all(map(_on_host, tensors)):
        dense = [_dense(tensor) for tensor in tensors]
        return [torch.linalg.vector_norm(tensor, dtype=accumulator(tensor)) for tensor in dense]
    norms: list[Number] = torch.stack(torch._foreach_norm([*tensors])).tolist()
    for place, value in enumerate(norms):
        if not _LEAST < value < _MOST:
            norms[place] = float(torch.linalg.vector_norm(tensors[place], dtype=torch.float64))
    return norms


_LEAST, _MOST = 1e-12, 1e12
"""Norms that a float32 sum of squares has with all of its digits."""


@torch.no_grad()
def norm(tensor: Tensor) -> Number:
    """Return the norm of one tensor as `norms` does."""
    if _on_host(tensor) and _LEAST < (value := float(torch.linalg.vector_norm(tensor))) < _MOST:
        return value
    return norms([tensor])[0]


def _on_host(tensor: Tensor) -> bool:
    return tensor.dtype is torch.float32 and tensor.is_cpu and tensor.layout is torch.strided


def _dense(tensor: Tensor) -> Tensor:
    if tensor.layout == torch.strided:
        return tensor
    return tensor.coalesce().values() if tensor.layout == torch.sparse_coo else tensor.to_dense()
