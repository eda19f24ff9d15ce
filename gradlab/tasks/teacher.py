"""Regression on a random teacher network: targets that a network can express, with no data file."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from gradlab.streams import generator
from gradlab.tasks.base import R2, Data, regression

__all__ = ["load"]


def load(seeds: Sequence[int], inputs: int, hidden: int, samples: int, noise: float) -> Data:
    """Return standard normal inputs and, for each seed, the outputs of its own two-layer tanh teacher.

    Targets are standardised on the training part; `noise` is the deviation added to them there. A quarter as
    many test samples are drawn, without noise.
    """
    datasets = [_draw(seed, inputs, hidden, samples, noise) for seed in seeds]
    train_x, train_y, test_x, test_y = (torch.stack(part) for part in zip(*datasets, strict=True))
    return regression((train_x, test_x), (train_y, test_y), R2(0.5))


def _draw(seed: int, inputs: int, hidden: int, samples: int, noise: float) -> tuple[Tensor, ...]:
    rng = generator(seed, "teacher")

    def normal(rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=rng, dtype=torch.float64)

    first = normal(hidden, inputs) / math.sqrt(inputs)
    second = normal(1, hidden) / math.sqrt(hidden)
    x = normal(samples + max(samples // 4, 2), inputs)
    y = torch.tanh(2 * x @ first.T) @ second.T
    y = (y - y[:samples].mean()) / y[:samples].std(correction=0)
    train_y = y[:samples] + noise * normal(samples, 1)
    return x[:samples], train_y, x[samples:], y[samples:]
