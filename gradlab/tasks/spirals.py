"""Two interleaved spirals in the plane: easy to see, hard for a shallow network (Lang & Witbrock 1988)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.streams import generator
from gradlab.tasks.base import ACCURACY, Data, classification

__all__ = ["load"]


def load(seeds: Sequence[int], samples: int, turns: float, noise: float) -> Data:
    """Return points of two spirals of `turns` turns with radius up to 1, noise of the given deviation, scaled to
    mean square 1; a quarter as many test points."""
    datasets = [_draw(seed, samples, turns, noise) for seed in seeds]
    train_x, train_y, test_x, test_y = (torch.stack(part) for part in zip(*datasets, strict=True))
    return classification((train_x, test_x), (train_y, test_y), 2, ACCURACY(0.9))


def _draw(seed: int, samples: int, turns: float, noise: float) -> tuple[Tensor, ...]:
    rng = generator(seed, "spirals")
    total = samples + max(samples // 4, 2)
    label = torch.arange(total) % 2
    along = torch.rand(total, generator=rng, dtype=torch.float64).sqrt()  # even density along the arm
    angle = 2 * math.pi * turns * along + math.pi * label
    x = torch.stack([along * angle.cos(), along * angle.sin()], 1)
    x = x + noise * torch.randn(total, 2, generator=rng, dtype=torch.float64)
    x = x / x[:samples].square().mean().sqrt()
    return x[:samples], label[:samples], x[samples:], label[samples:]
