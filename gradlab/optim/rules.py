"""How a replica updates: a component of a spec as classes of torch.optim with their arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from gradlab.components import OPTIMIZERS, Named
from gradlab.components.foreign_words import PAIRS
from gradlab.nn.parameters import Slot

__all__ = ["Part", "Rule", "is_elementwise", "parts"]


@dataclass(frozen=True, slots=True)
class Rule:
    """How one replica updates."""

    optimizer: Named
    lr: float
    weight_decay: float


@dataclass(frozen=True, slots=True)
class Part:
    """Parameters that one class of optimisers updates."""

    kind: Any
    arguments: dict[str, Any]
    """Its keyword arguments, ``weight_decay`` as it is on what decays."""
    slots: Callable[[Slot], bool] | None = None
    """Which parameters, each as a tensor in its own shape; None: all, as whole rows of the buffer."""
    decays: Callable[[Slot], bool] | None = None
    """Which of them decay; None: all."""
    decoupled: bool = False
    """Whether the decay acts on the parameters, not on their gradients."""


def is_elementwise(rule: Rule) -> bool:
    """Whether several replicas can be one tensor."""
    return OPTIMIZERS[rule.optimizer.name].elementwise


def parts(rule: Rule) -> Iterator[Part]:
    """Yield what updates the parameters of a rule; every parameter belongs to one part."""
    component = OPTIMIZERS[rule.optimizer.name]
    arguments = rule.optimizer.resolve(OPTIMIZERS) | {"lr": rule.lr}
    if component.weight_decay:
        arguments["weight_decay"] = rule.weight_decay
    if component.origin is not None:
        yield Part(component.load(), arguments)
        return
    decays = _is_penalised if arguments.pop("decay", "all") == "matrices" and rule.weight_decay else None
    for name, pair in PAIRS.items():
        if pair[0] in arguments:
            arguments[name] = tuple(arguments.pop(key) for key in pair)
    if rule.optimizer.name == "nesterov":
        arguments["nesterov"] = True
    if rule.optimizer.name == "muon":
        beside = {"lr": arguments.pop("adamw_lr"), "eps": arguments.pop("adamw_eps"), "betas": arguments.pop("betas")}
        beside |= {"lr": rule.lr} if beside["lr"] is None else {}
        yield Part(component.load(), arguments, _is_matrix, decays)
        yield Part(torch.optim.AdamW, beside | {"weight_decay": rule.weight_decay}, _is_no_matrix, decays)
        return
    decoupled = rule.optimizer.name in _DECOUPLED or bool(arguments.get("decoupled_weight_decay"))
    yield Part(component.load(), arguments, _is_any if component.shaped else None, decays, decoupled)


_DECOUPLED = ("adamw", "lion")


def _is_any(slot: Slot) -> bool:
    return True


def _is_matrix(slot: Slot) -> bool:
    return slot.parameter.role == "matrix"


def _is_no_matrix(slot: Slot) -> bool:
    return slot.parameter.role != "matrix"


def _is_penalised(slot: Slot) -> bool:
    return slot.parameter.penalised
