"""The training step of convolutional networks: a bank against a plain loop over torch.nn, and other ways to stack them.

    python benchmarks/convolutions.py            # the whole table, some minutes
    python benchmarks/convolutions.py --quick    # R = 8 alone, fewer repetitions

One process, one thread, float32, the digits as images of 8 x 8 (and noise of 16 x 16), depth 6, kernel 3, zero
padding, SGD. The loop is a torch.nn.Sequential trained one network after another. The bank is gradlab's, which takes
the way that is fastest for its size; **calls** and **grouped** are the same bank with one convolution for each
replica and with one grouped convolution for all. **vmap** is ``torch.func.vmap`` of the gradient of the module over
stacked parameters, **im2col** the convolution as unfolded patches times a matrix, batched over the replicas. All make
the whole step and alternate; medians of the repetitions in seconds of the CPU.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import os
import platform
import sys
import time
from collections.abc import Callable

import torch
from recurrent import alternate
from torch import Tensor, nn

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.execution.processes.starting import ALLOCATOR
from gradlab.families.conv import network as family
from gradlab.nn import convolution
from gradlab.training.loop import Trainer

ROWS = [(8, 8, 32), (16, 8, 32), (32, 8, 32), (64, 8, 32), (16, 16, 32)]  # channels, image side, batch
REPLICAS = [1, 2, 4, 8, 16, 32]
DEPTH = 6


def plain(inputs: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for block in range(DEPTH):
        layers += [nn.Conv2d(inputs if block == 0 else channels, channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


class Samples:
    """Batches out of the same images `[M, C, H, W]`."""

    def __init__(self, trainer: Trainer, batch: int) -> None:
        data = trainer.data
        self.x, self.y = data.train_x[0].float().view(-1, *data.shape), data.train_y[0]
        self.batch = batch

    def next(self) -> tuple[Tensor, Tensor]:
        chosen = torch.randint(len(self.x), (self.batch,))
        return self.x[chosen], self.y[chosen]


class Loop:
    """`step` makes one step of one network."""

    def __init__(self, channels: int, samples: Samples) -> None:
        self.model, self.samples = plain(samples.x.shape[1], channels), samples
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)

    def step(self) -> None:
        x, y = self.samples.next()
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.model(x), y).backward()
        self.optimizer.step()


class Vmapped:
    """R networks by torch.func; `step` makes one step of all."""

    def __init__(self, channels: int, replicas: int, samples: Samples) -> None:
        models = [plain(samples.x.shape[1], channels) for _ in range(replicas)]
        self.params, _ = torch.func.stack_module_state(models)
        base = copy.deepcopy(models[0]).to("meta")

        def loss(params: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return nn.functional.cross_entropy(torch.func.functional_call(base, params, (x,)), y)

        self.grads = torch.func.vmap(torch.func.grad(loss))
        self.params = {name: value.detach() for name, value in self.params.items()}
        self.replicas, self.samples = replicas, samples

    def step(self) -> None:
        pairs = [self.samples.next() for _ in range(self.replicas)]
        x, y = (torch.stack(part) for part in zip(*pairs, strict=True))
        for name, grad in self.grads(self.params, x, y).items():
            self.params[name].sub_(grad, alpha=0.01)


def im2col(x: Tensor, weight: Tensor, bias_RO: Tensor | None, **_: object) -> Tensor:
    """The convolution of kernel 3 by patches: `[R, N, H, W, C]`, zeros around."""
    replicas, batch, height, width, _ = x.shape
    around = nn.functional.pad(x, (0, 0, 1, 1, 1, 1))
    patches = around.unfold(2, 3, 1).unfold(3, 3, 1).reshape(replicas, batch * height * width, -1)
    y = torch.baddbmm(bias_RO.unsqueeze(1), patches, weight.flatten(2).mT)
    return y.view(replicas, batch, height, width, -1)


def by(way: Callable[..., Tensor] | int, step: Callable[[], None]) -> Callable[[], None]:
    """Return a step with another convolution, or another bound on the size of a grouped one."""

    def stepped() -> None:
        kept = family.convolve, convolution.FEW_PRODUCTS
        if isinstance(way, int):
            convolution.FEW_PRODUCTS = way
        else:
            family.convolve = way
        try:
            step()
        finally:
            family.convolve, convolution.FEW_PRODUCTS = kept

    return stepped


def compare(channels: int, side: int, batch: int, replicas: int, seconds: float) -> None:
    task = Named("digits") if side == 8 else Named("images", (("channels", 1), ("size", side)))
    cell = Cell(model=Named("conv"), task=task, depth=DEPTH, width=channels, lr=0.01, batch_size=batch)
    cells = [dataclasses.replace(cell, seed=seed) for seed in range(replicas)]
    trainer, count = Trainer(cells, torch.device("cpu")), iter(range(10**9))
    samples = Samples(trainer, batch)

    def step() -> None:
        trainer.step(next(count))

    loop, vmapped = Loop(channels, samples), Vmapped(channels, replicas, samples)
    sides = [loop.step, step, by(0, step), by(10**12, step), vmapped.step, by(im2col, step)]
    once = sum(alternate(sides, 2))
    one, bank, *others = alternate(sides, max(5, min(31, int(seconds / once))))
    ratios = " | ".join(f"{seconds / bank:.2f}" for seconds in (replicas * one, *others))
    print(f"| {channels} | {side} | {replicas} | {1e3 * bank / replicas:.2f} | {ratios} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="R = 8 alone")
    arguments = parser.parse_args()
    if not ALLOCATOR.keys() <= os.environ.keys():  # read by the C library when a program begins
        os.execve(sys.executable, [sys.executable, *sys.argv], {**ALLOCATOR, **os.environ})
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    machine = platform.processor() or platform.machine()
    print(f"{time.strftime('%Y-%m-%d')}, {machine}, torch {torch.__version__}, 1 thread; in times of the bank\n")
    print("| channels | side | R | bank ms/cell | loop | calls | grouped | vmap | im2col |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for channels, side, batch in ROWS:
        for replicas in [8] if arguments.quick else REPLICAS:
            compare(channels, side, batch, replicas, 2.0 if arguments.quick else 6.0)


if __name__ == "__main__":
    main()
