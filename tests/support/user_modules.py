"""Architectures of a user, written with torch.nn alone, and cells that train them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

import gradlab as gl
from gradlab.cell import Cell
from gradlab.components import Named
from gradlab.families import FAMILIES

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}

SMALL = Cell(
    model=Named("stack"), task=Named("teacher", (("inputs", 6), ("samples", 64))), depth=3, width=6, lr=0.05,
    precision=Named("float64"), steps=4, batch_size=8, probe_batch_size=8,
    optimizer=Named("adam", (("eps", 1e-6),)),
)  # fmt: skip
"""One small network in float64; see `contract.SMALL` for its eps."""


def stack(
    in_features: int,
    out_features: int,
    depth: int,
    width: int,
    act: str = "tanh",
    norm: bool = False,
    drop: float = 0.0,
) -> nn.Module:
    """A stack of linear maps, batch norms, activations and dropout."""
    layers: list[nn.Module] = []
    for block in range(depth):
        layers.append(nn.Linear(width if block else in_features, width))
        layers += [nn.BatchNorm1d(width)] * norm
        layers.append(ACTIVATIONS[act]())
        layers += [nn.Dropout(drop)] if drop else []
    return nn.Sequential(*layers, nn.Linear(width, out_features))


class Residual(nn.Module):
    """x + tanh(Wx), with a branch that depends on the data and a counter that is rebound at every call."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, width)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen = self.seen + 1
        return x + self.map(x).tanh()


class Gated(nn.Module):
    """Blocks of `Residual`, the last of which is left out of the sum where the mean is positive."""

    def __init__(self, in_features: int, out_features: int, depth: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(in_features, width)
        self.blocks = nn.ModuleList(Residual(width) for _ in range(depth))
        self.leave = nn.Linear(width, out_features)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = block(x)
        return self.leave(x if bool(x.mean() > 0) else -x)


class Recurrent(nn.Module):
    """An LSTM and a readout of its last state."""

    def __init__(self, in_features: int, out_features: int, width: int, seq_len: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(in_features, width, batch_first=True)
        self.leave = nn.Linear(width, out_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.lstm(x)[0][:, -1])


class Checkpointed(nn.Module):
    """Residual blocks whose activations are computed again on the way back."""

    def __init__(self, in_features: int, out_features: int, depth: int, width: int) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(in_features, width), nn.Linear(width, out_features)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for block in self.blocks:
            x = x + checkpoint(block, x, use_reentrant=False)
        return self.leave(x)


def parametrized(in_features: int, out_features: int, depth: int, width: int) -> nn.Module:
    """A stack whose weights have a weight norm or, every second one, a spectral norm."""
    layers: list[nn.Module] = []
    for block in range(depth):
        norm = spectral_norm if block % 2 else weight_norm
        layers += [norm(nn.Linear(width if block else in_features, width)), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, out_features))


class Attention(nn.Module):
    """Blocks of `torch.nn.TransformerEncoderLayer` and the mean over tokens."""

    def __init__(self, in_features: int, out_features: int, seq_len: int, depth: int, width: int) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(in_features, width), nn.Linear(width, out_features)
        layers = (nn.TransformerEncoderLayer(width, 2, 8, 0.0, batch_first=True) for _ in range(depth))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.layers(self.enter(x)).mean(1))


def register(name: str, factory: Callable[..., nn.Module], **declared: Any) -> None:
    gl.module(name, factory, **declared)


def cell(name: str = "stack", seed: int = 0, **changes: Any) -> Cell:
    """`SMALL` with another model, its options, and other settings."""
    options = tuple((key, changes.pop(key)) for key in list(FAMILIES[name].params) if key in changes)
    return dataclasses.replace(SMALL, model=Named(name, options), seed=seed, **changes)
