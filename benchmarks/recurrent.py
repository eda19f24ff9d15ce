"""The training step of recurrent networks: a bank against a plain loop over torch.nn.RNN, LSTM and GRU.

    python benchmarks/recurrent.py            # the whole table, some minutes
    python benchmarks/recurrent.py --quick    # R = 16 and what a run takes, fewer repetitions

One process, one thread, float32, the adding problem, batches of 64, Adam, no clipping. The loop is written as a user
would write it, one network after another: torch's own recurrent module (of an LSTM on a CPU that is oneDNN's), a
linear readout of the last step, torch.optim.Adam. Both sides make the whole step (batch, forward, backward, update)
and alternate; medians of the repetitions, in seconds of the CPU, so that other people's work beside it counts less.
The allocator is set as in a worker, for both sides. Marked `plan` is the bank with as many replicas
as `gradlab plan` gives it, up to 16; larger ones take more memory than a run would.
`probe` is one probe of the bank (128 sequences, float64), in steps.
"""

from __future__ import annotations

import argparse
import dataclasses

import torch
from torch import Tensor, nn
from turns import Batches, Loop, alternate, begin, medians

from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.planning.banks import capacity
from gradlab.training.loop import Trainer

MODELS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
ROWS = [(10, 32), (40, 32), (160, 32), (40, 64), (160, 64)]  # steps, width
REPLICAS = [1, 4, 16]


class Plain(nn.Module):
    """A recurrent network with a readout of its last step."""

    def __init__(self, kind: type[nn.Module], width: int) -> None:
        super().__init__()
        self.recurrent = kind(2, width, batch_first=True)
        self.readout = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.recurrent(x)
        return self.readout(y[:, -1])


def setting(model: str, steps: int, width: int) -> Cell:
    return Cell(
        model=Named(model), task=Named("adding", (("samples", 512),)), depth=1, width=width, seq_len=steps,
        activation=Named("tanh"), init=Named("orthogonal"), optimizer=Named("adam"), lr=1e-3,
    )  # fmt: skip


def compare(cell: Cell, replicas: int, seconds: float, mark: str) -> None:
    model, steps, width = cell.model.name, cell.seq_len, cell.width
    cells = [dataclasses.replace(cell, seed=seed) for seed in range(replicas)]
    trainer = Trainer(cells, torch.device("cpu"))
    plain = Plain(MODELS[model], width)
    samples = Batches(trainer.data.train_x[0].float(), trainer.data.train_y[0].float(), cells[0].batch_size)
    loop = Loop(plain, torch.optim.Adam(plain.parameters(), lr=1e-3), samples, nn.functional.mse_loss)
    count = iter(range(10**9))
    sides = [loop.step, lambda: trainer.step(next(count)), lambda: trainer.measure(0)]
    per_cell, per_bank = medians(sides[:2], seconds)
    probe = alternate(sides[2:], 1)[0]
    print(
        f"| {model} | {steps} | {width} | {replicas}{mark} | {1e3 * per_cell:.2f} | {1e3 * per_bank / replicas:.2f} | "
        f"{replicas * per_cell / per_bank:.2f} | {probe / per_bank:.1f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one number of replicas a row")
    parser.add_argument("--model", choices=list(MODELS), help="one model alone")
    arguments = parser.parse_args()
    begin()
    print("| model | steps T | width | R | loop ms/cell | bank ms/cell | loop / bank | probe / step |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for model in [arguments.model] if arguments.model else MODELS:
        for steps, width in ROWS:
            cell = setting(model, steps, width)
            planned = min(16, capacity(cell))
            for replicas in sorted({planned, *([16] if arguments.quick else REPLICAS)}):
                mark = " (plan)" if replicas == planned else ""
                compare(cell, replicas, 1.0 if arguments.quick else 2.0, mark)


if __name__ == "__main__":
    main()
