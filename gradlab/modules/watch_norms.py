"""Norms of the tensors of a training loop, on their devices, with all digits that float32 has."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.modules.backward import accumulator

__all__ = ["norm", "norms"]


@torch.no_grad()
def norms(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the norm of each tensor on its device, summed up in float32 at least.

    A float32 sum of squares loses norms below 1e-19: what comes near is summed up in float64. A device that would have
    to be waited for to see that takes float64 at once, where it has it.
    """
    dense = [_dense(tensor.detach()) for tensor in tensors]
    if not dense:
        return []
    host = all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in dense)
    if not host:
        return [torch.linalg.vector_norm(tensor, dtype=accumulator(tensor)) for tensor in dense]
    made: list[Tensor] = list(torch._foreach_norm(dense))
    for place, value in enumerate(torch.stack(made).tolist()):
        if not _LEAST < value < _MOST:
            made[place] = torch.linalg.vector_norm(dense[place], dtype=torch.float64)
    return made


_LEAST, _MOST = 1e-12, 1e12
"""Norms that a float32 sum of squares has with all of its digits."""


def norm(tensor: Tensor) -> Tensor:
    """Return the norm of one tensor as `norms` does."""
    return norms([tensor])[0]


def _dense(tensor: Tensor) -> Tensor:
    if tensor.layout == torch.strided:
        return tensor
    return tensor.coalesce().values() if tensor.layout == torch.sparse_coo else tensor.to_dense()
