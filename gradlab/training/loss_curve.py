"""The loss of the training batches over the steps, in a few bins, and what it does at the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["LateLoss", "LossCurve"]

BINS = 64


@dataclass(frozen=True, slots=True)
class LateLoss:
    """The mean training loss late in training, `[R]` each; NaN where there are too few steps or one is not finite."""

    third_quarter: NDArray[np.float64]
    last_quarter: NDArray[np.float64]
    error: NDArray[np.float64]
    """Standard error of their difference, from the scatter of the bins about a line through both quarters."""


class LossCurve:
    """Means of the training loss over `BINS` stretches of the steps (over single steps where these are fewer).

    Adding a loss is one indexed sum on the device, so that a CUDA graph can record it; the step is set outside.
    """

    def __init__(self, replicas: int, steps: int, device: torch.device) -> None:
        self.bins = min(steps, BINS)
        self._steps = steps
        self._bin = 0
        self._index = torch.zeros(1, dtype=torch.int64, device=device)
        self.sum_BR = torch.zeros(self.bins, replicas, dtype=torch.float64, device=device)

    def at(self, step: int) -> None:
        """Say which step the losses to be added belong to."""
        if (index := step * self.bins // self._steps) != self._bin:
            self._bin = index
            self._index.fill_(index)

    def add(self, loss_R: Tensor) -> None:
        """Add the losses of the step, float64."""
        self.sum_BR.index_add_(0, self._index, loss_R.unsqueeze(0))

    def late(self) -> LateLoss:
        """Return the means of the last two quarters of the bins."""
        sums = self.sum_BR.cpu().numpy()
        quarter = self.bins // 4
        missing = np.full(sums.shape[1], np.nan)
        if not quarter:
            return LateLoss(missing, missing, missing)
        steps = np.bincount(np.arange(self._steps) * self.bins // self._steps, minlength=self.bins)
        with np.errstate(all="ignore"):  # the sums of replicas that diverged
            late = (sums / steps[:, None])[-2 * quarter :]
            third, last = late[:quarter].mean(axis=0), late[quarter:].mean(axis=0)
            finite = np.isfinite(third) & np.isfinite(last)
            third, last = np.where(finite, third, np.nan), np.where(finite, last, np.nan)
            return LateLoss(third, last, _scatter(late) * np.sqrt(2 / quarter) if quarter > 1 else missing)


def _scatter(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation of columns [n, R], n above 2, about their least-squares lines."""
    n = len(values)
    x = np.arange(n) - (n - 1) / 2
    centred = values - values.mean(axis=0)
    residuals = centred - np.outer(x, x @ centred / (x @ x))
    squares: NDArray[np.float64] = np.square(residuals).sum(axis=0) / (n - 2)
    return np.sqrt(squares)
