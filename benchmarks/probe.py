"""What a probe costs: beside its own matrix products, the held-out samples beside theirs, and as a share of a run.

    OMP_NUM_THREADS=1 python benchmarks/probe.py [--repeats 15]

One process, one thread, processor time, medians, everything in turn. The products are those of one probe (forward, and
back both ways, in float64, 128 samples) and of one pass of the held-out samples (forward, float32), with operands of
their own for every block. The share is that of the ten measurements of a run of 200 steps, with its training steps.
Recurrent networks have no bare products here: a probe is given in training steps.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from gradlab.cell import Cell, probe_steps
from gradlab.components import Named
from gradlab.probing import probe
from gradlab.training.loop import Trainer

STEPS = 200
FEED_FORWARD = [(16, 64, "relu"), (16, 64, "tanh"), (16, 64, "gelu"), (8, 32, "relu"), (8, 32, "tanh")]
REPLICAS = 16
RECURRENT = ("lstm", "gru", "rnn")


def products(shapes: list[tuple[int, int]], replicas: int, batch: int, dtype: torch.dtype, *, back: bool) -> Callable:
    """Return a function that makes the products of linear maps (inputs, outputs), forward and, if `back`, back."""
    blocks = [
        [torch.randn(replicas, *shape, dtype=dtype) for shape in ((1, o), (batch, i), (o, i), (batch, o))]
        for i, o in shapes
    ]

    def run() -> None:
        for bias, x, weight, _ in blocks:
            torch.baddbmm(bias, x, weight.mT)
        for at, (_, x, weight, dy) in reversed(list(enumerate(blocks)) if back else []):
            torch.bmm(dy.mT, x)
            if at:
                torch.bmm(dy, weight)

    return run


def medians(functions: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return the median processor milliseconds of each, all in turn; the first round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats + 1):
        for name, function in functions.items():
            start = time.thread_time()
            function()
            times[name].append(time.thread_time() - start)
    return {name: 1e3 * statistics.median(values[1:]) for name, values in times.items()}


def parts(trainer: Trainer) -> dict[str, Callable[[], Any]]:
    """Return what a run repeats: a probe, a pass of the held-out samples, a measurement with both, a training step."""
    smallest_R = trainer.precision.smallest(trainer.device) / trainer.loss_scale.scale_R.double()

    @torch.no_grad()
    def held_out() -> None:
        torch.set_flush_denormal(True)
        trainer._judged()
        torch.set_flush_denormal(False)

    return {
        "probe": lambda: probe(
            trainer.model, trainer.flat_RP, trainer.probe_x, trainer.probe_y, trainer.data.loss, trainer.probe_masks,
            smallest_R, trainer.data.probe_loss, trainer.probe_buffers,
        ),
        "held_out": held_out,
        "measure": lambda: trainer.measure(0),
        "step": lambda: trainer.step(0),
    }  # fmt: skip


def share(ms: dict[str, float]) -> float:
    """Return the share of the measurements in a run of `STEPS` steps."""
    measured = len(probe_steps(STEPS, "log")) * ms["measure"]
    return measured / (measured + STEPS * ms["step"])


def feed_forward(depth: int, width: int, activation: str, repeats: int) -> None:
    cell = {"depth": depth, "width": width, "activation": Named(activation), "init": Named("he_normal")}
    trainer = Trainer([Cell(seed=seed, lr=0.01, steps=STEPS, **cell) for seed in range(REPLICAS)], torch.device("cpu"))
    shapes = [(trainer.data.in_features, width), *[(width, width)] * (depth - 1), (width, trainer.data.out_features)]
    functions = parts(trainer) | {
        "products": products(shapes, REPLICAS, trainer.probe_x.shape[1], torch.float64, back=True),
        "held_out_products": products(shapes, REPLICAS, trainer.test_x.shape[1], torch.float32, back=False),
    }
    ms = medians(functions, repeats)
    least = ms | {"measure": ms["products"] + ms["held_out_products"]}
    print(
        f"| {depth} x {width}, {activation} | {ms['probe']:.1f} | {ms['products']:.1f} | "
        f"{ms['probe'] / ms['products']:.2f} | {ms['held_out']:.1f} | {ms['held_out'] / ms['held_out_products']:.2f} | "
        f"{ms['measure'] / ms['step']:.1f} | {share(ms):.0%} | {share(least):.0%} |",
        flush=True,
    )


def recurrent(model: str, repeats: int) -> None:
    cell = {"model": Named(model), "task": Named("adding"), "seq_len": 40, "width": 32, "depth": 1}
    cell |= {"init": Named("orthogonal"), "activation": Named("tanh")}
    trainer = Trainer([Cell(seed=seed, lr=0.01, steps=STEPS, **cell) for seed in range(8)], torch.device("cpu"))
    ms = medians(parts(trainer), repeats)
    print(
        f"| {model} | {ms['probe']:.1f} | {ms['held_out']:.1f} | {ms['probe'] / ms['step']:.1f} | {share(ms):.0%} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"{time.strftime('%Y-%m-%d')}, torch {torch.__version__}, 1 thread; milliseconds for a bank\n")
    print("| R = 16 | probe | products | ratio | held-out | / products | both in steps | share | products alone |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for depth, width, activation in FEED_FORWARD:
        feed_forward(depth, width, activation, repeats)
    print("\n| T = 40, width 32, R = 8 | probe | held-out | probe / step | share |")
    print("| --- | --- | --- | --- | --- |")
    for model in RECURRENT:
        recurrent(model, repeats)


if __name__ == "__main__":
    main()
