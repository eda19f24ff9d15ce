"""The same cells on the CPU and on the device: how far their numbers are apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gpu_sections import Context
from gradlab.cell import Cell
from gradlab.training.loop import train_bank

__all__ = ["differences"]


def differences(context: Context, cells: Sequence[Cell]) -> dict[str, float]:
    """Return the largest differences between both devices over all cells."""
    pairs = list(zip(train_bank(cells, "cpu"), train_bank(cells, context.device), strict=True))
    late = ("train_loss_q3", "train_loss_q4")
    return {
        "log10_grad_norm_first": max(_apart(a.log_grad_norm[0], b.log_grad_norm[0]) for a, b in pairs) / np.log(10),
        "log10_grad_norm_last": max(_apart(a.log_grad_norm[-1], b.log_grad_norm[-1]) for a, b in pairs) / np.log(10),
        "relative_loss": max(_apart(a.loss / b.loss, np.ones(len(a.loss))) for a, b in pairs),
        "relative_late_loss": max(_apart(getattr(a, name) / getattr(b, name), 1.0) for a, b in pairs for name in late),
        "clip_rate": max(_apart(np.nan_to_num(a.clip_rate), np.nan_to_num(b.clip_rate)) for a, b in pairs),
    }


def _apart(one: NDArray[np.float64] | float, other: NDArray[np.float64] | float) -> float:
    """Return the largest difference, 0 where both are infinite; infinite where one of two is no number."""
    a, b = np.broadcast_arrays(np.asarray(one, np.float64), np.asarray(other, np.float64))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    return float(np.where(same, 0.0, np.nan_to_num(np.abs(a - b), nan=np.inf)).max())
