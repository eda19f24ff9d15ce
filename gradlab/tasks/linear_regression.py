"""y = 3x + 2 + noise: the textbook example of gradient descent."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.streams import generator
from gradlab.tasks.base import R2, Data, regression

__all__ = ["INTERCEPT", "SLOPE", "load"]

SLOPE, INTERCEPT = 3.0, 2.0


def load(seeds: Sequence[int], samples: int, noise: float) -> Data:
    """Return points with x uniform on [-1, 1] and targets 3x + 2 + noise; the test targets lie on the line itself."""
    datasets = [_draw(seed, samples, noise) for seed in seeds]
    train_x, train_y = (torch.stack(part) for part in zip(*datasets, strict=True))
    test_x = torch.linspace(-1, 1, 101, dtype=torch.float64).view(1, -1, 1)
    test_x = test_x.expand(len(datasets), -1, -1)
    return regression((train_x, test_x), (train_y, SLOPE * test_x + INTERCEPT), R2(0.99))


def _draw(seed: int, samples: int, noise: float) -> tuple[Tensor, Tensor]:
    rng = generator(seed, "linear_regression")
    x = 2 * torch.rand(samples, 1, generator=rng, dtype=torch.float64) - 1
    return x, SLOPE * x + INTERCEPT + noise * torch.randn(samples, 1, generator=rng, dtype=torch.float64)
