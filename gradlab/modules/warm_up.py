"""A learning rate that warms up, tried on copies: what the first steps of training do to the gradient."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradlab.modules.copies import deep_copy
from gradlab.modules.cures import Cure
from gradlab.modules.isolation import unwrapped
from gradlab.modules.profile import ModuleProfile
from gradlab.modules.summary import summarise

__all__ = ["warm_up"]

STEPS = 20
LEARNING_RATE = 1e-3
_CODE = """\
import torch

optimizer = torch.optim.Adam(model.parameters(), lr={lr})
schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / {steps}, total_iters={steps})
# schedule.step() after each optimizer.step()
"""


def warm_up(
    model: nn.Module,
    measure: Callable[[nn.Module], ModuleProfile],
    loss_of: Callable[[nn.Module], Tensor],
    *,
    seed: int = 0,
    vanish: float = 1e-3,
    explode: float = 1e3,
) -> Cure:
    """Train a copy for 20 steps of Adam at 1e-3, and another with a learning rate that grows linearly to that.

    Args:
        model: stays as it is.
        measure: measures a model; loss_of: the loss of a model with the batch, a tensor of shape ().

    Returns:
        The change, with the survival after the steps without (before) and with the warm-up (after); Xiong 2020,
        arXiv 2002.04745.
    """
    thresholds = {"vanish": vanish, "explode": explode}
    before, after = (
        summarise([measure(_trained(unwrapped(model), loss_of, seed, warming=warming))], **thresholds)
        for warming in (False, True)
    )
    words = f"a learning rate that warms up over {STEPS} steps of Adam, seen after them"
    return Cure(words, "Xiong 2020, arXiv 2002.04745", _CODE.format(lr=LEARNING_RATE, steps=STEPS), before, after)


def _trained(model: nn.Module, loss_of: Callable[[nn.Module], Tensor], seed: int, *, warming: bool) -> nn.Module:
    trained = deep_copy(model, None)
    trained.requires_grad_(True)
    optimizer = torch.optim.Adam(trained.parameters(), lr=LEARNING_RATE)
    first = 1 / STEPS if warming else 1.0
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=first, total_iters=STEPS)
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss_of(trained).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    optimizer.zero_grad()
    return trained
