"""What a recurrent layer does to its state between two time steps, read from its weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from gradlab.modules.profile import Recurrence

__all__ = ["recurrences"]

_LARGEST = 1024
"""Hidden units up to which the eigenvalues are taken: they cost the third power."""


def recurrences(model: nn.Module, names: Sequence[str]) -> tuple[Recurrence, ...]:
    """Return the recurrence of every layer of `torch.nn`'s recurrent modules of these names, the lowest first."""
    modules = dict(model.named_modules())
    return tuple(recurrence for name in names if name in modules for recurrence in _of(name, modules[name]))


def _of(name: str, module: nn.Module) -> Iterator[Recurrence]:
    if isinstance(module, nn.RNNBase):
        layers = [f"_l{layer}" for layer in range(module.num_layers)]
    elif isinstance(module, nn.RNNCellBase):
        layers = [""]
    else:
        return
    kind = type(module).__name__.removesuffix("Cell")
    for layer in layers:
        matrix = getattr(module, f"weight_hh{layer}").detach()
        biases = [getattr(module, f"bias_{side}{layer}", None) for side in ("ih", "hh")]
        units = matrix.shape[1]
        kept = radius = math.nan
        if kind in ("LSTM", "GRU"):  # of LSTM the forget gate, of GRU the update gate: both stand second
            bias = matrix.new_zeros(units)
            for part in biases:
                bias = bias if part is None else bias + part.detach()[units : 2 * units]
            kept = float(bias.sigmoid().mean())
        elif matrix.shape == (units, units) and units <= _LARGEST:
            radius = _radius(matrix)
        yield Recurrence(f"{name}{layer}", kind, kept, radius)


def _radius(matrix: Tensor) -> float:
    return float(torch.linalg.eigvals(matrix.double()).abs().amax()) if matrix.isfinite().all() else math.nan
