"""What a recurrent layer does to its state between two time steps: by its gates on the batch, or by its matrix."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from gradlab.modules.measuring.recurrent import Gates
from gradlab.modules.profile import Recurrence

__all__ = ["recurrences"]

_LARGEST = 1024
"""Hidden units up to which the eigenvalues are taken: they cost the third power."""


def recurrences(model: nn.Module, names: Sequence[str], gates: Gates) -> tuple[Recurrence, ...]:
    """Return the recurrence of every layer of `torch.nn`'s recurrent modules of these names, the lowest first, and of
    every other one whose state goes through one square map.

    `gates`: what they let through at the steps of one forward pass, see `recurrent.replayed`.
    """
    modules = {type(model).__name__: model, **dict(model.named_modules())}  # a block that is the model has its class
    return tuple(recurrence for name in names if name in modules for recurrence in _of(name, modules[name], gates))


def _of(name: str, module: nn.Module, gates: Gates) -> Iterator[Recurrence]:
    if isinstance(module, nn.RNNBase):
        layers = [f"_l{layer}" for layer in range(module.num_layers)]
    elif isinstance(module, nn.RNNCellBase):
        layers = [""]
    else:
        yield from _of_square_map(name, module)
        return
    gated = {"LSTM": nn.LSTM | nn.LSTMCell, "GRU": nn.GRU | nn.GRUCell}  # also of classes of the user
    kind = next((name for name, kinds in gated.items() if isinstance(module, kinds)), "RNN")
    for depth, layer in enumerate(layers):
        matrix = getattr(module, f"weight_hh{layer}").detach()
        units = matrix.shape[1]
        gate = radius = math.nan
        if steps := gates.get((module, depth)):
            gate = float(torch.stack(steps).mean())
        elif matrix.shape == (units, units) and units <= _LARGEST:
            radius = _radius(matrix)
        yield Recurrence(f"{name}{layer}", kind, gate, radius)


def _of_square_map(name: str, module: nn.Module) -> Iterator[Recurrence]:
    """Yield the recurrence of a cell written by hand, where it has one `Linear` from its state to its state.

    With several (gates, or data as wide as the state) it is not known which of them does what.
    """
    maps = [
        (f"{name}.{path}" if path else name, part.weight.detach())
        for path, part in module.named_modules()
        if isinstance(part, nn.Linear) and part.in_features == part.out_features <= _LARGEST
    ]
    if len(maps) == 1:
        yield Recurrence(maps[0][0], type(module).__name__, math.nan, _radius(maps[0][1]))


def _radius(matrix: Tensor) -> float:
    return float(torch.linalg.eigvals(matrix.double()).abs().amax()) if matrix.isfinite().all() else math.nan
