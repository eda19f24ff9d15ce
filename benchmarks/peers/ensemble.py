"""All cells of one shape as an ensemble, as the tutorial of torch.func does it: stacked parameters and vmap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.functional import cross_entropy, linear

from peers import measurements
from peers.loop import batches
from peers.measurements import Numbers, Pass
from peers.setting import ACTIVATIONS, LR, Cell, Data, digits, network, probed

__all__ = ["run", "train"]

Params = dict[str, Tensor]


class Ensemble:
    """R networks that differ in their numbers alone."""

    def __init__(self, models: Sequence[nn.Sequential], data: Data, cell: Cell) -> None:
        """`data` is that of all; where the probe batch differs it is `[R, N, ...]`."""
        self.data, self.cell = data, cell
        self.params: Params = {name: value.detach() for name, value in stack_module_state(models)[0].items()}
        self.skeleton, self.activation = models[0].to("meta"), ACTIVATIONS[cell.activation]()
        self.weights = [f"{2 * block}.weight" for block in range(cell.depth)]
        self.rows: list[Numbers] = []
        self.start = self._weights()
        self.gradients = vmap(grad(self._loss))
        own = 0 if data.probe_x.ndim == 3 else None
        argnums = (0, 1) if cell.record == "all" else 0
        self.probed = vmap(grad(self._added, argnums=argnums, has_aux=True), in_dims=(None, 0, own, own))
        shape = (*data.probe_x.shape[-2:-1], self.params[self.weights[0]].shape[1])
        self.zeros = tuple(torch.zeros(shape, dtype=torch.float64) for _ in range(cell.depth))
        self.judged = vmap(lambda params, x: functional_call(self.skeleton, params, (x,)), in_dims=(0, None))

    def _weights(self) -> list[Tensor]:
        return [self.params[name].clone() for name in self.weights]

    def _loss(self, params: Params, x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(functional_call(self.skeleton, params, (x,)), y)

    def _added(
        self, added: tuple[Tensor, ...], params: Params, x: Tensor, y: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the loss with a number (zero) added to every block output: its gradient is that of the output."""
        inputs, outputs = [], []
        for block, zero in enumerate(added):
            inputs.append(linear(x, params[f"{2 * block}.weight"], params[f"{2 * block}.bias"]))
            outputs.append(self.activation(inputs[-1]))
            x = outputs[-1] + zero
        last = 2 * len(added)
        loss = cross_entropy(linear(x, params[f"{last}.weight"], params[f"{last}.bias"]), y)
        return loss, (loss, *inputs, *outputs) if self.cell.record == "all" else (loss,)

    def probe(self) -> None:
        """Append the numbers of one probe, `[R, ...]`."""
        wide = {name: value.double() for name, value in self.params.items()}
        grads, (loss, *kept) = self.probed(self.zeros, wide, self.data.probe_x, self.data.probe_y)
        if self.cell.record == "all":
            grads, by_name = grads
            half = len(kept) // 2
            own = Pass(
                loss, torch.stack(grads), torch.stack(kept[:half]), torch.stack(kept[half:]),
                [wide[name] for name in self.weights], [by_name.pop(name) for name in self.weights],
                list(by_name.values()),
            )  # fmt: skip
        else:
            own = Pass(loss, torch.stack(grads))
        row = measurements.numbers(own, self.cell.activation)
        outputs = self.judged(self.params, self.data.test_x)
        row["metric"] = (outputs.argmax(-1) == self.data.test_y).double().mean(-1)
        if self.cell.record == "all":
            row["displacement"] = measurements.displacement(self.start, self._weights())
        self.rows.append(row)

    def update(self, x: Tensor, y: Tensor) -> Tensor | None:
        """Make one step and return, where gradients are clipped, their norms before, `[R]`."""
        grads = self.gradients(self.params, x, y)
        before = None
        if self.cell.clip is not None:
            before = measurements.joint_norm(list(grads.values()), 1)
            factor = (self.cell.clip / (before + 1e-6)).clamp(max=1)
            for gradient in grads.values():
                gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))
        for name, value in self.params.items():
            value.sub_(grads[name], alpha=LR)
        return before


def train(models: Sequence[nn.Sequential], data: Data, order: Tensor, cell: Cell) -> list[list[dict[str, list[float]]]]:
    """Train networks of one shape and return the numbers of each by name, at each probe.

    `order` are the samples of each step, `[R, steps, B]`.
    """
    ensemble, at = Ensemble(models, data, cell), probed(cell.steps)
    for step in range(cell.steps + 1):
        watched = step in at
        if watched:
            ensemble.probe()
        if step == cell.steps:
            break
        before = ensemble._weights() if watched and cell.record == "all" else []
        norm = ensemble.update(data.x[order[:, step]], data.y[order[:, step]])
        if before:
            ensemble.rows[-1]["update_ratio"] = measurements.update_ratio(before, ensemble._weights())
        if watched and norm is not None and cell.clip is not None:
            ensemble.rows[-1] |= measurements.clipping(norm, cell.clip)
    rows = [{name: value.tolist() for name, value in row.items()} for row in ensemble.rows]
    return [[{name: values[r] for name, values in row.items()} for row in rows] for r in range(len(models))]


def run(members: Sequence[Cell]) -> list[list[dict[str, list[float]]]]:
    """Train cells of one depth and activation from their own draws."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    models, orders = [], []
    for cell in members:
        torch.manual_seed(cell.seed)
        models.append(network(cell))
        stream = batches(len(digits().x))
        orders.append(torch.stack([next(stream) for _ in range(max(1, cell.steps))]))
    return train(models, digits(), torch.stack(orders), replace(members[0], seed=0))
