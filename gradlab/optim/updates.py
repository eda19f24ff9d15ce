"""torch.optim on slices of the flat buffer.

Replicas are ordered so that equal update rules are contiguous. Each run of equal rules is one slice
`[r0:r1, P]` of the buffer and one param_group; runs of one torch class share an optimiser.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from gradlab.components import OPTIMIZERS, Named

__all__ = ["BankOptimizer", "Rule", "runs"]

_FUSED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad)
"""Classes with a fused kernel on the CPU and on CUDA (Adagrad: CPU alone)."""
_CAPTURABLE = (
    torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.RAdam, torch.optim.RMSprop,
    torch.optim.Adadelta,
)  # fmt: skip
"""Classes that keep their step counters on a CUDA device when asked to."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one replica updates."""

    optimizer: Named
    lr: float
    weight_decay: float


def runs(values: Sequence[Any]) -> list[tuple[int, int, Any]]:
    """Return the maximal runs of equal values as (start, stop, value)."""
    listed = []
    start = 0
    for value, group in groupby(values):
        stop = start + sum(1 for _ in group)
        listed.append((start, stop, value))
        start = stop
    return listed


def _groups(rules: Sequence[Rule], *, separate: bool) -> Iterator[tuple[int, int, Rule]]:
    """Yield the slices of replicas that are updated as one tensor, with their rule."""
    for start, stop, rule in runs(rules):
        if separate or not OPTIMIZERS[rule.optimizer.name].elementwise:
            yield from ((r, r + 1, rule) for r in range(start, stop))
        else:
            yield start, stop, rule


def _arguments(rule: Rule) -> dict[str, Any]:
    """Return the rule as the keyword arguments of its torch class."""
    component = OPTIMIZERS[rule.optimizer.name]
    params = rule.optimizer.resolve(OPTIMIZERS)
    arguments = params | {"lr": rule.lr} | ({"weight_decay": rule.weight_decay} if component.weight_decay else {})
    if "beta1" in params and component.origin is None:
        arguments["betas"] = (arguments.pop("beta1"), arguments.pop("beta2"))
    if rule.optimizer.name == "nesterov":
        arguments["nesterov"] = True
    return arguments


def _defaults(kind: Any, group: dict[str, Any]) -> dict[str, Any]:
    """Return what an optimiser is made with beside its groups: of a class of the user's, which may insist on it, the
    arguments of its one group; of torch's none, as a group without an argument of another is not to inherit it."""
    if kind.__module__.startswith("torch.optim"):
        return {}
    return {name: value for name, value in group.items() if name != "params"}


class BankOptimizer:
    """One optimiser for R replicas; it updates `flat_RP` in place from `grad_RP`.

    `separate`: every replica is a run of its own, so that an update can leave some of them out.
    """

    def __init__(self, flat_RP: Tensor, grad_RP: Tensor, rules: Sequence[Rule], *, separate: bool = False) -> None:
        on_cuda = flat_RP.device.type == "cuda"
        groups: dict[Any, list[dict[str, Any]]] = {}
        self._rows: list[tuple[Tensor, Tensor]] = []
        for start, stop, rule in _groups(rules, separate=separate):
            rows = flat_RP[start:stop].detach()
            rows.grad = grad_RP[start:stop]
            self._rows.append((rows, rows.grad))
            kind = OPTIMIZERS[rule.optimizer.name].load()
            groups.setdefault(kind, []).append({"params": [rows], **_arguments(rule)})
        self.recordable = on_cuda and groups.keys() <= {*_FUSED, *_CAPTURABLE} - {torch.optim.Adagrad}
        """Whether `update` can be recorded as a CUDA graph: its counters and learning rates lie on the device."""
        self._optimizers = [
            kind(params, **_defaults(kind, params[0]), **self._options(kind, on_cuda))
            for kind, params in groups.items()
        ]
        self._lr = [[group["lr"] for group in optimizer.param_groups] for optimizer in self._optimizers]
        if self.recordable:
            for optimizer in self._optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = torch.tensor(group["lr"], device=flat_RP.device)

    @staticmethod
    def _options(kind: Any, on_cuda: bool) -> dict[str, bool]:
        options = {"fused": True} if kind in _FUSED and not (on_cuda and kind is torch.optim.Adagrad) else {}
        return options | ({"capturable": True} if on_cuda and kind in _CAPTURABLE else {})

    def step(self, factor: float) -> None:
        """Make one update with every learning rate multiplied by `factor`."""
        self.set_factor(factor)
        self.update()

    def set_factor(self, factor: float) -> None:
        """Multiply every learning rate by `factor` from the next update on."""
        for optimizer, rates in zip(self._optimizers, self._lr, strict=True):
            for group, lr in zip(optimizer.param_groups, rates, strict=True):
                if self.recordable:
                    group["lr"].fill_(lr * factor)
                else:
                    group["lr"] = lr * factor

    def update(self, keep_R: Tensor | None = None) -> None:
        """Make one update; of `separate` replicas only of those that `keep_R` is true for, the rest as if not asked."""
        if keep_R is not None:  # waits for the device, as torch.amp.GradScaler does
            for (rows, grad), keep in zip(self._rows, keep_R.tolist(), strict=True):
                rows.grad = grad if keep else None
        for optimizer in self._optimizers:
            optimizer.step()

    def state(self) -> list[Any]:
        """Return what `restore` needs."""
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def restore(self, state: Sequence[Any]) -> None:
        """Go on from a `state`."""
        for optimizer, kept in zip(self._optimizers, state, strict=True):
            optimizer.load_state_dict(kept)
            if self.recordable:
                for group in optimizer.param_groups:
                    group["lr"] = torch.as_tensor(group["lr"], device=self._rows[0][0].device)
