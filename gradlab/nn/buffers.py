"""Tensors that a training step writes again each time, instead of asking the allocator for new ones."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

__all__ = ["Buffers"]


class Buffers:
    """Tensors by name, made when they are first asked for; whoever asks again gets the same memory to write to."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Tensor] = {}

    def get(self, name: Hashable, shape: Sequence[int], like: Tensor) -> Tensor:
        """Return a tensor of a `shape`, with the type and device of `like` and anything for its values."""
        tensor = self._kept.get(name)
        if tensor is None or tensor.shape != tuple(shape) or tensor.dtype != like.dtype or tensor.device != like.device:
            tensor = self._kept[name] = torch.empty(tuple(shape), dtype=like.dtype, device=like.device)
        return tensor
