"""torch.optim on slices of the flat buffer.

Replicas are ordered so that equal update rules are contiguous. Each run of equal rules is one slice
`[r0:r1, P]` of the buffer and one param_group; runs of one torch class share an optimiser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from gradlab.registry import OPTIMIZERS, Named

__all__ = ["BankOptimizer", "Rule", "runs"]

_FUSED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad)
"""Classes with a fused kernel on the CPU and on CUDA (Adagrad: CPU alone)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one replica updates."""

    optimizer: Named
    lr: float
    weight_decay: float


def runs(values: Sequence[Any]) -> list[tuple[int, int, Any]]:
    """Return the maximal runs of equal values as (start, stop, value)."""
    found = []
    start = 0
    for value, group in groupby(values):
        stop = start + sum(1 for _ in group)
        found.append((start, stop, value))
        start = stop
    return found


def _arguments(rule: Rule) -> dict[str, Any]:
    """Return the rule as the keyword arguments of its torch class."""
    params = rule.optimizer.resolve(OPTIMIZERS)
    arguments = params | {"lr": rule.lr, "weight_decay": rule.weight_decay}
    if "beta1" in params:
        arguments["betas"] = (arguments.pop("beta1"), arguments.pop("beta2"))
    if rule.optimizer.name == "nesterov":
        arguments["nesterov"] = True
    return arguments


class BankOptimizer:
    """One optimiser for R replicas; it updates `flat_RP` in place from `grad_RP`."""

    def __init__(self, flat_RP: Tensor, grad_RP: Tensor, rules: Sequence[Rule]) -> None:
        groups: dict[Any, list[dict[str, Any]]] = {}
        for start, stop, rule in runs(rules):
            rows = flat_RP[start:stop].detach()
            rows.grad = grad_RP[start:stop]
            kind = OPTIMIZERS[rule.optimizer.name].load()
            groups.setdefault(kind, []).append({"params": [rows], **_arguments(rule)})
        self._optimizers = [kind(params, **self._fused(kind, flat_RP)) for kind, params in groups.items()]
        self._lr = [[group["lr"] for group in optimizer.param_groups] for optimizer in self._optimizers]

    @staticmethod
    def _fused(kind: Any, flat_RP: Tensor) -> dict[str, bool]:
        on_cuda = flat_RP.device.type == "cuda"
        return {"fused": True} if kind in _FUSED and not (on_cuda and kind is torch.optim.Adagrad) else {}

    def step(self, factor: float) -> None:
        """Make one update with every learning rate multiplied by `factor`."""
        for optimizer, rates in zip(self._optimizers, self._lr, strict=True):
            for group, lr in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = lr * factor
            optimizer.step()
