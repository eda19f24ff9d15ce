"""Convolutions and pooling of R replicas over positions, channels last: ``[R, N, *positions, C]``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Padding", "convolve", "output_size", "pool"]

Padding = Literal["zeros", "circular", "reflect", "replicate"]

FEW_PRODUCTS = 10**7
"""Up to so many multiplications for each replica one grouped call for all is faster on a CPU than a call for each: 1.2
to 1.5 times with 8 and 16 channels at 8 x 8 positions and 32 samples; above it the calls are level or up to 1.2 times
faster. It does not depend on how many replicas there are, so that a cell's last bits do not either."""

_CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d}
_POOLS: dict[tuple[str, int], Callable[..., Tensor]] = {
    ("average", 1): F.avg_pool1d, ("average", 2): F.avg_pool2d, ("max", 1): F.max_pool1d, ("max", 2): F.max_pool2d,
}  # fmt: skip


def output_size(size: int, stride: int) -> int:
    """Return the positions along one axis after a convolution that keeps them all but for its stride."""
    return -(-size // stride)


def convolve(
    x: Tensor, weight: Tensor, bias_RO: Tensor | None, *, padding: Padding = "zeros", stride: int = 1, groups: int = 1
) -> Tensor:
    """Return the convolution of every replica, `[R, N, *positions, O]`, with as many positions as `x`, over the stride.

    Args:
        x: `[R, N, *positions, I]`, one or two axes of positions.
        weight: `[R, O, I / groups, *kernel]`; a kernel of even size reaches further to the right.
        groups: 1, or the channels, for a depthwise convolution.
    """
    dims = weight.ndim - 3
    kernel = weight.shape[3:]
    uneven = padding != "zeros" or any(size % 2 == 0 for size in kernel)
    inside: tuple[int, ...] = (0,) * dims if uneven else tuple(size // 2 for size in kernel)
    if uneven:
        x = _padded(x, kernel, padding)
    products = x[0, ..., 0].numel() // stride**dims * weight[0].numel()
    small = products <= FEW_PRODUCTS and groups == 1
    if x.device.type != "cpu" or (small and x.dtype == torch.float32):
        return _grouped(x, weight, bias_RO, stride, inside, groups)
    # a view with the channels first, which a CPU's kernels take as it is
    first, last = (0, dims + 1, *range(1, dims + 1)), (0, *range(2, dims + 2), 1)
    biases = [None] * len(weight) if bias_RO is None else bias_RO.unbind(0)
    convolution = _CONVOLUTIONS[dims]
    outputs = [
        convolution(x_N.permute(first), weight_O, bias_O, stride, inside, 1, groups).permute(last)
        for x_N, weight_O, bias_O in zip(x.unbind(0), weight.unbind(0), biases, strict=True)
    ]
    return torch.stack(outputs)


def _grouped(
    x: Tensor, weight: Tensor, bias_RO: Tensor | None, stride: int, inside: tuple[int, ...], groups: int
) -> Tensor:
    """Return the same by one convolution whose groups are the replicas."""
    dims, (replicas, batch) = weight.ndim - 3, x.shape[:2]
    joined = x.permute(1, 0, dims + 2, *range(2, dims + 2)).flatten(1, 2)
    bias = None if bias_RO is None else bias_RO.flatten()
    y = _CONVOLUTIONS[dims](joined, weight.flatten(0, 1), bias, stride, inside, 1, replicas * groups)
    apart = y.view(batch, replicas, weight.shape[1], *y.shape[2:])
    return apart.permute(1, 0, *range(3, dims + 3), 2).contiguous()


def _padded(x: Tensor, kernel: Sequence[int], padding: Padding) -> Tensor:
    """Return `x` with the positions that the kernel reaches beyond its ends."""
    sides = [side for size in reversed(kernel) for side in ((size - 1) // 2, size // 2)]
    if not any(sides):
        return x
    if padding == "zeros":
        return F.pad(x, (0, 0, *sides))
    dims = len(kernel)
    joined = x.flatten(0, 1).permute(0, dims + 1, *range(1, dims + 1))
    padded = F.pad(joined, sides, mode=padding).permute(0, *range(2, dims + 2), 1)
    return padded.reshape(*x.shape[:2], *padded.shape[1:])


def pool(x: Tensor, kind: Literal["average", "max"]) -> Tensor:
    """Return the average or maximum over windows of 2 positions along each axis; an odd last position is dropped."""
    dims = x.ndim - 3
    joined = x.flatten(0, 1).permute(0, dims + 1, *range(1, dims + 1))
    pooled = _POOLS[kind, dims](joined, 2).permute(0, *range(2, dims + 2), 1)
    return pooled.reshape(*x.shape[:2], *pooled.shape[1:])
