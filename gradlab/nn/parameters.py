"""Parameters of R replicas: what each is for, where it begins, and where it lies in the flat buffer `[R, P]`.

All parameters of a bank are one buffer, their gradients another of the same layout; layers hold views. Norms, clipping,
penalties and updates are then a handful of operations on `[R, P]`. What acts on a parameter reads its role, never its
name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import torch
from torch import Tensor

from gradlab.components import Named
from gradlab.streams import generator

__all__ = ["Draw", "Layout", "Parameter", "Params", "Role", "Slot", "Start"]

Role = Literal["matrix", "bias", "norm", "scalar", "table"]
"""A matrix of a linear map, its bias, scale or shift of a norm, a single number, a table of vectors for indices."""

Params = list[dict[str, Tensor]]
"""Views by layer and name: layers 0..L-1, then the readout; each `[R, *shape]`."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where one replica starts: its seed and the distributions of its weights and biases."""

    seed: int
    init: Named
    bias_std: float | str
    branch_init: Named = Named("none")
    """Of the matrix of a residual branch."""


@dataclass(frozen=True, slots=True)
class Draw:
    """How the rows of a parameter begin: `rule` maps a start and standard normal draws of their shape to values.

    Draws of one `stream` follow each other in the order of the parameters, so that a deeper network begins with the
    weights of a shallower one. `rule` may depend on the seed only through the draws and `Start.seed`.
    """

    rule: Callable[[Start, Tensor], Tensor]
    stream: tuple[str | int, ...]
    rows: int = 0
    """How many rows, the next ones; 0: all."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of one replica."""

    shape: tuple[int, ...]
    role: Role
    block: int | Literal["enter", "leave"]
    """The block, or stacked layer, that it belongs to; or what comes before the first, or after the last."""
    initial: float | tuple[Draw, ...]
    """A constant, or draws of its rows in order."""
    fan_in: int = 0
    fan_out: int = 0
    profiled: bool = False
    """Whether it is the matrix whose norm, gradient and update stand in the profile of its block."""

    @property
    def penalised(self) -> bool:
        """Whether l1 and l2 act on it."""
        return self.role in ("matrix", "table")


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter with its layer, its name, and its place in the row."""

    layer: int
    name: str
    offset: int
    parameter: Parameter

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one replica."""
        return self.parameter.shape

    @property
    def size(self) -> int:
        """Elements of one replica."""
        return prod(self.parameter.shape)

    @property
    def columns(self) -> slice:
        """Its place in the row."""
        return slice(self.offset, self.offset + self.size)

    def view(self, flat_RP: Tensor) -> Tensor:
        """Return this parameter of every replica, `[R, *shape]`, sharing memory with `flat_RP`."""
        return flat_RP[:, self.columns].view(-1, *self.shape)


class Layout:
    """The order of the parameters in a row: layer after layer, inside a layer in the order given."""

    def __init__(self, layers: Sequence[Mapping[str, Parameter]]) -> None:
        slots: list[Slot] = []
        offset = 0
        for layer, parameters in enumerate(layers):
            for name, parameter in parameters.items():
                slots.append(Slot(layer, name, offset, parameter))
                offset += slots[-1].size
        self.slots = tuple(slots)
        self.size = offset
        """P, the number of parameters of one replica."""
        self.layers = len(layers)

    def views(self, flat_RP: Tensor) -> Params:
        """Return views of `flat_RP` by layer and name."""
        params: Params = [{} for _ in range(self.layers)]
        for slot in self.slots:
            params[slot.layer][slot.name] = slot.view(flat_RP)
        return params

    def leaves(self, flat_RP: Tensor) -> tuple[Params, list[Tensor]]:
        """Return views that autograd treats as leaves, by layer and name and, the same tensors, in slot order."""
        params = self.views(flat_RP.detach())
        leaves = [params[slot.layer][slot.name].requires_grad_() for slot in self.slots]
        return params, leaves

    def profiled(self) -> list[Slot]:
        """Return the matrices that stand in the profile, in the order of their blocks."""
        return [slot for slot in self.slots if slot.parameter.profiled]

    def penalised(self, device: torch.device | str = "cpu") -> Tensor:
        """Return a boolean `[P]` that is true where the penalties act."""
        mask = torch.zeros(self.size, dtype=torch.bool, device=device)
        for slot in self.slots:
            mask[slot.columns] = slot.parameter.penalised
        return mask

    def initial(self, starts: Sequence[Start]) -> Tensor:
        """Return the flat buffer `[R, P]` of initial parameters, float64 on the CPU.

        Replicas with one seed share their normal draws, whatever else they differ in.
        """
        flat_RP = torch.zeros(len(starts), self.size, dtype=torch.float64)
        of_seed: dict[int, list[tuple[int, Start]]] = {}
        for r, start in enumerate(starts):
            of_seed.setdefault(start.seed, []).append((r, start))
        for seed, replicas in of_seed.items():
            self._fill(flat_RP, seed, replicas)
        return flat_RP

    def _fill(self, flat_RP: Tensor, seed: int, replicas: Sequence[tuple[int, Start]]) -> None:
        streams: dict[tuple[str | int, ...], torch.Generator] = {}
        for slot in self.slots:
            initial = slot.parameter.initial
            if isinstance(initial, float):
                flat_RP[[r for r, _ in replicas], slot.columns] = initial
                continue
            first = 0
            for draw in initial:
                rows = draw.rows or slot.shape[0]
                shape = (rows, *slot.shape[1:])
                if draw.stream not in streams:
                    streams[draw.stream] = generator(seed, *draw.stream)
                z = torch.randn(shape, generator=streams[draw.stream], dtype=torch.float64)
                values: dict[
                    tuple[Named, float | str, Named], Tensor
                ] = {}  # an orthogonal matrix is expensive: once for all
                place = slice(slot.offset + first * prod(shape[1:]), slot.offset + (first + rows) * prod(shape[1:]))
                for r, start in replicas:
                    kind = (start.init, start.bias_std, start.branch_init)
                    if kind not in values:
                        values[kind] = draw.rule(start, z).flatten()
                    flat_RP[r, place] = values[kind]
                first += rows
