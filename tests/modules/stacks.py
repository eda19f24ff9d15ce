"""Small models with one cause each, and what a probe says of a model."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

import gradlab as gl
from gradlab.modules.causes.rules import Cause

WIDTH = 64


def stack(
    activation: type[nn.Module] | None, depth: int = 30, gain: float | None = None, norm: type[nn.Module] | None = None
) -> nn.Sequential:
    """Return a plain stack; `gain` is that of normal weights, None torch's default initialisation."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(WIDTH, WIDTH)
        if gain is not None:
            nn.init.normal_(linear.weight, std=gain / math.sqrt(WIDTH))
            nn.init.zeros_(linear.bias)
        layers += [linear, *([norm(WIDTH)] if norm else []), *([activation()] if activation else [])]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 5))


def x(samples: int = 32) -> Tensor:
    return torch.randn(samples, WIDTH, generator=torch.Generator().manual_seed(1))


def changed(change: Callable[[nn.Sequential], object], depth: int = 30) -> nn.Sequential:
    model = stack(nn.ReLU, depth, math.sqrt(2))
    with torch.no_grad():
        change(model)
    return model


def causes_of(model: nn.Module, batch: object, **arguments: object) -> tuple[Cause, ...]:
    return gl.probe(model, batch, **arguments).result.causes


def encoder(depth: int, *, norm_first: bool) -> nn.TransformerEncoder:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(WIDTH, 4, 128, batch_first=True, norm_first=norm_first, dropout=0.0)
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)


class Residual(nn.Module):
    def __init__(self, gain: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        nn.init.normal_(self.first.weight, std=math.sqrt(2 / WIDTH))
        nn.init.normal_(self.second.weight, std=gain / math.sqrt(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.second(self.first(x).relu())
        return y


class Rounded(nn.Module):
    """A layer whose output goes through a shorter format."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.map, self.dtype = nn.Linear(WIDTH, WIDTH), dtype

    def forward(self, x: Tensor) -> Tensor:
        return self.map(x).to(self.dtype).to(x.dtype).relu()


class Attention(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        nn.init.normal_(self.attention.in_proj_weight, std=scale / math.sqrt(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.attention(x, x, x, need_weights=False)[0]
        return y
