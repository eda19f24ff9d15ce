"""The one rule that torch.optim has not and that is a few lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Lion"]


class Lion(torch.optim.Optimizer):
    """Steps of one size in the direction of the sign of a mixed momentum (Chen 2023, arXiv 2302.06675, algorithm 2):

    θ ← θ - lr (sign(β1 m + (1 - β1) g) + weight_decay θ), then m ← β2 m + (1 - β2) g.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0, *, maximize: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Make one update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, -parameter.grad if group["maximize"] else parameter.grad, group)

    def _update(self, parameter: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        if not (state := self.state[parameter]):
            state["exp_avg"] = torch.zeros_like(parameter)
        momentum = state["exp_avg"]
        direction = torch.lerp(grad, momentum, beta1).sign_()
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).sub_(group["lr"] * direction)
        momentum.lerp_(grad, 1 - beta2)
