"""Images of noise with the classes of a random convolutional teacher: white, or smooth, and with no data file."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gradlab.streams import generator
from gradlab.tasks.base import ACCURACY, Data, classification

__all__ = ["load"]

_FILTERS = 32
_AT_ONCE = 256
"""Samples that the teacher judges in one pass: its filters' outputs take memory."""


def load(seeds: Sequence[int], channels: int, size: int, smooth: int, classes: int, samples: int) -> Data:
    """Return images `[S, M, C*H*W]` of standard normal pixels and, for each seed, the classes that its teacher gives.

    `smooth` is the distance in pixels over which an image changes: noise of ceil(size/smooth) by as many values is
    interpolated linearly, and each pixel divided by its deviation, which follows from the weights of the interpolation.
    At 1 the pixels are independent. A quarter as many test samples are drawn.

    The teacher has 32 filters of 3x3, half of whose weights' variance is common to a filter's positions, with periodic
    padding and ReLU, and a linear map of their means over the positions: shifting an image does not change its class.
    The class is the largest output, each standardised over the training part, so that classes are about equally common.
    Learned: half way from chance, 1/classes, to perfect.
    """
    datasets = [_draw(seed, channels, size, smooth, classes, samples) for seed in seeds]
    train_x, train_y, test_x, test_y = (torch.stack(part) for part in zip(*datasets, strict=True))
    learned = ACCURACY((1 + 1 / classes) / 2)
    return classification((train_x, test_x), (train_y, test_y), classes, learned, shape=(channels, size, size))


def _draw(seed: int, channels: int, size: int, smooth: int, classes: int, samples: int) -> tuple[Tensor, ...]:
    rng = generator(seed, "images")

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    filters = (normal(_FILTERS, channels, 3, 3) + normal(_FILTERS, channels, 1, 1)) / math.sqrt(2 * 9 * channels)
    readout = normal(classes, _FILTERS)
    up = _interpolation(size, smooth)
    noise = normal(samples + max(samples // 4, 2), channels, up.shape[1], up.shape[1])
    x = up @ noise @ up.T
    means = torch.cat([_responses(part, filters) for part in torch.split(x, _AT_ONCE)])
    outputs = means @ readout.T
    y = ((outputs - outputs[:samples].mean(0)) / outputs[:samples].std(0, correction=0)).argmax(1)
    flat = x.flatten(1).float()
    return flat[:samples], y[:samples], flat[samples:], y[samples:]


def _interpolation(size: int, smooth: int) -> Tensor:
    """Return the weights `[size, ceil(size/smooth)]` of linear interpolation, the squares of each row with sum 1."""
    coarse = torch.eye(-(-size // smooth), dtype=torch.float64).unsqueeze(0)
    weights = F.interpolate(coarse, size=size, mode="linear")[0].T
    return F.normalize(weights, dim=1)


def _responses(x: Tensor, filters: Tensor) -> Tensor:
    """Return the mean over the positions of each filter's output, `[M, F]`."""
    padded = torch.cat([x[..., -1:, :], x, x[..., :1, :]], 2)
    padded = torch.cat([padded[..., -1:], padded, padded[..., :1]], 3)
    return F.conv2d(padded, filters).relu().mean((2, 3))
