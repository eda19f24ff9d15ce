"""The training step of transformers: a bank against a plain loop over torch.nn.TransformerEncoder, and against vmap.

    python benchmarks/transformer_banks.py            # the whole table, some minutes
    python benchmarks/transformer_banks.py --quick    # R = 16 alone, fewer repetitions

One process, one thread, float32, the digits as sequences of 16 tokens, pre-LN with a final norm, depth 4, 4 heads,
hidden units 4 times the width, Adam. The loop is written as a user would write it, one network after another; vmap is
``torch.func.vmap`` of the gradient of the same module over stacked parameters, with one Adam for all. All make the
whole step (batch, forward, backward, update) and alternate; medians of the repetitions, in seconds of the CPU, so that
other people's work beside it counts less. The allocator is set as in a worker, for all sides.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.execution.processes.starting import ALLOCATOR
from gradlab.training.loop import Trainer

ROWS = [(64, 4), (64, 16), (64, 64), (32, 16), (128, 16)]  # width, batch
REPLICAS = [1, 2, 4, 8, 16, 32]
TOKENS, DEPTH, HEADS, FF = 16, 4, 4, 4


class Plain(nn.Module):
    """torch.nn's encoder between a linear map and a readout of the mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(64 // TOKENS, width)
        self.positions = nn.Parameter(0.02 * torch.randn(TOKENS, width))
        layer = nn.TransformerEncoderLayer(width, HEADS, FF * width, 0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, DEPTH, nn.LayerNorm(width), enable_nested_tensor=False)
        self.readout = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.readout(self.encoder(self.enter(x) + self.positions).mean(1))


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
    """Networks trained one after another; `step` makes one step of one of them."""

    def __init__(self, width: int, batches: Batches) -> None:
        self.model, self.batches = Plain(width), batches
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)

    def step(self) -> None:
        x, y = self.batches.next()
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.model(x), y).backward()
        self.optimizer.step()


class Vmapped:
    """R networks by torch.func; `step` makes one step of all."""

    def __init__(self, width: int, replicas: int, batches: Batches) -> None:
        models = [Plain(width) for _ in range(replicas)]
        self.params, _ = torch.func.stack_module_state(models)
        self.params = {name: value.detach().requires_grad_() for name, value in self.params.items()}
        base = copy.deepcopy(models[0]).to("meta")

        def loss(params: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return nn.functional.cross_entropy(torch.func.functional_call(base, params, (x,)), y)

        self.grads = torch.func.vmap(torch.func.grad(loss))
        self.optimizer = torch.optim.Adam(self.params.values(), lr=1e-3)
        self.replicas, self.batches = replicas, batches

    def step(self) -> None:
        pairs = [self.batches.next() for _ in range(self.replicas)]
        x, y = (torch.stack(part) for part in zip(*pairs, strict=True))
        grads = self.grads({name: value.detach() for name, value in self.params.items()}, x, y)
        for name, value in self.params.items():
            value.grad = grads[name]
        self.optimizer.step()


def alternate(functions: list[Callable[[], object]], repeats: int) -> list[float]:
    """Return the median CPU seconds of each, taken in turn so that a change of the machine's speed hits all."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, found in zip(functions, times, strict=True):
            start = time.process_time()
            function()
            found.append(time.process_time() - start)
    return [statistics.median(found) for found in times]


def setting(width: int, batch: int) -> Cell:
    return Cell(
        model=Named("transformer"), task=Named("sequential_digits"), seq_len=TOKENS, depth=DEPTH, width=width,
        init=Named("xavier_normal"), norm=Named("layer"), residual=Named("pre_norm"), optimizer=Named("adam"), lr=1e-3,
        batch_size=batch,
    )  # fmt: skip


def compare(width: int, batch: int, replicas: int, seconds: float) -> None:
    cells = [dataclasses.replace(setting(width, batch), seed=seed) for seed in range(replicas)]
    trainer = Trainer(cells, torch.device("cpu"))
    batches = Batches(trainer.data.train_x[0].float(), trainer.data.train_y[0], batch)
    loop, vmapped, count = Loop(width, batches), Vmapped(width, replicas, batches), iter(range(10**9))
    sides = [loop.step, lambda: trainer.step(next(count)), vmapped.step]
    once = sum(alternate(sides, 2))
    per_cell, per_bank, by_vmap = alternate(sides, max(5, min(41, int(seconds / once))))
    print(
        f"| {width} | {batch} | {replicas} | {1e3 * per_cell:.2f} | {1e3 * per_bank / replicas:.2f} | "
        f"{1e3 * by_vmap / replicas:.2f} | {replicas * per_cell / per_bank:.2f} | {by_vmap / per_bank:.2f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="R = 16 alone")
    arguments = parser.parse_args()
    if not ALLOCATOR.keys() <= os.environ.keys():  # read by the C library when a program begins
        os.execve(sys.executable, [sys.executable, *sys.argv], {**ALLOCATOR, **os.environ})
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    machine = platform.processor() or platform.machine()
    print(f"{time.strftime('%Y-%m-%d')}, {machine}, torch {torch.__version__}, 1 thread\n")
    print("| width | batch | R | loop ms/cell | bank ms/cell | vmap ms/cell | loop / bank | vmap / bank |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for width, batch in ROWS:
        for replicas in [16] if arguments.quick else REPLICAS:
            compare(width, batch, replicas, 2.0 if arguments.quick else 4.0)


if __name__ == "__main__":
    main()
