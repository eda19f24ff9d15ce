"""The one loop: a bank of cells in, their records out. No processes, no files, no printing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from gradlab.batches import Batches, Dropout, samples
from gradlab.cell import SETTINGS, Cell, cell_id, probe_steps
from gradlab.models.mlp import MLP, Architecture, Start
from gradlab.optim import BankOptimizer, Clipping, Clips, Penalty, Rule, schedule
from gradlab.probe import Profile, probe, weight_norms
from gradlab.record import Record
from gradlab.registry import MODELS, PRECISIONS
from gradlab.tasks import Data, load

__all__ = ["Trainer", "train_bank"]


@contextmanager
def _numerics(device: torch.device) -> Iterator[None]:
    """One thread (banks run beside each other, and one thread gives the same bits anywhere) and no subnormals.

    Deep sigmoid networks produce subnormal float32 gradients by the thousand, each a hundred cycles on a CPU.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(threads)


def train_bank(cells: Sequence[Cell], device: str = "cpu") -> tuple[Record, ...]:
    """Train cells that agree in every shared field as one bank and return their records, in order.

    Raises:
        DataError: the task's file cannot be used.
        ValueError: the cells do not belong into one bank.
    """
    where = torch.device(device)
    with _numerics(where):
        return Trainer(cells, where).train()


def _architecture(cell: Cell, data: Data) -> Architecture:
    return Architecture(
        data.in_features, data.out_features, cell.depth, cell.width, cell.activation, cell.norm,
        cell.norm_position.name, cell.residual.name, cell.residual_scale, cell.dropout,
    )  # fmt: skip


class Trainer:
    """One bank in training: its parameters `flat_RP`, its samples, its optimiser, and a row for each probe."""

    def __init__(self, cells: Sequence[Cell], device: torch.device) -> None:
        self.cells, self.shared, self.device = cells, cells[0], device
        _check_shared(cells)
        self.dtype: torch.dtype = PRECISIONS[self.shared.precision.name].load()
        seeds = tuple(dict.fromkeys(cell.seed for cell in cells))
        seed_of_R = torch.tensor([seeds.index(cell.seed) for cell in cells])
        self.data = load(self.shared.task, seeds)
        self.model: MLP = MODELS[self.shared.model.name].load()(_architecture(self.shared, self.data))
        starts = [Start(cell.seed, cell.init, cell.bias_std) for cell in cells]
        self.flat_RP = self.model.initial(starts).to(device, self.dtype)
        self.grad_RP = torch.zeros_like(self.flat_RP)
        self.running = self.model.running(len(cells), self.dtype, device)
        layout = self.model.layout
        self.params, self.leaves = layout.leaves(self.flat_RP)
        self.grads = [slot.view(self.grad_RP) for slot in layout.slots]
        rules = [Rule(cell.optimizer, cell.lr or 0.0, cell.weight_decay) for cell in cells]
        self.optimizer = BankOptimizer(self.flat_RP, self.grad_RP, rules)
        self.clips = Clips([cell.clip for cell in cells], layout)
        self.penalty = Penalty([cell.l1 for cell in cells], [cell.l2 for cell in cells], layout, self.flat_RP)
        self.factor = schedule(self.shared.lr_schedule, self.shared.steps, self.shared.warmup)

        self.train_samples = samples(self.data, "train", seed_of_R, self.dtype, device)
        self.test_x, self.test_y = samples(self.data, "test", seed_of_R, self.dtype, device).all()
        self.batches = Batches(seeds, self.train_samples.size, self.shared.batch_size, device)
        blocks = (self.shared.depth, self.shared.width)
        self.dropout = Dropout(seeds, seed_of_R, self.shared.dropout, blocks, "train")
        n = min(self.shared.probe_batch_size, self.train_samples.size)
        chosen = Batches(seeds, self.train_samples.size, n, device, purpose="probe").next()
        self.probe_x, self.probe_y = samples(self.data, "train", seed_of_R, torch.float64, device).gather(chosen)
        probe_dropout = Dropout(seeds, seed_of_R, self.shared.dropout, blocks, "probe")
        self.probe_masks = probe_dropout.draw(n, torch.float64, device)

        self.diverged_at_R = torch.full((len(cells),), -1, device=device)
        self.clipped_R = torch.zeros(len(cells), dtype=torch.float64, device=device)
        self.coef_sum_R = torch.zeros_like(self.clipped_R)
        self.rows: list[dict[str, Tensor]] = []

    def train(self) -> tuple[Record, ...]:
        """Make every update and every probe, and return one record a cell."""
        at = probe_steps(self.shared.steps, self.shared.probe_at)
        for step in range(self.shared.steps + 1):
            last = step == self.shared.steps
            if step in at:
                self.measure(step)
            if not last:
                self.step(step, watched=step in at)
        return self._records(at)

    def measure(self, step: int) -> None:
        """Measure, in float64 and with subnormals, and judge on the held-out samples."""
        torch.set_flush_denormal(False)
        profile = probe(self.model, self.flat_RP, self.probe_x, self.probe_y, self.data.loss, self.probe_masks)
        torch.set_flush_denormal(True)
        with torch.no_grad():
            output = self.model.forward(self.params, self.test_x, "eval", running=self.running)
            metric_R = self.data.criterion.metric(output, self.test_y)
        self._watch_divergence(step, profile.loss_R)
        unknown_R = torch.full_like(profile.loss_R, torch.nan)
        self.rows.append({
            **{f.name: getattr(profile, f.name) for f in dataclasses.fields(Profile)},
            "metric_R": metric_R.double(),
            "update_ratio_RL": torch.full_like(profile.weight_norm_RL, torch.nan),
            "clip_before_R": unknown_R, "clip_after_R": unknown_R, "clip_coef_R": unknown_R,
        })  # fmt: skip

    def _watch_divergence(self, step: int, loss_R: Tensor) -> None:
        new_R = (self.diverged_at_R < 0) & ~loss_R.isfinite()
        self.diverged_at_R.masked_fill_(new_R, step)

    def step(self, step: int, *, watched: bool = False) -> None:
        """Make one update; where `watched`, note in the last row what it did."""
        x, y = self.train_samples.gather(self.batches.next())
        masks = self.dropout.draw(x.shape[1], self.dtype, self.device)
        output = self.model.forward(self.params, x, "train", running=self.running, masks_LRNO=masks)
        loss_R = self.data.loss(output, y)
        # a sum keeps the replicas apart; a mean would scale every gradient by 1/R
        torch._foreach_copy_(self.grads, torch.autograd.grad(loss_R.sum(), self.leaves))
        self._watch_divergence(step, loss_R.detach())
        self.penalty.add(self.grad_RP, self.flat_RP)
        if self.clips or watched:
            self._clip(self.clips(self.grad_RP, self.flat_RP), watched)
        before_RP = self.flat_RP.clone() if watched else None
        self.optimizer.step(self.factor(step))
        if before_RP is not None:
            moved_RL = weight_norms(self.model, self.flat_RP.double() - before_RP.double())
            self.rows[-1]["update_ratio_RL"] = moved_RL / self.rows[-1]["weight_norm_RL"]

    def _clip(self, clipping: Clipping, watched: bool) -> None:
        live_R = self.diverged_at_R < 0
        coef_R = clipping.coef_R.double()
        self.clipped_R += (clipping.after_R < clipping.before_R) & live_R
        self.coef_sum_R += torch.where(live_R, coef_R, 0.0)
        if watched:
            self.rows[-1] |= {
                "clip_before_R": clipping.before_R.double(),
                "clip_after_R": clipping.after_R.double(),
                "clip_coef_R": coef_R,
            }

    def _records(self, at: tuple[int, ...]) -> tuple[Record, ...]:
        """Turn the rows of all probes into one record a cell. The only place that waits for the device."""
        table = {name: torch.stack([row[name] for row in self.rows], 1).cpu().numpy() for name in self.rows[0]}
        diverged_at = self.diverged_at_R.tolist()
        clipped, coefs = self.clipped_R.tolist(), self.coef_sum_R.tolist()
        mean_square = self.probe_x.square().mean((1, 2)).tolist()
        total = np.exp(table.pop("log_grad_norm_total_R"))
        criterion = self.data.criterion
        records = []
        for r, cell in enumerate(self.cells):
            steps = self.shared.steps if diverged_at[r] < 0 else diverged_at[r]
            clips = cell.clip.name != "none" and steps > 0
            arrays = {name.rpartition("_")[0]: np.ascontiguousarray(values[r]) for name, values in table.items()}
            records.append(
                Record(
                    cell=cell_id(cell),
                    status="ok" if diverged_at[r] < 0 else "diverged",
                    diverged_at=None if diverged_at[r] < 0 else diverged_at[r],
                    steps=steps,
                    in_features=self.data.in_features,
                    out_features=self.data.out_features,
                    input_mean_square=mean_square[r],
                    metric_name=criterion.name,
                    learned=bool(arrays["metric"][-1] >= criterion.learned_from),
                    clip_rate=clipped[r] / steps if clips else float("nan"),
                    clip_coef_mean=coefs[r] / steps if clips else float("nan"),
                    probe_steps=np.array(at, dtype=np.int64),
                    grad_norm_total=total[r],
                    **arrays,
                )
            )
        return tuple(records)


def _check_shared(cells: Sequence[Cell]) -> None:
    for field in SETTINGS.values():
        if not field.per_replica and len({getattr(cell, field.attribute) for cell in cells}) > 1:
            raise ValueError(f"the cells of a bank must agree in {field.key}")
