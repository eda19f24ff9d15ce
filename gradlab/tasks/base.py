"""What a task hands to training: samples, a loss per replica, and its own criterion for having learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from gradlab.registry import TASKS, Named

__all__ = ["ACCURACY", "R2", "Criterion", "Data", "classification", "cross_entropy", "load", "mse", "regression"]


def cross_entropy(output_RNC: Tensor, target_RN: Tensor) -> Tensor:
    """Return the mean cross-entropy of each replica, `[R]`, in nats; targets are class indices."""
    losses = F.cross_entropy(output_RNC.flatten(0, 1), target_RN.flatten(), reduction="none")
    return losses.view(target_RN.shape).mean(1)


def mse(output_RNC: Tensor, target_RNC: Tensor) -> Tensor:
    """Return the mean squared error of each replica over samples and outputs, `[R]`."""
    return (output_RNC - target_RNC).square().mean((1, 2))


def _accuracy(output_RNC: Tensor, target_RN: Tensor) -> Tensor:
    right_RN = (output_RNC.argmax(2) == target_RN).to(output_RNC.dtype)
    # argmax of NaNs is a class like any other: a network without finite outputs knows nothing
    return right_RN.mean(1).where(output_RNC.isfinite().all(2).all(1), torch.nan)


def _r2(output_RNC: Tensor, target_RNC: Tensor) -> Tensor:
    total_R1C = (target_RNC - target_RNC.mean(1, keepdim=True)).square().mean((1, 2))
    return 1 - mse(output_RNC, target_RNC) / total_R1C


@dataclass(frozen=True, slots=True)
class Criterion:
    """How a task judges: a metric on held-out samples, `[R]`, larger is better, and where `learned` begins."""

    name: str
    metric: Callable[[Tensor, Tensor], Tensor]
    learned_from: float


def ACCURACY(learned_from: float) -> Criterion:
    return Criterion("accuracy", _accuracy, learned_from)


def R2(learned_from: float) -> Criterion:
    return Criterion("r2", _r2, learned_from)


@dataclass(frozen=True, slots=True)
class Data:
    """Samples for S seeds, or for all of them at once with S = 1; M training and T test samples, float64, CPU.

    Inputs are `[S, M, I]`; targets `[S, M]` class indices or `[S, M, C]` numbers.
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    out_features: int
    loss: Callable[[Tensor, Tensor], Tensor]
    criterion: Criterion

    @property
    def in_features(self) -> int:
        """I, the number of input features."""
        return int(self.train_x.shape[-1])


def classification(x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor], classes: int, criterion: Criterion) -> Data:
    """Return the data of a classification task from (train, test) pairs with the leading seed axis."""
    return Data(x[0], y[0], x[1], y[1], classes, cross_entropy, criterion)


def regression(x: tuple[Tensor, Tensor], y: tuple[Tensor, Tensor], criterion: Criterion) -> Data:
    """Return the data of a regression task from (train, test) pairs with the leading seed axis."""
    return Data(x[0], y[0], x[1], y[1], int(y[0].shape[-1]), mse, criterion)


def load(task: Named, seeds: Sequence[int]) -> Data:
    """Return the data that a spec's task draws for these seeds.

    Raises:
        DataError: the user's file cannot be read as the spec says.
    """
    data: Data = TASKS[task.name].load()(seeds, **task.resolve(TASKS))
    return data
