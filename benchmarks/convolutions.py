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
import dataclasses
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from turns import Batches, Loop, Vmapped, begin, medians

from gradlab.cell import Cell
from gradlab.components import Named
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
    data = trainer.data
    images = Batches(data.train_x[0].float().view(-1, *data.shape), data.train_y[0], batch)

    def step() -> None:
        trainer.step(next(count))

    sgd, inputs = partial(torch.optim.SGD, lr=0.01), data.shape[0]
    network = plain(inputs, channels)
    loop = Loop(network, sgd(network.parameters()), images)
    vmapped = Vmapped([plain(inputs, channels) for _ in range(replicas)], sgd, images)
    sides = [loop.step, step, by(0, step), by(10**12, step), vmapped.step, by(im2col, step)]
    network_step, bank, *others = medians(sides, seconds, 31)
    ratios = " | ".join(f"{taken / bank:.2f}" for taken in (replicas * network_step, *others))
    print(f"| {channels} | {side} | {replicas} | {1e3 * bank / replicas:.2f} | {ratios} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="R = 8 alone")
    arguments = parser.parse_args()
    begin("; in times of the bank")
    print("| channels | side | R | bank ms/cell | loop | calls | grouped | vmap | im2col |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for channels, side, batch in ROWS:
        for replicas in [8] if arguments.quick else REPLICAS:
            compare(channels, side, batch, replicas, 2.0 if arguments.quick else 6.0)


if __name__ == "__main__":
    main()
