"""What a task hands to training: samples, a loss per replica, and its own criterion for having learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gradlab.components import TASKS, Named
from gradlab.datafiles.files import require_unchanged
from gradlab.errors import UsageError
from gradlab.tasks.losses import Loss, cross_entropy, mean, mse

__all__ = [
    "ACCURACY",
    "R2",
    "Criterion",
    "Data",
    "Scaling",
    "classification",
    "load",
    "regression",
]


def _accuracy(output: Tensor, target: Tensor) -> Tensor:
    right = (output.argmax(-1) == target).to(output.dtype)
    # argmax of NaNs is a class like any other: a network without finite outputs knows nothing
    return mean(right).where(output.isfinite().flatten(1).all(1), torch.nan)


def _r2(output: Tensor, target: Tensor) -> Tensor:
    return 1 - mse(output, target) / mean((target - target.mean(1, keepdim=True)).square())


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
    """Samples for S seeds, or for all of them at once with S = 1, on the CPU; M of them to train, others to test.

    Inputs are `[S, M, I]`, of sequences `[S, M, T, I]`; targets `[S, M]` class indices or `[S, M, C]` numbers.
    Numbers are float64, float32 where that is enough for much data; indices are of any integer type, and no two
    elements need have a place of their own in memory (windows of a text).
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    out_features: int
    loss: Loss
    criterion: Criterion
    probe_loss: Loss | None = None
    """What a probe differentiates where that is not `loss`: of a sequence with a loss at every step, the last one's."""
    vocabulary: tuple[int, ...] = ()
    """For inputs that are indices: how many values each of the I of them has. Empty for real inputs."""
    per_step: bool = False
    """Whether every time step has a target, `[S, M, T]` or `[S, M, T, C]`, and an output, `[R, N, T, C]`."""
    shape: tuple[int, ...] = ()
    """Of a sample of I numbers that has one: channels and positions, as ``(C, H, W)``, C first. Empty: it has none."""

    @property
    def in_features(self) -> int:
        """I, the number of input features."""
        return int(self.train_x.shape[-1])


def classification(
    x: tuple[Tensor, Tensor],
    y: tuple[Tensor, Tensor],
    classes: int,
    criterion: Criterion,
    vocabulary: tuple[int, ...] = (),
    shape: tuple[int, ...] = (),
) -> Data:
    """Return the data of a classification task from (train, test) pairs with the leading seed axis."""
    return Data(x[0], y[0], x[1], y[1], classes, cross_entropy, criterion, vocabulary=vocabulary, shape=shape)


def regression(
    x: tuple[Tensor, Tensor],
    y: tuple[Tensor, Tensor],
    criterion: Criterion,
    vocabulary: tuple[int, ...] = (),
    shape: tuple[int, ...] = (),
) -> Data:
    """Return the data of a regression task from (train, test) pairs with the leading seed axis."""
    return Data(x[0], y[0], x[1], y[1], int(y[0].shape[-1]), mse, criterion, vocabulary=vocabulary, shape=shape)


@dataclass(frozen=True, slots=True)
class Scaling:
    """What is done to the data of any task: inputs become ``scale * x + shift``, targets ``target_scale * y``."""

    scale: float = 1.0
    shift: float = 0.0
    target_scale: float = 1.0

    def of(self, task: str, data: Data) -> Data:
        """Return the scaled data of the task of that name.

        Raises UsageError for inputs that are indices, and for targets that are classes.
        """
        if (self.scale, self.shift) != (1, 0):
            if data.vocabulary:
                raise UsageError(f"the inputs of {task} are indices, which have no scale", "leave inputs out")
            train_x, test_x = (self.scale * x + self.shift for x in (data.train_x, data.test_x))
            data = replace(data, train_x=train_x, test_x=test_x)
        if self.target_scale != 1:
            if not data.train_y.is_floating_point():
                raise UsageError(f"the targets of {task} are classes, which have no scale", "leave targets out")
            data = replace(data, train_y=self.target_scale * data.train_y, test_y=self.target_scale * data.test_y)
        return data


AS_DRAWN = Scaling()


def load(
    task: Named, seeds: Sequence[int], seq_len: int | None = None, scaling: Scaling = AS_DRAWN, digest: str = ""
) -> Data:
    """Return the data that a spec's task draws for these seeds, of a task of sequences with `seq_len` steps each.

    `digest` is the SHA-256 that the task's file must have, if it has one.

    Raises:
        DataError: the user's file cannot be read as the spec says, or is not the one that it was; UsageError for a
            scaling that the task cannot have.
    """
    component = TASKS[task.name]
    length = {"seq_len": seq_len} if component.of_sequences else {}
    data: Data = component.load()(seeds, **length, **task.resolve(TASKS))
    if digest:
        require_unchanged(
            Path(str(dict(task.params)["path"])), digest
        )  # after reading: what was read is what is checked
    return scaling.of(task.name, data)
