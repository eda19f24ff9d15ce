"""Accumulates the measurements of a bank over its probed steps: probes, divergence, clipping; in the end its records.

Everything stays on the device until the end, so that the training step never waits for a number.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradlab.cell import Cell, cell_id
from gradlab.columns import field_names
from gradlab.optim import Clipping
from gradlab.probing import Profile
from gradlab.record import Record
from gradlab.tasks import Data
from gradlab.training.loss_curve import LossCurve

__all__ = ["Measurements"]


class Measurements:
    """The measurements of R replicas; rows hold tensors `[R]` and `[R, L]`."""

    def __init__(self, replicas: int, steps: int, device: torch.device) -> None:
        self.rows: list[dict[str, Tensor]] = []
        self._finite_R = torch.ones(replicas, dtype=torch.bool, device=device)
        """Whether no loss has been anything but finite."""
        self._steps_R = torch.zeros(replicas, dtype=torch.int64, device=device)
        """Updates made until then, counted on the device, where a CUDA graph can count them."""
        self._clipped_R = torch.zeros(replicas, dtype=torch.float64, device=device)
        self._coef_sum_R = torch.zeros_like(self._clipped_R)
        self._last_finite_R = torch.full_like(self._clipped_R, torch.nan)
        self._curve = LossCurve(replicas, steps, device)

    def probed(
        self, profile: Profile, metrics: Mapping[str, Tensor], loss_scale_R: Tensor, displacement_RL: Tensor
    ) -> None:
        """Begin the row of a probe; `metrics` are the columns of the metric, `[R]` each."""
        self.watch(profile.loss_R)
        unknown_R = torch.full_like(profile.loss_R, torch.nan)
        self.rows.append({
            **{f.name: getattr(profile, f.name) for f in dataclasses.fields(Profile)},
            **{f"{name}_R": metric_R.double() for name, metric_R in metrics.items()},
            "loss_scale_R": loss_scale_R.double().clone(),
            "displacement_RL": displacement_RL,
            "update_ratio_RL": torch.full_like(profile.weight_norm_RL, torch.nan),
            "clip_before_R": unknown_R, "clip_after_R": unknown_R, "clip_coef_R": unknown_R,
        })  # fmt: skip

    def watch(self, loss_R: Tensor) -> None:
        """Note which replicas have a loss that is not finite."""
        self._finite_R &= (loss_R - loss_R) == 0  # fewer operations than isfinite

    def at(self, step: int) -> None:
        """Say which step is made next."""
        self._curve.at(step)

    def trained(self, loss_R: Tensor) -> None:
        """Note the loss of a training batch, the last finite one where it is not."""
        self.watch(loss_R)
        loss_R = loss_R.double()
        torch.where(self._finite_R, loss_R, self._last_finite_R, out=self._last_finite_R)
        self._curve.add(loss_R)

    def clipped(self, clipping: Clipping, *, watched: bool) -> None:
        """Count one step of clipping; where `watched`, note its numbers in the last row."""
        coef_R = clipping.coef_R.double()
        self._clipped_R += (clipping.after_R < clipping.before_R) & self._finite_R
        self._coef_sum_R += torch.where(self._finite_R, coef_R, 0.0)
        if watched:
            self.rows[-1] |= {
                "clip_before_R": clipping.before_R.double(),
                "clip_after_R": clipping.after_R.double(),
                "clip_coef_R": coef_R,
            }

    def moved(self, moved_RL: Tensor) -> None:
        """Note in the last row how far the weights went in the step after it."""
        self.rows[-1]["update_ratio_RL"] = moved_RL / self.rows[-1]["weight_norm_RL"]

    def stepped(self) -> None:
        """Count one update."""
        self._steps_R += self._finite_R

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs."""
        return {"rows": self.rows, "counts": self._counts()}

    def _counts(self) -> list[Tensor]:
        counts = [self._finite_R, self._steps_R, self._clipped_R, self._coef_sum_R]
        return [*counts, self._last_finite_R, self._curve.sum_BR]

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        device = self._finite_R.device
        self.rows = [{name: value.to(device) for name, value in row.items()} for row in state["rows"]]
        for counter, saved in zip(self._counts(), state["counts"], strict=True):
            counter.copy_(saved)

    def records(
        self,
        cells: Sequence[Cell],
        at: tuple[int, ...],
        data: Data,
        mean_square: Sequence[float],
        target_mean_square: Sequence[float],
    ) -> tuple[Record, ...]:
        """Turn the rows of all probes into one record a cell. The only place that waits for the device."""
        recorded = field_names()
        columns = {name: name.rpartition("_")[0] for name in self.rows[0]}
        table = {
            column: torch.stack([row[name] for row in self.rows], 1).cpu().numpy()
            for name, column in columns.items()
            if column in recorded or column == "log_grad_norm_total"
        }
        finite, steps_taken = self._finite_R.tolist(), self._steps_R.tolist()
        clipped, coefs = self._clipped_R.tolist(), self._coef_sum_R.tolist()
        last_finite, late = self._last_finite_R.tolist(), self._curve.late()
        total = np.exp(table.pop("log_grad_norm_total"))
        criterion = data.criterion
        records = []
        for r, cell in enumerate(cells):
            steps: int = steps_taken[r]
            clips = cell.clip.name != "none" and steps > 0
            arrays = {name: np.ascontiguousarray(values[r]) for name, values in table.items()}
            records.append(
                Record(
                    cell=cell_id(cell),
                    status="ok" if finite[r] else "diverged",
                    diverged_at=None if finite[r] else steps,
                    steps=steps,
                    in_features=data.in_features,
                    out_features=data.out_features,
                    input_mean_square=mean_square[r],
                    target_mean_square=target_mean_square[r],
                    loss_last_finite=last_finite[r],
                    train_loss_q3=float(late.third_quarter[r]),
                    train_loss_q4=float(late.last_quarter[r]),
                    train_loss_se=float(late.error[r]),
                    metric_name=criterion.name,
                    learned=bool(arrays["metric"][-1] >= criterion.learned_from),
                    test_learned=bool(arrays["test_metric"][-1] >= criterion.learned_from),
                    clip_rate=clipped[r] / steps if clips else float("nan"),
                    clip_coef_mean=coefs[r] / steps if clips else float("nan"),
                    probe_steps=np.array(at, dtype=np.int64),
                    grad_norm_total=total[r],
                    **arrays,
                )
            )
        return tuple(records)
