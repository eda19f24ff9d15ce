"""What the benchmarks of training steps share: sides that take turns, and a plain loop and torch.func.vmap as sides."""

from __future__ import annotations

import copy
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from gradlab.execution.processes.starting import ALLOCATOR

__all__ = ["Batches", "Loop", "Vmapped", "alternate", "begin", "medians"]

Loss = Callable[[Tensor, Tensor], Tensor]


def begin(note: str = "") -> None:
    """Set the allocator as in a worker, one thread and flushed subnormals, and print the date and the machine.

    The allocator's settings are read when a program begins: it is begun once more where they are not there.
    """
    if not ALLOCATOR.keys() <= os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**ALLOCATOR, **os.environ})
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    machine = platform.processor() or platform.machine()
    print(f"{time.strftime('%Y-%m-%d')}, {machine}, torch {torch.__version__}, 1 thread{note}\n")


def alternate(functions: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Return the median CPU seconds of each, taken in turn so that a change of the machine's speed hits all."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, taken in zip(functions, times, strict=True):
            start = time.process_time()
            function()
            taken.append(time.process_time() - start)
    return [statistics.median(taken) for taken in times]


def medians(functions: Sequence[Callable[[], object]], seconds: float, most: int = 41) -> list[float]:
    """Return the medians of as many turns as about fit into `seconds`, 5 at least."""
    once = sum(alternate(functions, 2))
    return alternate(functions, max(5, min(most, int(seconds / once))))


class Batches:
    """Batches without replacement out of the same samples."""

    def __init__(self, x: Tensor, y: Tensor, batch: int) -> None:
        self.x, self.y, self.batch, self.at = x, y, batch, 0
        self.order = torch.randperm(len(x))

    def next(self) -> tuple[Tensor, Tensor]:
        if self.at + self.batch > len(self.x):
            self.order, self.at = torch.randperm(len(self.x)), 0
        chosen = self.order[self.at : self.at + self.batch]
        self.at += self.batch
        return self.x[chosen], self.y[chosen]


class Loop:
    """One network as a user would train it; `step` makes one step."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, batches: Batches,
        loss: Loss = nn.functional.cross_entropy,
    ) -> None:  # fmt: skip
        self.model, self.optimizer, self.batches, self.loss = model, optimizer, batches, loss

    def step(self) -> float:
        x, y = self.batches.next()
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Vmapped:
    """R networks by torch.func, with one optimizer for all; `step` makes one step of all."""

    def __init__(
        self, models: Sequence[nn.Module], optimizer: Callable[[list[Tensor]], torch.optim.Optimizer], batches: Batches
    ) -> None:
        stacked, _ = torch.func.stack_module_state(list(models))
        self.params = {name: value.detach().requires_grad_() for name, value in stacked.items()}
        base = copy.deepcopy(models[0]).to("meta")

        def loss(params: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return nn.functional.cross_entropy(torch.func.functional_call(base, params, (x,)), y)

        self.grads = torch.func.vmap(torch.func.grad(loss))
        self.optimizer = optimizer(list(self.params.values()))
        self.replicas, self.batches = len(models), batches

    def step(self) -> None:
        pairs = [self.batches.next() for _ in range(self.replicas)]
        x, y = (torch.stack(part) for part in zip(*pairs, strict=True))
        grads = self.grads({name: value.detach() for name, value in self.params.items()}, x, y)
        for name, value in self.params.items():
            value.grad = grads[name]
        self.optimizer.step()
