"""Where each parameter of a replica lies in the flat buffer `[R, P]`.

All parameters of a bank are one buffer, their gradients another of the same layout; layers hold views.
Norms, clipping, penalties and updates are then a handful of operations on `[R, P]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

__all__ = ["Layout", "Params", "Slot"]

_MATRICES = ("weight", "input_weight", "inner_weight", "embedding")

Params = list[dict[str, Tensor]]
"""Views by layer and name: blocks 0..L-1, then the readout; each `[R, *shape]`."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter of one replica: its layer, name, shape, and place in the row."""

    layer: int
    name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Elements of one replica."""
        return prod(self.shape)

    def view(self, flat_RP: Tensor) -> Tensor:
        """Return this parameter of every replica, `[R, *shape]`, sharing memory with `flat_RP`."""
        return flat_RP[:, self.offset : self.offset + self.size].view(-1, *self.shape)


class Layout:
    """The order of the parameters in a row: layer after layer, inside a layer in the order given."""

    def __init__(self, layers: Sequence[Mapping[str, tuple[int, ...]]]) -> None:
        slots: list[Slot] = []
        offset = 0
        for layer, shapes in enumerate(layers):
            for name, shape in shapes.items():
                slots.append(Slot(layer, name, shape, offset))
                offset += slots[-1].size
        self.slots = tuple(slots)
        self.size = offset
        """P, the number of parameters of one replica."""
        self.layers = len(layers)

    def views(self, flat_RP: Tensor) -> Params:
        """Return views of `flat_RP` by layer and name."""
        found: Params = [{} for _ in range(self.layers)]
        for slot in self.slots:
            found[slot.layer][slot.name] = slot.view(flat_RP)
        return found

    def leaves(self, flat_RP: Tensor) -> tuple[Params, list[Tensor]]:
        """Return views that autograd treats as leaves, by layer and name and, the same tensors, in slot order."""
        params = self.views(flat_RP.detach())
        leaves = [params[slot.layer][slot.name].requires_grad_() for slot in self.slots]
        return params, leaves

    def weights(self) -> list[Slot]:
        """Return the weight matrices of the linear maps, one a layer, readout last; of a recurrent layer that of its
        recurrence."""
        return [slot for slot in self.slots if slot.name == "weight"]

    def weight_mask(self, device: torch.device | str = "cpu") -> Tensor:
        """Return a boolean `[P]` that is true on all weight matrices, of inputs too: what the penalties act on."""
        mask = torch.zeros(self.size, dtype=torch.bool, device=device)
        for slot in self.slots:
            if slot.name in _MATRICES:
                mask[slot.offset : slot.offset + slot.size] = True
        return mask
