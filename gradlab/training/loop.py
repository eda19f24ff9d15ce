"""The one loop: a bank of cells in, their records out. No processes, no printing, and of files only the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from gradlab.cell import SETTINGS, Cell, cell_id, mixes_activations, probe_steps
from gradlab.components import NORMS, RESIDUALS, TASKS
from gradlab.errors import DataError, UsageError
from gradlab.families import FAMILIES
from gradlab.families.chain import Gradients, outputs
from gradlab.families.network import Architecture, Context, Model
from gradlab.nn.buffers import Buffers
from gradlab.nn.parameters import Start
from gradlab.optim import BankOptimizer, Clips, Penalty, Rule, schedule
from gradlab.probing import Profile, probe, probe_profile, weight_norms
from gradlab.record import Record
from gradlab.tasks import Data, Scaling, load
from gradlab.tasks.halves import held_out_halves
from gradlab.tasks.losses import with_pullback
from gradlab.training.batches import Batches, Dropout, samples
from gradlab.training.checkpoint import Checkpoint
from gradlab.training.graph import Replay
from gradlab.training.measurements import Measurements
from gradlab.training.precision import LossScale, Precision

__all__ = ["Trainer", "architecture", "train_bank"]

JUDGED_AT_ONCE = 1024
"""Held-out samples in one forward pass: the states of long sequences take memory."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """Banks run beside each other, and one thread gives the same bits anywhere."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _subnormals_flushed() -> Iterator[None]:
    """Deep sigmoid networks produce subnormal float32 gradients by the thousand, each a hundred cycles on a CPU."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def train_bank(
    cells: Sequence[Cell], device: str = "cpu", checkpoint: Checkpoint | None = None, *, graph: bool = True
) -> tuple[Record, ...]:
    """Train cells that agree in every shared field as one bank and return their records, in order.

    With a `checkpoint` it goes on from the state found there, to the same records, and keeps its own now and then.
    `graph`: on a CUDA device, launch the training step as a CUDA graph.

    Raises:
        DataError: the task's file cannot be used.
        ValueError: the cells do not belong into one bank.
    """
    with _one_thread():
        return Trainer(cells, torch.device(device), graph=graph).train(checkpoint)


def architecture(cells: Sequence[Cell], data: Data) -> Architecture:
    """Return what fixes the tensors of a bank of these cells with the data of their task."""
    cell = cells[0]
    return Architecture(
        cell.model, data.in_features, data.out_features, cell.depth, cell.width, cell.activation, cell.norm,
        cell.norm_position.name, cell.residual.name, cell.residual_scale, cell.dropout,
        cell.seq_len, data.vocabulary, data.per_step, tuple(cell.activation for cell in cells),
        shape=data.shape, seeds=tuple(cell.seed for cell in cells),
        layer_scale=cell.residual.resolve(RESIDUALS).get("start", 1.0),
    )  # fmt: skip


class Trainer:
    """One bank in training: its parameters `flat_RP`, its samples, its optimiser, and its measurements."""

    def __init__(self, cells: Sequence[Cell], device: torch.device, *, graph: bool = True) -> None:
        self.cells, self.shared, self.device = cells, cells[0], device
        _check_shared(cells)
        self.precision = Precision.of(self.shared.precision)
        compute, master = self.precision.compute, self.precision.master
        place = {seed: index for index, seed in enumerate(dict.fromkeys(cell.seed for cell in cells))}
        seeds, seed_of_R = tuple(place), torch.tensor([place[cell.seed] for cell in cells])
        scaling = Scaling(self.shared.input_scale, self.shared.input_shift, self.shared.target_scale)
        self.data = load(self.shared.task, seeds, self.shared.seq_len, scaling, self.shared.data_digest)
        count = int(self.data.train_x.shape[1])
        if count < NORMS[self.shared.norm.name].least.get("train.batch_size", 0):
            raise DataError(f"norm: {self.shared.norm.name} over {count} sample: task {self.shared.task} has no more")
        if self.shared.norm.name == "weight" and self.data.in_features == 1 and not self.data.vocabulary:
            raise DataError(f"norm: weight with one input, as task {self.shared.task} has: one weight has no deviation")
        shaped = FAMILIES[self.shared.model.name], TASKS[self.shared.task.name]
        if (refused := shaped[0].refuses_shape(self.shared.model, shaped[1], self.data.shape)) is not None:
            raise DataError(*refused)
        self.model: Model = FAMILIES[self.shared.model.name].load()(architecture(cells, self.data))
        if self.shared.dropout and not self.model.dropped:
            raise UsageError(f"model {self.shared.model.name} has nothing that dropout acts on", "leave dropout out")
        starts = [Start(cell.seed, cell.init, cell.bias_std, cell.branch_init) for cell in cells]
        self.flat_RP = self.model.layout.initial(starts).to(device, master)
        self.initial_RP = self.flat_RP.clone()
        self.initial_norm_RL = weight_norms(self.model, self.initial_RP)
        self.grad_RP = torch.zeros_like(self.flat_RP)
        self.running = self.model.running(len(cells), master, device)
        layout = self.model.layout
        self.compute_RP = self.flat_RP.to(compute) if self.precision.mixed else self.flat_RP
        """The parameters as the network sees them: `flat_RP` itself, or a copy in 16 bits."""
        self.params, leaves = layout.leaves(self.compute_RP)
        self.gradients = Gradients(self.model, self.params, leaves, layout.views(self.grad_RP))
        self.probe_buffers = Buffers()
        self.loss_scale = LossScale(self.precision, len(cells), device)
        rules = [Rule(cell.optimizer, cell.lr or 0.0, cell.weight_decay) for cell in cells]
        self.optimizer = BankOptimizer(self.flat_RP, self.grad_RP, rules, layout, separate=self.precision.scaled)
        self.clips = Clips([cell.clip for cell in cells], layout)
        self.penalty = Penalty([cell.l1 for cell in cells], [cell.l2 for cell in cells], layout, self.flat_RP)
        self.factor = schedule(self.shared.lr_schedule, self.shared.steps, self.shared.warmup)

        self.train_samples = samples(self.data, "train", seed_of_R, compute, device, master)
        self.test_x, self.test_y = samples(self.data, "test", seed_of_R, compute, device, master).all()
        self.halves = tuple(half.to(device) for half in held_out_halves(self.test_x.shape[1]))
        self.batches = Batches(seeds, self.train_samples.size, self.shared.batch_size, device)
        self.index_SN = torch.zeros(len(seeds), self.shared.batch_size, dtype=torch.int64, device=device)
        dropped = (seeds, seed_of_R, self.shared.dropout, self.model.dropped)
        self.dropout = Dropout(*dropped, "train", device)
        n = min(self.shared.probe_batch_size, self.train_samples.size)
        probe_index = Batches(seeds, self.train_samples.size, n, device, purpose="probe").next()
        self.probe_x, self.probe_y = samples(self.data, "train", seed_of_R, torch.float64, device).gather(probe_index)
        self.probe_masks = Dropout(*dropped, "probe", device).draw(n, torch.float64)
        self.measures_all = self.shared.probe_record == "all"
        self.measurements = Measurements(len(cells), self.shared.steps, device)
        # masks come from streams of our own and a left-out step is decided on the CPU: neither can be recorded
        graphable = self.shared.dropout == 0 and not self.precision.scaled and self.optimizer.recordable
        graphable = graphable and self.model.recordable
        self.replay = Replay(self._update) if graph and device.type == "cuda" and graphable else None

    def train(self, checkpoint: Checkpoint | None = None) -> tuple[Record, ...]:
        """Make every update and every probe, and return one record a cell."""
        at = probe_steps(self.shared.steps, self.shared.probe_at)
        key = [*map(cell_id, self.cells), self.device.type]
        restored = checkpoint.load(key, self.state()) if checkpoint is not None else None
        start = 0
        if restored is not None:
            start = restored[0]
            self.restore(restored[1])
        for step in range(start, self.shared.steps + 1):
            if checkpoint is not None and step > start and checkpoint.due():
                checkpoint.save(key, step, self.state())
            if step in at:
                self.measure(step)
            if step < self.shared.steps:
                with _subnormals_flushed():
                    self.step(step, watched=step in at)
        # the size of an index, of a vocabulary or of classes, says nothing
        inputs = self._mean_square(self.probe_x, numbers=not self.data.vocabulary)
        targets = self._mean_square(self.probe_y, numbers=self.probe_y.is_floating_point())
        return self.measurements.records(self.cells, at, self.data, inputs, targets)

    def _mean_square(self, values: Tensor, *, numbers: bool) -> list[float]:
        """Return the mean square of the values of each replica; NaN where they are no numbers."""
        mean_square: list[float] = values.double().square().flatten(1).mean(1).tolist()
        return mean_square if numbers else [float("nan")] * len(self.cells)

    def measure(self, step: int) -> None:
        """Measure, in float64 and with subnormals, and judge on the held-out samples."""
        scale_R, data = self.loss_scale.scale_R, self.data
        # the last step's loss alone tells how far back a gradient goes along time; along the depth all steps count
        watched = data.probe_loss if self.model.read_at_links else None
        batch = (self.model, self.flat_RP, self.probe_x, self.probe_y, data.loss, self.probe_masks)
        if self.measures_all:
            smallest_R = self.precision.smallest(self.device) / scale_R.double()
            options = {"buffers": self.probe_buffers, "running": self.running}
            profile = probe(*batch, smallest_R=smallest_R, probe_loss=watched, **options)
        else:
            profile = probe_profile(*batch, probe_loss=watched, running=self.running)
        with _subnormals_flushed(), torch.no_grad():
            metrics = self._metrics(self._judged())
        self.measurements.probed(profile, metrics, scale_R, self._displacement(profile))

    def _metrics(self, output: Tensor) -> dict[str, Tensor]:
        """Return the metric of outputs for all held-out samples, on all of them and on each half, `[R]` each."""
        metric = self.data.criterion.metric
        validation, test = (
            metric(output[:, half], self.test_y[:, half]) if len(half) else output.new_full((len(output),), torch.nan)
            for half in self.halves
        )
        return {"metric": metric(output, self.test_y), "validation_metric": validation, "test_metric": test}

    def _displacement(self, profile: Profile) -> Tensor:
        """Return how far the weights of each link are from those before training, over their norm then, `[R, L]`."""
        if not self.measures_all:
            return torch.full_like(profile.log_grad_norm_RL, torch.nan)
        moved_RL = weight_norms(self.model, self.flat_RP, self.initial_RP)
        return torch.where(moved_RL == 0, 0.0, moved_RL / self.initial_norm_RL)

    def _judged(self) -> Tensor:
        """Return the outputs for all held-out samples, in the format of the weights."""
        self._refresh()
        ctx = Context("eval", self.running)
        parts = [outputs(self.model, self.params, x, ctx) for x in torch.split(self.test_x, JUDGED_AT_ONCE, 1)]
        return (parts[0] if len(parts) == 1 else torch.cat(parts, 1)).to(self.precision.master)

    def _refresh(self) -> None:
        if self.precision.mixed:
            self.compute_RP.copy_(self.flat_RP)

    def step(self, step: int, *, watched: bool = False) -> None:
        """Make one update; where `watched`, note in the last row what it did."""
        self.index_SN.copy_(self.batches.next())
        self.measurements.at(step)
        self.optimizer.set_factor(self.factor(step))
        before_RP = self.flat_RP.clone() if watched and self.measures_all else None
        if self.replay is not None and not watched:
            self.replay()
        else:
            self._update(watched)
        if before_RP is not None:
            self.measurements.moved(weight_norms(self.model, self.flat_RP, before_RP))

    def _update(self, watched: bool = False) -> None:
        """One update on the batch `index_SN`. On a CUDA device this is what is recorded."""
        x, y = self.train_samples.gather(self.index_SN)
        masks = self.dropout.draw(x.shape[1], self.precision.compute)
        self._refresh()

        def objective(output: Tensor) -> tuple[Tensor, Tensor]:
            loss_R, pull = with_pullback(self.data.loss, output.to(self.precision.master), y)
            # of the sum over replicas, which keeps them apart; a mean would scale every gradient by 1/R
            weight_R = self.loss_scale.scale_R if self.precision.scaled else torch.ones_like(loss_R)
            return loss_R, pull(weight_R).to(output)

        loss_R = self.gradients(x, Context("train", self.running, masks), objective)
        self.measurements.trained(loss_R)
        finite_R = self.loss_scale.unscale(self.grad_RP) if self.precision.scaled else None
        self.penalty.add(self.grad_RP, self.flat_RP)
        if self.clips or watched:
            self.measurements.clipped(self.clips(self.grad_RP, self.flat_RP), watched=watched)
        self.optimizer.update(finite_R)
        self.measurements.stepped()

    def state(self) -> dict[str, Any]:
        """Return all that a bank in training changes, for a checkpoint."""
        return {
            "flat_RP": self.flat_RP,
            "running": self.running,
            "optimizer": self.optimizer.state(),
            "loss_scale": self.loss_scale.state(),
            "batches": self.batches.state(),
            "dropout": self.dropout.state(),
            "measurements": self.measurements.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.flat_RP.copy_(state["flat_RP"])
        for running, saved in zip(self.running, state["running"], strict=True):
            running.copy_(saved)
        self.optimizer.restore(state["optimizer"])
        self.loss_scale.restore(state["loss_scale"])
        self.batches.restore(state["batches"])
        self.dropout.restore(state["dropout"])
        self.measurements.restore(state["measurements"])


def _check_shared(cells: Sequence[Cell]) -> None:
    for field in SETTINGS.values():
        mixed = field.per_replica and (field.key != "activation" or all(map(mixes_activations, cells)))
        if not mixed and len({getattr(cell, field.attribute) for cell in cells}) > 1:
            raise ValueError(f"the cells of a bank must agree in {field.key}")
