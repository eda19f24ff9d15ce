"""A training loop to watch, and what plain autograd says of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

import torch
from networks import WIDTH, Net
from torch import Tensor, nn

from gradlab.modules.watching.numbers import WatchedStep
from gradlab.modules.watching.watcher import Watcher

Steps = list[WatchedStep]


def batches(count: int, size: int = 4) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(7)
    for _ in range(count):
        yield torch.randn(size, WIDTH, generator=generator)


def hooks(model: nn.Module) -> int:
    return sum(
        len(getattr(module, name))
        for module in model.modules()
        for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    )


def block_norms(model: Net, x: Tensor) -> list[float]:
    """The gradient norms of the blocks' outputs, of the mean square of the output, by plain autograd in float64."""
    model = copy.deepcopy(model).double()
    x = x.double()
    outputs = []
    for block in model.blocks:
        x = x + block.second(block.first(x).relu())
        outputs.append(x)
    gradients = torch.autograd.grad(model.readout(x).square().mean(), outputs)
    return [float(gradient.norm()) for gradient in gradients]


def grad_norms(step: WatchedStep) -> list[float]:
    return [math.exp(block.log_grad_norm) for block in step.profile.blocks]


def trained(
    model: nn.Module, *, watched: bool, every: int = 2, count: int = 6, clip: float | None = None, **options: Any
) -> Steps:
    """Train a model for some steps of Adam."""
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    steps: Steps = []
    watcher = Watcher(model, steps.append, every=every, optimizer=optimizer, **options) if watched else None
    for x in batches(count):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
    if watcher is not None:
        watcher.close()
        assert not watcher.notes
    return steps
