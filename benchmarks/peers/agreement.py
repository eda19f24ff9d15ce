"""Whether all record the same: peers and gradlab from the same initial weights, on the same batches.

At step 0 the numbers of a probe, which is float64 on both sides, agree to rounding; after some steps in float32, and
for what is float32 itself (the training gradient that is clipped, the update), to the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gradlab.cell import Cell as Setting
from gradlab.components import Named
from gradlab.record import Record
from gradlab.training.batches import Batches
from gradlab.training.loop import Trainer
from peers import ensemble, loop
from peers.setting import ACTIVATIONS, BATCH, LR, PROBE, WIDTH, Cell, digits, network

__all__ = ["ROUNDING", "SINGLE", "Difference", "differences"]

ROUNDING, SINGLE = 1e-9, 1e-4
"""Largest differences at step 0 of the float64 probe, and of everything else."""
FIELDS = {
    "grad_norm": "log_grad_norm", "weight_grad_norm": "log_weight_grad_norm", "clip_norm_before": "clip_before",
    "clip_norm_after": "clip_after",
}  # fmt: skip
"""Fields of a record whose names differ."""
SHARES = {"saturated", "dead", "zero_grad", "underflow", "metric", "act_mean"}
"""Numbers that are compared by their difference itself; all others by that over their size."""
SINGLES = {"update_ratio", "clip_norm_before", "clip_norm_after", "metric"}
"""Numbers of the training step after a probe and of the held-out samples, in float32."""


@dataclass(frozen=True)
class Difference:
    """The largest difference of one quantity between a peer and gradlab."""

    peer: str
    activation: str
    quantity: str
    step: int
    largest: float

    @property
    def allowed(self) -> float:
        """The largest difference that rounding explains."""
        return ROUNDING if self.step == 0 and self.quantity not in SINGLES else SINGLE


def differences(record: str, depth: int = 5, steps: int = 4, clip: float = 0.5) -> Iterator[Difference]:
    """Yield the differences of all quantities, of both kinds of peers, for each activation; two seeds each."""
    for activation in ACTIVATIONS:
        cells = [Cell(depth, activation, "he_normal", seed, steps, clip, record) for seed in (0, 1)]
        trainer, models, order = _start(cells)
        data = replace(digits(), probe_x=trainer.probe_x, probe_y=trainer.probe_y)
        alone = [
            loop.train(models[r], replace(data, probe_x=data.probe_x[r], probe_y=data.probe_y[r]), iter(order[r]), cell)
            for r, cell in enumerate(cells)
        ]
        _, models, _ = _start(cells)
        together = ensemble.train(models, data, order, cells[0])
        records = trainer.train()
        for peer, probes in (("loop", alone), ("vmap", together)):
            yield from _compared(peer, activation, probes, records)


def _start(cells: list[Cell]) -> tuple[Trainer, list[nn.Sequential], Tensor]:
    """Return gradlab's trainer, torch.nn networks with its initial weights, and its batches `[R, steps, B]`."""
    settings = [
        Setting(
            depth=cell.depth, width=WIDTH, activation=Named(cell.activation), init=Named(cell.init), seed=cell.seed,
            lr=LR, clip=Named("norm", (("max", cell.clip),)), steps=cell.steps, batch_size=BATCH,
            probe_batch_size=PROBE, probe_record=cell.record,  # type: ignore[arg-type]
        )
        for cell in cells
    ]  # fmt: skip
    trainer = Trainer(settings, torch.device("cpu"))
    parameters = trainer.model.layout.views(trainer.flat_RP)
    models = [network(cell) for cell in cells]
    with torch.no_grad():
        for r, model in enumerate(models):
            linears = [layer for layer in model if isinstance(layer, nn.Linear)]
            for layer, own in zip(linears, parameters, strict=True):
                layer.weight.copy_(own["weight"][r])
                layer.bias.copy_(own["bias"][r])
    seeds = tuple(cell.seed for cell in cells)
    batches = Batches(seeds, trainer.train_samples.size, BATCH, torch.device("cpu"))
    return trainer, models, torch.stack([batches.next() for _ in range(cells[0].steps)], 1)


def _compared(
    peer: str, activation: str, probes: Iterable[list[dict[str, Any]]], records: Iterable[Record]
) -> Iterator[Difference]:
    for own, record in zip(probes, records, strict=True):
        for at, step, row in zip(count(), record.probe_steps.tolist(), own, strict=False):
            for quantity, value in row.items():
                theirs = getattr(record, FIELDS.get(quantity, quantity))[at]
                theirs = np.exp(theirs) if FIELDS.get(quantity, "").startswith("log_") else theirs
                yield Difference(peer, activation, quantity, step, _largest(quantity, np.asarray(value), theirs))


def _largest(quantity: str, value: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    difference = np.abs(value - other)
    size = 1.0 if quantity in SHARES else np.maximum(np.abs(other), np.finfo(float).tiny)
    return float(np.max(difference / size))
