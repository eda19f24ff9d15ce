"""How alike the gradients of different samples are: shattered gradients (Balduzzi 2017, arXiv 1702.08591).

Where they lose their likeness on the way down, the gradient at the first block resembles white noise as a function of
the input: a step that serves one sample is as good as random for the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["SAMPLES", "kept_share", "neighbour_cosines"]

SAMPLES = 33
"""Samples of the batch that are compared, each with the next: 32 pairs cost a probe 3 to 4 % of its time, all 7 %."""


def neighbour_cosines(grad_RN: Tensor, scratch: Tensor) -> Tensor:
    """Return the cosine between the gradients of each of the first `SAMPLES` samples and the next one, `[R, P]`.

    `scratch` is memory of the shape of `grad_RN`, `[R, N, ...]`. A gradient that is zero has cosine 0.
    """
    flat, memory = (tensor[:, :SAMPLES].flatten(2) for tensor in (grad_RN, scratch))
    norm_RN = torch.linalg.vector_norm(flat, dim=2)
    products = torch.mul(flat[:, 1:], flat[:, :-1], out=memory[:, 1:]).sum(2)
    below = norm_RN[:, 1:] * norm_RN[:, :-1]
    cosines: Tensor = products / below.clamp(min=torch.finfo(below.dtype).tiny)
    return cosines


def kept_share(cosines: Sequence[Tensor]) -> Tensor:
    """Return for each link how much of the likeness at the last one is left, `[R, L]`, of `neighbour_cosines` of each.

    The slope, through zero, of the cosines at a link against those at the last link over the pairs of samples: 1 at
    the last, 0 where nothing is left of it. NaN where those at the last link are all zero.
    """
    cosines_RLP = torch.stack(list(cosines), 1)
    last_RP = cosines_RLP[:, -1:]
    share: Tensor = (cosines_RLP * last_RP).sum(2) / last_RP.square().sum(2)
    return share
