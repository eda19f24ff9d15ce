"""The grid, the data and the networks of all peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["AXES", "BATCH", "LR", "PROBE", "WIDTH", "Cell", "Data", "cells", "digits", "network", "probed"]

AXES = ("depth", "activation", "init", "seed")
WIDTH, BATCH, PROBE, LR = 64, 64, 128, 0.1
ACTIVATIONS = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU, "selu": nn.SELU}
INITS: dict[str, Callable[[Tensor], object]] = {
    "xavier_normal": nn.init.xavier_normal_,
    "he_normal": nn.init.kaiming_normal_,
    "orthogonal": nn.init.orthogonal_,
}
DIGITS = Path(__file__).parents[2] / "gradlab" / "tasks" / "data" / "digits.npz"


@dataclass(frozen=True)
class Cell:
    """One network to train."""

    depth: int
    activation: str
    init: str
    seed: int
    steps: int
    clip: float | None
    """Largest norm of the gradient; None: it is not clipped."""
    record: str
    """``all`` or ``profile``, see `measurements`."""

    @property
    def key(self) -> str:
        """Its place in the grid."""
        return "-".join(str(getattr(self, axis)) for axis in AXES)


@dataclass(frozen=True)
class Data:
    """Samples `[M, I]` with their classes `[M]`: to train on, to probe with (`[N, I]`, float64), and held-out ones."""

    x: Tensor
    y: Tensor
    probe_x: Tensor
    probe_y: Tensor
    test_x: Tensor
    test_y: Tensor


def cells(grid: dict[str, Any]) -> list[Cell]:
    """Return the cells of a grid, the last axis fastest."""
    points = product(*(grid[axis] for axis in AXES))
    return [Cell(*point, grid["steps"], grid["clip"], grid["record"]) for point in points]


def probed(steps: int) -> list[int]:
    """Return the steps 0, 1, 2, 4, ... and the last."""
    return sorted({0, *(2**k for k in range(steps.bit_length())), steps})


@lru_cache(maxsize=1)
def digits() -> Data:
    """Return the digits, centred, with a mean square of 1, in float32."""
    with np.load(DIGITS) as arrays:
        pixels, labels = torch.from_numpy(arrays["pixels"]).double(), torch.from_numpy(arrays["labels"]).long()
        train, test = (torch.from_numpy(arrays[name].astype(np.int64)) for name in ("train", "test"))
    centred = pixels - pixels[train].mean(0)
    x = (centred / centred[train].square().mean().sqrt()).float()
    first = train[:PROBE]
    return Data(x[train], labels[train], x[first].double(), labels[first], x[test], labels[test])


def network(cell: Cell) -> nn.Sequential:
    """Return the network of a cell; its weights are drawn from torch's own generator."""
    layers: list[nn.Module] = []
    for _ in range(cell.depth):
        layers += [nn.Linear(WIDTH, WIDTH), ACTIVATIONS[cell.activation]()]
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            INITS[cell.init](layer.weight)
            nn.init.zeros_(layer.bias)
    return model
