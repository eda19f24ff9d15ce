"""The same cells by a plain torch.nn loop and by gradlab's bank: one process, one thread, ratios from one run.

    python benchmarks/bank_vs_loop.py            # the whole table, some minutes
    python benchmarks/bank_vs_loop.py --quick    # six rows

Three comparisons. **step**: the training step alone (batch, forward, backward, update), also against the calls of
bmm that it makes, with operands of their own for every block as in the step. **cell**: all of a cell, initialisation
and all probes included. **mixing**: some activations in one bank against a bank for each. The loop is written as a
user would write it: a torch.nn.Sequential, torch.optim.SGD, cross-entropy, and at the probe steps, on a float64 copy,
the same measurements that gradlab makes. Both sides alternate; medians of the repetitions, in processor time.
"""

from __future__ import annotations

import argparse
import copy
import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from gradlab.cell import Cell, probe_steps
from gradlab.components import Named
from gradlab.tasks import load
from gradlab.training.loop import Trainer, train_bank

ROWS = [(8, 32, 32), (16, 64, 64), (16, 128, 64)]  # depth, width, batch size: the table of the design
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}
THREE = ("sigmoid", "tanh", "relu")
FIVE = (*THREE, "gelu", "selu")
MIXTURES = [
    (4, 32, 3, THREE), (16, 32, 3, THREE), (64, 32, 3, THREE), (16, 32, 1, FIVE), (16, 32, 8, THREE),
    (16, 64, 1, FIVE), (16, 64, 3, THREE), (16, 64, 8, THREE), (16, 128, 3, THREE), (8, 256, 3, THREE),
]  # fmt: skip
REPLICAS = [1, 4, 8, 16, 32, 64]


def network(depth: int, width: int, activation: type[nn.Module]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for block in range(depth):
        layers += [nn.Linear(64 if block == 0 else width, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, 10))


class PlainLoop:
    """One cell the ordinary way."""

    def __init__(self, cell: Cell) -> None:
        torch.manual_seed(cell.seed)
        data = load(cell.task, (0,))
        self.x, self.y = data.train_x[0].float(), data.train_y[0]
        self.test_x, self.test_y = data.test_x[0].float(), data.test_y[0]
        self.cell = cell
        self.model = network(cell.depth, cell.width, ACTIVATIONS[cell.activation.name])
        for layer in self.model:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=cell.lr)
        self.loss = nn.CrossEntropyLoss()
        self.order = torch.randperm(len(self.x))
        self.at = 0

    def step(self) -> float:
        if self.at + self.cell.batch_size > len(self.x):
            self.order, self.at = torch.randperm(len(self.x)), 0
        batch = self.order[self.at : self.at + self.cell.batch_size]
        self.at += self.cell.batch_size
        self.optimizer.zero_grad()
        loss = self.loss(self.model(self.x[batch]), self.y[batch])
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def measure(self) -> dict[str, list[float] | float]:
        batch = slice(0, self.cell.probe_batch_size)
        model = copy.deepcopy(self.model).double()
        outputs, x = [], self.x[batch].double()
        for layer in model:
            x = layer(x)
            if not isinstance(layer, nn.Linear):
                x.retain_grad()
                outputs.append(x)
        model.zero_grad()
        loss = self.loss(x, self.y[batch])
        loss.backward()
        linears = [layer for layer in model if isinstance(layer, nn.Linear)]
        relu = self.cell.activation.name == "relu"
        slopes = [(h.detach() > 0).double() if relu else 1 - h.detach().square() for h in outputs]
        with torch.no_grad():
            accuracy = (self.model(self.test_x).argmax(1) == self.test_y).float().mean().item()
        return {
            "loss": loss.item(),
            "accuracy": accuracy,
            "grad_norm": [h.grad.norm().item() for h in outputs],
            "weight_grad_norm": [layer.weight.grad.norm().item() for layer in linears],
            "weight_norm": [layer.weight.norm().item() for layer in linears],
            "act_mean": [h.mean().item() for h in outputs],
            "act_std": [h.std().item() for h in outputs],
            "saturated": [(slope < 0.05).double().mean().item() for slope in slopes],
            "dead": [(slope.amax(0) == 0).double().mean().item() for slope in slopes],
            "zero_grad": [(h.grad == 0).float().mean().item() for h in outputs],
        }

    def run(self) -> list[dict[str, list[float] | float]]:
        probes = []
        for step in range(self.cell.steps + 1):
            if step in probe_steps(self.cell.steps, self.cell.probe_at):
                probes.append(self.measure())
                before = [p.detach().clone() for p in self.model.parameters()]
                if step < self.cell.steps:
                    self.step()
                    moved = zip(self.model.parameters(), before, strict=True)
                    probes[-1]["update"] = [((p - q).norm() / q.norm()).item() for p, q in moved if p.ndim == 2]
            elif step < self.cell.steps:
                self.step()
        return probes


def alternate(one: Callable[[], object], other: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the median processor seconds of each, in turn, so that a change of the machine's speed hits both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for function, found in zip((one, other), times, strict=True):
            start = time.thread_time()
            function()
            found.append(time.thread_time() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def flops(cell: Cell) -> int:
    """Useful operations of one training step of one cell: 2 for each of forward, dW and dx."""
    weights = 64 * cell.width + (cell.depth - 1) * cell.width**2 + 10 * cell.width
    return 6 * cell.batch_size * weights


def bare_bmm(width: int, batch: int, replicas: int) -> float:
    """Return the rate of torch.bmm on these shapes, GFLOP/s."""
    a, b = torch.randn(replicas, batch, width), torch.randn(replicas, width, width)
    seconds, _ = alternate(lambda: torch.bmm(a, b), lambda: None, 200)
    return 2 * replicas * batch * width**2 / seconds / 1e9


def own_bmms(cell: Cell, replicas: int) -> Callable[[], None]:
    """Return a function that makes the matrix products of one training step, block after block and back."""
    shapes = [(64, cell.width)] + [(cell.width, cell.width)] * (cell.depth - 1) + [(cell.width, 10)]
    blocks = [
        (
            torch.randn(replicas, 1, o),
            torch.randn(replicas, cell.batch_size, i),
            torch.randn(replicas, o, i),
            torch.randn(replicas, cell.batch_size, o),
        )
        for i, o in shapes
    ]

    def run() -> None:
        for bias, x, weight, _ in blocks:
            torch.baddbmm(bias, x, weight.transpose(1, 2))
        for at, (_, x, weight, dy) in reversed(list(enumerate(blocks))):
            torch.bmm(dy.transpose(1, 2), x)
            if at:
                torch.bmm(dy, weight)

    return run


def compare_mixing(depth: int, width: int, seeds: int, activations: tuple[str, ...]) -> None:
    base = Cell(depth=depth, width=width, init=Named("xavier_normal"), lr=0.01)
    values = {name: getattr(base, name) for name in base.__slots__}
    each = [[Cell(**values | {"seed": s, "activation": Named(name)}) for s in range(seeds)] for name in activations]
    apart = [Trainer(cells, torch.device("cpu")) for cells in each]
    mixed = Trainer([cell for cells in each for cell in cells], torch.device("cpu"))
    step = alternate(lambda: [one.step(0) for one in apart], lambda: mixed.step(0), 21)
    probe = alternate(lambda: [one.measure(0) for one in apart], lambda: mixed.measure(0), 5)
    print(
        f"| {depth} x {width} | {len(activations)} x {seeds} | {1e3 * step[0]:.2f} | {1e3 * step[1]:.2f} | "
        f"{step[0] / step[1]:.2f} | {probe[0] / probe[1]:.2f} |",
        flush=True,
    )


def compare_steps(activation: str, depth: int, width: int, batch: int, replicas: int, repeats: int) -> None:
    base = Cell(
        depth=depth, width=width, batch_size=batch, activation=Named(activation), init=Named("xavier_normal"), lr=0.01
    )
    cells = [Cell(**{name: getattr(base, name) for name in base.__slots__} | {"seed": r}) for r in range(replicas)]
    trainer, loop = Trainer(cells, torch.device("cpu")), PlainLoop(base)
    count = iter(range(10**9))
    for _ in range(5):
        trainer.step(next(count))
        loop.step()
    per_cell, per_bank = alternate(loop.step, lambda: trainer.step(next(count)), repeats)
    rate, bank_rate = flops(base) / per_cell / 1e9, replicas * flops(base) / per_bank / 1e9
    bare = bare_bmm(width, batch, replicas)
    calls, again = alternate(own_bmms(base, replicas), lambda: trainer.step(next(count)), repeats)
    print(
        f"| {activation} {depth} x {width} (batch {batch}) | {replicas} | {rate:.1f} | {bank_rate:.1f} | "
        f"{replicas * per_cell / per_bank:.2f} | {bare:.0f} | {bank_rate / bare:.2f} | "
        f"{again / calls:.2f} |",
        flush=True,
    )


def compare_cells(depth: int, width: int, batch: int, replicas: int, steps: int, probe_batch: int) -> None:
    base = Cell(
        depth=depth, width=width, batch_size=batch, activation=Named("tanh"), init=Named("xavier_normal"), lr=0.01,
        steps=steps, probe_batch_size=probe_batch,
    )  # fmt: skip
    cells = [Cell(**{name: getattr(base, name) for name in base.__slots__} | {"seed": r}) for r in range(replicas)]
    per_cell, per_bank = alternate(lambda: PlainLoop(base).run(), lambda: train_bank(cells), 3)
    trainer = Trainer(cells, torch.device("cpu"))
    step, probe = alternate(lambda: trainer.step(0), lambda: trainer.measure(0), 15)
    probes = len(probe_steps(base.steps, base.probe_at))
    share = probes * probe / (probes * probe + steps * step)
    print(
        f"| {depth} x {width} | {replicas} | {steps} | {probe_batch} | {per_cell:.2f} | {per_bank / replicas:.2f} | "
        f"{replicas * per_cell / per_bank:.2f} | {probe / step:.1f} | {100 * share:.0f} % |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one number of replicas a row, fewer repetitions")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    machine = platform.processor() or platform.machine()
    print(f"{time.strftime('%Y-%m-%d')}, {machine}, torch {torch.__version__}, 1 thread\n")
    print(
        "| activation, depth x width | R | loop GFLOP/s | bank GFLOP/s | bank / loop | bare bmm | of bare bmm | "
        "step / its bmms |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for depth, width, batch in ROWS:
        for activation in ACTIVATIONS:
            for replicas in [16] if quick else REPLICAS:
                compare_steps(activation, depth, width, batch, replicas, 15 if quick else 41)
    print("\nActivations in one bank or in a bank each, milliseconds a step; activations x seeds\n")
    print("| depth x width | cells | apart | mixed | apart / mixed | of a probe |")
    print("| --- | --- | --- | --- | --- | --- |")
    for depth, width, seeds, activations in MIXTURES[:2] if quick else MIXTURES:
        compare_mixing(depth, width, seeds, activations)
    print("\nWhole cells, seconds a cell; the last columns: one probe in steps, and the share of all probes\n")
    print("| depth x width | R | steps | probe batch | loop | bank | loop / bank | probe / step | probes |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for steps, probe_batch in [(300, 128)] if quick else [(300, 64), (300, 128), (300, 256), (3000, 128)]:
        compare_cells(16, 64, 64, 16, steps, probe_batch)


if __name__ == "__main__":
    main()
