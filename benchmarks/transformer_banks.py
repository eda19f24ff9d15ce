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
import dataclasses
from functools import partial

import torch
from torch import Tensor, nn
from turns import Batches, Loop, Vmapped, begin, medians

from gradlab.cell import Cell
from gradlab.components import Named
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
    adam = partial(torch.optim.Adam, lr=1e-3)
    plain, count = Plain(width), iter(range(10**9))
    loop = Loop(plain, adam(plain.parameters()), batches)
    vmapped = Vmapped([Plain(width) for _ in range(replicas)], adam, batches)
    sides = [loop.step, lambda: trainer.step(next(count)), vmapped.step]
    per_cell, per_bank, by_vmap = medians(sides, seconds)
    print(
        f"| {width} | {batch} | {replicas} | {1e3 * per_cell:.2f} | {1e3 * per_bank / replicas:.2f} | "
        f"{1e3 * by_vmap / replicas:.2f} | {replicas * per_cell / per_bank:.2f} | {by_vmap / per_bank:.2f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="R = 16 alone")
    arguments = parser.parse_args()
    begin()
    print("| width | batch | R | loop ms/cell | bank ms/cell | vmap ms/cell | loop / bank | vmap / bank |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for width, batch in ROWS:
        for replicas in [16] if arguments.quick else REPLICAS:
            compare(width, batch, replicas, 2.0 if arguments.quick else 4.0)


if __name__ == "__main__":
    main()
