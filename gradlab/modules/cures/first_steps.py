"""The first steps of training, made on copies: whether a model learns, and what becomes of its gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gradlab.definitions import FIRST_STEPS
from gradlab.modules.copies.deep import deep_copy
from gradlab.modules.copies.isolation import unwrapped
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.summary import Summary, summarise

__all__ = ["LEARNING_RATE", "WARM_UP", "Trained", "trainer"]

LEARNING_RATE = 1e-3
WARM_UP = f"""\
import torch

optimizer = torch.optim.Adam(model.parameters(), lr={LEARNING_RATE})
schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / {FIRST_STEPS}, total_iters={FIRST_STEPS})
# schedule.step() after each optimizer.step()
"""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model after 20 steps of Adam at 1e-3 on the batch that is measured."""

    first_loss: float
    loss: float
    """Of that batch before and after the steps, in the mode that the model is measured in; NaN where it is not
    finite."""
    summary: Summary
    """Of its gradient then."""


def trainer(
    measure: Callable[[nn.Module], ModuleProfile], loss_of: Callable[[nn.Module], Tensor], *,
    vanish: float, explode: float, seed: int = 0,
) -> Callable[..., Trained]:  # fmt: skip
    """Return a function that trains a copy of a model; with `warming=True` the learning rate grows linearly to 1e-3.

    Args:
        measure: measures a model; loss_of: the loss of a model with the batch, a tensor of shape ().
        seed: of what the model draws, as for dropout.
    """

    def train(model: nn.Module, *, warming: bool = False) -> Trained:
        trained, first_loss = _after_steps(unwrapped(model), loss_of, seed, warming=warming)
        profile = measure(trained)
        first_loss, loss = (value if math.isfinite(value) else math.nan for value in (first_loss, profile.loss))
        return Trained(first_loss, loss, summarise([profile], vanish=vanish, explode=explode))

    return train


def _after_steps(
    model: nn.Module, loss_of: Callable[[nn.Module], Tensor], seed: int, *, warming: bool
) -> tuple[nn.Module, float]:
    """Return a trained copy, and the loss before the first step."""
    trained = deep_copy(model, None)
    trained.requires_grad_(True)
    optimizer = torch.optim.Adam(trained.parameters(), lr=LEARNING_RATE)
    start_factor, first_loss = 1 / FIRST_STEPS if warming else 1.0, math.nan
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=start_factor, total_iters=FIRST_STEPS)
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        for step in range(FIRST_STEPS):
            optimizer.zero_grad()
            loss = loss_of(trained)
            first_loss = float(loss.detach()) if step == 0 else first_loss
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    optimizer.zero_grad()
    return trained, first_loss
