"""One cell after another, as a user would write it: torch.nn, torch.optim, and hooks on a float64 copy."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from peers import measurements
from peers.measurements import Numbers, Pass
from peers.setting import BATCH, LR, Cell, Data, digits, network, probed

__all__ = ["Recorder", "batches", "run", "train"]


class Recorder:
    """Probes one network: a copy in float64 with hooks on its activations, brought up to date at each probe."""

    def __init__(self, model: nn.Sequential, data: Data, cell: Cell) -> None:
        self.model, self.data, self.cell = model, data, cell
        self.everything = cell.record == "all"
        self.rows: list[Numbers] = []
        self.copy = copy.deepcopy(model).double().requires_grad_(self.everything)
        self.blocks = [layer for layer in self.copy if isinstance(layer, nn.Linear)][:-1]
        self.start = [layer.weight.detach().clone() for layer in self.blocks]
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        for layer in self.copy:
            if not isinstance(layer, nn.Linear):
                layer.register_forward_hook(self._keep)

    def _keep(self, _: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        self.inputs.append(inputs[0].detach())
        if not output.requires_grad:  # the first block's, where the parameters want no gradient
            output.requires_grad_()
        output.retain_grad()
        self.outputs.append(output)

    def probe(self) -> None:
        """Append the numbers of one probe."""
        with torch.no_grad():
            for own, trained in zip(self.copy.parameters(), self.model.parameters(), strict=True):
                own.copy_(trained)
        self.inputs, self.outputs = [], []
        self.copy.zero_grad()
        loss = cross_entropy(self.copy(self.data.probe_x), self.data.probe_y)
        loss.backward()
        with torch.no_grad():
            row = measurements.numbers(self._pass(loss.detach()), self.cell.activation)
            judged = self.model(self.data.test_x).argmax(1) == self.data.test_y
            row["metric"] = judged.double().mean()
            if self.everything:
                weights = [layer.weight for layer in self.blocks]
                row["displacement"] = measurements.displacement(self.start, weights)
        self.rows.append(row)

    def _pass(self, loss: Tensor) -> Pass:
        grads = torch.stack([output.grad for output in self.outputs])
        if not self.everything:
            return Pass(loss, grads)
        weights = [layer.weight for layer in self.blocks]
        outputs = torch.stack([output.detach() for output in self.outputs])
        others = [p.grad for p in self.copy.parameters() if not any(p is weight for weight in weights)]
        return Pass(
            loss, grads, torch.stack(self.inputs), outputs, weights, [weight.grad for weight in weights], others
        )

    def updated(self) -> None:
        """Add to the last row how far the update after it went."""
        trained = [layer.weight for layer in self.model if isinstance(layer, nn.Linear)][:-1]
        with torch.no_grad():
            self.rows[-1]["update_ratio"] = measurements.update_ratio([layer.weight for layer in self.blocks], trained)


def batches(count: int) -> Iterator[Tensor]:
    """Yield the indices of batches out of `count` samples, epoch after epoch."""
    while True:
        order = torch.randperm(count)
        yield from (order[start : start + BATCH] for start in range(0, count - BATCH + 1, BATCH))


def train(model: nn.Sequential, data: Data, order: Iterator[Tensor], cell: Cell) -> list[dict[str, list[float]]]:
    """Train a network and return its numbers by name, at each probe."""
    recorder, at = Recorder(model, data, cell), probed(cell.steps)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    norms = []
    for step in range(cell.steps + 1):
        if step in at:
            recorder.probe()
        if step == cell.steps:
            break
        batch = next(order)
        optimizer.zero_grad()
        cross_entropy(model(data.x[batch]), data.y[batch]).backward()
        if cell.clip is not None:
            norms.append(clip_grad_norm_(model.parameters(), cell.clip))
        optimizer.step()
        if step in at and cell.record == "all":
            recorder.updated()
    if cell.clip is not None and norms:
        clipped = measurements.clipping(torch.stack(norms), cell.clip)
        for step, row in zip(at, recorder.rows, strict=True):
            row |= {name: values[step] for name, values in clipped.items() if step < cell.steps}
    return [{name: value.tolist() for name, value in row.items()} for row in recorder.rows]


def run(cell: Cell) -> list[dict[str, list[float]]]:
    """Train one cell from its own draws."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # without it deep sigmoid networks take several times as long
    torch.manual_seed(cell.seed)
    return train(network(cell), digits(), batches(len(digits().x)), cell)
