"""Small models with the habits of real ones."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gradlab.modules.profile import ModuleProfile

WIDTH = 16
COTANGENT = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
"""What stands for a loss, of seed 0."""


class Block(nn.Module):
    """A residual block with operations in place, as ResNets have them."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(torch.relu_(self.first(x)))
        y += x
        return y


class Net(nn.Module):
    """Some blocks and a readout; `each` is what the forward does with a block and its input."""

    def __init__(self, depth: int = 5, each: Callable[[nn.Module, Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(depth)])
        self.readout = nn.Linear(WIDTH, 3)
        self.each = each or (lambda block, x: block(x))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = self.each(block, x)
        return self.readout(x)


def by_hand(model: Net, x: Tensor, cotangent: Tensor) -> list[float]:
    """Return ln of the gradient norms of the blocks' outputs by plain autograd in float64, nothing in place."""
    outputs = []
    for block in model.blocks:
        x = x + block.second(block.first(x).relu())
        outputs.append(x)
    for output in outputs:
        output.retain_grad()
    (model.readout(x) * cotangent).sum().backward()
    return [float(output.grad.norm().log()) for output in outputs if output.grad is not None]


def log_norms(profile: ModuleProfile) -> list[float]:
    return [block.log_grad_norm for block in profile.blocks]


def expected(model: Net, x: Tensor) -> list[float]:
    return by_hand(copy.deepcopy(model).double().requires_grad_(True), x.double().requires_grad_(), COTANGENT)
