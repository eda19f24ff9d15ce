"""torch.optim on slices of the flat buffer.

Replicas are ordered so that equal update rules are contiguous. Each run of equal rules is one slice
`[r0:r1, P]` of the buffer and one param_group; runs of one torch class share an optimiser. Rules that look at a
parameter as a whole (Muon, Adafactor) have a tensor for each parameter of each replica.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from gradlab.nn.parameters import Layout
from gradlab.optim.light import light
from gradlab.optim.rules import Part, Rule, is_elementwise, parts

__all__ = ["BankOptimizer", "Rule", "runs"]

_FUSED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad)
"""Classes with a fused kernel on the CPU and on CUDA (Adagrad: CPU alone)."""
_OF_MATRICES = (getattr(torch.optim, "Muon", None),)
"""Classes that take tensors of two dimensions alone."""
_CAPTURABLE = (
    torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam, torch.optim.RAdam, torch.optim.RMSprop,
    torch.optim.Adadelta,
)  # fmt: skip
"""Classes that keep their step counters on a CUDA device when asked to."""


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
        if separate or not is_elementwise(rule):
            yield from ((r, r + 1, rule) for r in range(start, stop))
        else:
            yield start, stop, rule


@dataclass(frozen=True, slots=True)
class _Updated:
    """One tensor of an optimiser, and the replica that it belongs to: the first one, of whole rows of several."""

    replica: int
    tensor: Tensor
    grad: Tensor


@dataclass(frozen=True, slots=True)
class _Decay:
    """The decay of some columns of whole rows, which the optimiser itself would let act on all of them."""

    updated: _Updated
    mask_P: Tensor
    """`weight_decay` where it acts, else 0; negative where a gradient is that of an objective to be maximised."""
    place: tuple[int, int] | None
    """Of a decay of the parameters themselves: optimiser and group that have the learning rate."""


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

    def __init__(
        self, flat_RP: Tensor, grad_RP: Tensor, rules: Sequence[Rule], layout: Layout, *, separate: bool = False
    ) -> None:
        on_cuda = flat_RP.device.type == "cuda"
        self._layout = layout
        self._groups: dict[Any, list[dict[str, Any]]] = {}
        self._updated: list[_Updated] = []
        self._decays: list[_Decay] = []
        for start, stop, rule in _groups(rules, separate=separate):
            for part in parts(rule):
                self._add(part, flat_RP[start:stop].detach(), grad_RP[start:stop], start)
        groups = self._groups
        self.recordable = on_cuda and groups.keys() <= {*_FUSED, *_CAPTURABLE} - {torch.optim.Adagrad}
        """Whether `update` can be recorded as a CUDA graph: its counters and learning rates lie on the device."""
        self._optimizers = [
            light(kind)(params, **_defaults(kind, params[0]), **self._options(kind, on_cuda))
            for kind, params in groups.items()
        ]
        for optimizer in self._optimizers:
            if isinstance(optimizer, torch.optim.Adagrad):  # it takes this one from its own arguments, not its groups'
                for group in optimizer.param_groups:
                    for tensor in group["params"]:
                        optimizer.state[tensor]["sum"].fill_(group["initial_accumulator_value"])
        self._lr = [[group["lr"] for group in optimizer.param_groups] for optimizer in self._optimizers]
        if self.recordable:
            for optimizer in self._optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = torch.tensor(group["lr"], device=flat_RP.device)

    def _add(self, part: Part, rows: Tensor, grad: Tensor, replica: int) -> None:
        """Make the tensors of a part, and their group."""
        groups = self._groups.setdefault(part.kind, [])
        if part.slots is None:
            (updated,) = self._tensors(replica, [(rows, grad)])
            arguments = dict(part.arguments)
            if part.decays is not None:
                sign = -1.0 if arguments.get("maximize") and not part.decoupled else 1.0
                mask = torch.zeros_like(rows[0])
                for slot in filter(part.decays, self._layout.slots):
                    mask[slot.columns] = sign * arguments["weight_decay"]
                arguments["weight_decay"] = 0.0
            place = list(self._groups).index(part.kind), len(groups)
            groups.append({"params": [updated.tensor], **arguments})
            if part.decays is not None:
                self._decays.append(_Decay(updated, mask, place if part.decoupled else None))
            return
        slots = list(filter(part.slots, self._layout.slots))
        for decaying in (True, False):
            members = [slot for slot in slots if (part.decays is None or part.decays(slot)) == decaying]
            pairs = [(slot.view(rows)[0], slot.view(grad)[0]) for slot in members]
            if part.kind in _OF_MATRICES:  # a convolution is the matrix of its outputs
                pairs = [(tensor.flatten(1), gradient.flatten(1)) for tensor, gradient in pairs]
            if pairs:
                exempt = {} if decaying else {"weight_decay": 0.0}
                tensors = [updated.tensor for updated in self._tensors(replica, pairs)]
                groups.append({"params": tensors, **part.arguments, **exempt})

    def _tensors(self, replica: int, pairs: Sequence[tuple[Tensor, Tensor]]) -> list[_Updated]:
        updates = [_Updated(replica, tensor, grad) for tensor, grad in pairs]
        for updated in updates:
            updated.tensor.grad = updated.grad
        self._updated += updates
        return updates

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
            keep = keep_R.tolist()
            for updated in self._updated:
                updated.tensor.grad = updated.grad if keep[updated.replica] else None
        for decay in self._decays:
            self._apply(decay)
        for optimizer in self._optimizers:
            optimizer.step()

    def _apply(self, decay: _Decay) -> None:
        """Do what torch.optim does with ``weight_decay``, before an update."""
        tensor, grad = decay.updated.tensor, decay.updated.tensor.grad
        if grad is None:
            return
        if decay.place is None:
            grad.addcmul_(tensor, decay.mask_P)
        else:
            optimizer, group = decay.place
            tensor.sub_(tensor * (decay.mask_P * self._optimizers[optimizer].param_groups[group]["lr"]))

    def state(self) -> list[Any]:
        """Return what `restore` needs."""
        return [optimizer.state_dict() for optimizer in self._optimizers]

    def restore(self, state: Sequence[Any]) -> None:
        """Go on from a `state`."""
        for optimizer, saved in zip(self._optimizers, state, strict=True):
            optimizer.load_state_dict(saved)
            if self.recordable:
                for group in optimizer.param_groups:
                    group["lr"] = torch.as_tensor(group["lr"], device=self._updated[0].tensor.device)
