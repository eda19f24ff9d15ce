"""Cells, times and memory on one device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from gpu_sections import Context
from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.training.loop import Trainer

__all__ = ["cells", "free", "largest_memory", "seconds", "step_seconds", "wait"]


def cells(count: int, seeds: int | None = None, **settings: Any) -> list[Cell]:
    """Return cells of 16 blocks of 64 units that differ in the seed, of which there are at most `seeds`."""
    base = {
        "depth": 16, "width": 64, "steps": 100, "batch_size": 64, "lr": 0.05, "activation": Named("tanh"),
        "init": Named("xavier_normal"),
    }  # fmt: skip
    return [Cell(**base | settings | {"seed": index % (seeds or count)}) for index in range(count)]


def wait(context: Context) -> None:
    """Wait for the device."""
    if context.on_gpu:
        torch.cuda.synchronize(context.device)


def free(context: Context) -> None:
    """Give cached memory back and count the largest anew."""
    if context.on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(context.device)


def largest_memory(context: Context) -> float | None:
    """Return the most memory that tensors had on the device, in MiB; None on a CPU, which does not count."""
    return torch.cuda.max_memory_allocated(context.device) / 2**20 if context.on_gpu else None


def seconds(context: Context, function: Callable[[], object], calls: int, warm_up: int = 5) -> float:
    """Return the wall time of one call, the device's work included."""
    for _ in range(warm_up):
        function()
    wait(context)
    begun = time.perf_counter()
    for _ in range(calls):
        function()
    wait(context)
    return (time.perf_counter() - begun) / calls


def step_seconds(context: Context, trainer: Trainer, calls: int) -> float:
    """Return the wall time of a training step of a bank."""
    return seconds(context, lambda: trainer.step(0), calls)
