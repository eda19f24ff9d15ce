"""What a bank's network is asked for, whatever its architecture."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gradlab.components import Named
from gradlab.nn.layout import Layout, Params
from gradlab.nn.norms import Mode

__all__ = ["Architecture", "Model", "Start", "Tap"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """What fixes the tensors of a bank: equal for all its replicas."""

    model: Named
    in_features: int
    out_features: int
    depth: int
    width: int
    activation: Named
    """That of the first replica; `activations` has all."""
    norm: Named
    norm_position: str
    residual: str
    residual_scale: float | str
    dropout: float
    seq_len: int | None = None
    """T, of a recurrent network."""
    vocabulary: tuple[int, ...] = ()
    """For inputs that are indices: how many values each of the I of them has. Empty for real inputs."""
    per_step: bool = False
    """Whether a recurrent network answers at every time step, `[R, N, T, C]`, or once at the end, `[R, N, C]`."""

    @property
    def learns_scale(self) -> bool:
        """Whether the factor on a residual branch is learned, beginning at zero (ReZero)."""
        return self.residual != "none" and self.residual_scale == "learned_zero"

    @property
    def scale(self) -> float:
        """The factor on a residual branch at the start."""
        if self.residual_scale == "1/sqrt(depth)":
            return 1 / math.sqrt(self.depth)
        return 0.0 if isinstance(self.residual_scale, str) else self.residual_scale

    activations: tuple[Named, ...] = ()
    """Of every replica, where they may differ inside a bank; empty: all have `activation`."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where one replica starts: its seed and the distributions of its weights and biases."""

    seed: int
    init: Named
    bias_std: float | str


Tap = Callable[[int, Tensor, Tensor, Tensor], None]
"""Called for each block with its index (0 first), the input and the output of its activation, and x_l: `[R, N, O]`."""


class Model(Protocol):
    """One stacked network. It owns no parameters: they are views of a flat buffer that the caller holds."""

    arch: Architecture
    layout: Layout

    def initial(self, starts: Sequence[Start]) -> Tensor:
        """Return the flat buffer `[R, P]` of initial parameters, float64 on the CPU."""
        ...

    def running(self, replicas: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
        """Return fresh running statistics of its norms, or None where it keeps none."""
        ...

    def forward(
        self,
        params: Params,
        x: Tensor,
        mode: Mode,
        *,
        running: Tensor | None = None,
        masks_LRNO: Tensor | None = None,
        tap: Tap | None = None,
    ) -> Tensor:
        """Return the outputs for inputs `[R, N, I]`, or `[R, N, T, I]` of a recurrent network.

        `masks_LRNO` are dropout masks already scaled by 1/(1-p); None drops nothing.
        """
        ...
