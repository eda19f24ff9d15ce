"""Normalisation of `[R, N, O]` tensors, each replica by itself, with learned scale (and shift) as in torch.nn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from gradlab.components import NORMS, Named
from gradlab.nn.parameters import Parameter

__all__ = [
    "BatchNorm",
    "DynamicErf",
    "DynamicTanh",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "Mode",
    "Norm",
    "RMSNorm",
    "WeightStandardisation",
    "norm",
    "parameters",
]

Mode = Literal["train", "probe", "eval"]
"""train: batch statistics, running ones updated; probe: batch statistics, nothing touched; eval: running ones."""


class Norm(Protocol):
    """A normalisation: its learned parameters, of shape `[O]` or, of those named in `scalars`, `[1]`, and its map."""

    starts: Mapping[str, float]
    """Where each learned parameter begins, by name."""
    running: bool
    """Whether it keeps running statistics `[R, 2, O]` (mean, variance)."""

    def __call__(self, x_RNO: Tensor, learned: dict[str, Tensor], running_R2O: Tensor | None, mode: Mode) -> Tensor:
        """Return the normalised tensor."""
        ...


class LayerNorm:
    """Each sample over its units (Ba 2016, arXiv 1607.06450)."""

    starts: ClassVar = {"norm_weight": 1.0, "norm_bias": 0.0}
    running = False

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def __call__(self, x_RNO: Tensor, learned: dict[str, Tensor], running_R2O: Tensor | None, mode: Mode) -> Tensor:
        y = F.layer_norm(x_RNO, x_RNO.shape[-1:], eps=self.eps)
        return torch.addcmul(learned["norm_bias"].unsqueeze(1), y, learned["norm_weight"].unsqueeze(1))


class RMSNorm:
    """Each sample divided by the root mean square of its units (Zhang & Sennrich 2019, arXiv 1910.07467)."""

    starts: ClassVar = {"norm_weight": 1.0}
    running = False

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def __call__(self, x_RNO: Tensor, learned: dict[str, Tensor], running_R2O: Tensor | None, mode: Mode) -> Tensor:
        return F.rms_norm(x_RNO, x_RNO.shape[-1:], eps=self.eps) * learned["norm_weight"].unsqueeze(1)


class BatchNorm:
    """Each unit over the batch of its own replica (Ioffe & Szegedy 2015, arXiv 1502.03167)."""

    starts: ClassVar = {"norm_weight": 1.0, "norm_bias": 0.0}
    running = True
    momentum = 0.1

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def __call__(self, x_RNO: Tensor, learned: dict[str, Tensor], running_R2O: Tensor | None, mode: Mode) -> Tensor:
        if mode == "eval":
            assert running_R2O is not None
            mean_R1O, var_R1O = running_R2O[:, :1], running_R2O[:, 1:]
        else:
            # statistics of 16-bit numbers are taken in float32, as torch.nn.BatchNorm1d does
            exact_RNO = x_RNO.float() if x_RNO.dtype.itemsize < 4 else x_RNO
            var_R1O, mean_R1O = torch.var_mean(exact_RNO, dim=1, correction=0, keepdim=True)
            if mode == "train" and running_R2O is not None:
                self._update(running_R2O, mean_R1O, var_R1O, x_RNO.shape[1])
        scale_R1O = torch.rsqrt(var_R1O + self.eps).to(x_RNO.dtype) * learned["norm_weight"].unsqueeze(1)
        return torch.addcmul(learned["norm_bias"].unsqueeze(1), x_RNO - mean_R1O.to(x_RNO.dtype), scale_R1O)

    @torch.no_grad()
    def _update(self, running_R2O: Tensor, mean_R1O: Tensor, var_R1O: Tensor, n: int) -> None:
        """Move the running statistics as torch.nn.BatchNorm1d does, the variance with Bessel's correction."""
        unbiased = var_R1O.detach() * (n / max(n - 1, 1))
        running_R2O.lerp_(torch.cat([mean_R1O.detach(), unbiased], 1), self.momentum)


class GroupNorm:
    """Each sample over groups of neighbouring units (Wu & He 2018, arXiv 1803.08494) and over positions `[R, N, P, C]`,
    where it has any."""

    starts: ClassVar = {"norm_weight": 1.0, "norm_bias": 0.0}
    running = False
    over_positions = True

    def __init__(self, groups: int, eps: float) -> None:
        self.groups, self.eps = groups, eps

    def __call__(self, x_RNO: Tensor, learned: dict[str, Tensor], running_R2O: Tensor | None, mode: Mode) -> Tensor:
        if x_RNO.ndim == 4:
            return _over_positions(x_RNO, self.groups, learned, self.eps)
        grouped = x_RNO.view(*x_RNO.shape[:-1], self.groups, -1)
        y = F.layer_norm(grouped, grouped.shape[-1:], eps=self.eps).flatten(-2)
        return torch.addcmul(learned["norm_bias"].unsqueeze(1), y, learned["norm_weight"].unsqueeze(1))


class InstanceNorm:
    """Each channel of each sample over its positions, `[R, N, P, C]` (Ulyanov 2016, arXiv 1607.08022), with a learned
    scale and shift as in batch norm."""

    starts: ClassVar = {"norm_weight": 1.0, "norm_bias": 0.0}
    running = False
    over_positions = True

    def __init__(self, eps: float) -> None:
        self.eps = eps

    def __call__(self, x_RNPC: Tensor, learned: dict[str, Tensor], running_R2O: Tensor | None, mode: Mode) -> Tensor:
        return _over_positions(x_RNPC, x_RNPC.shape[-1], learned, self.eps)


def _over_positions(x_RNPC: Tensor, groups: int, learned: dict[str, Tensor], eps: float) -> Tensor:
    """Return `x` normalised over the positions and channels of each group of each sample, scaled and shifted."""
    grouped = x_RNPC.view(*x_RNPC.shape[:-1], groups, -1)
    exact = grouped.float() if x_RNPC.dtype.itemsize < 4 else grouped
    variance, mean = torch.var_mean(exact, dim=(2, 4), correction=0, keepdim=True)
    y = (grouped - mean.to(x_RNPC.dtype)) * torch.rsqrt(variance + eps).to(x_RNPC.dtype)
    weight, shift = (learned[name][:, None, None] for name in ("norm_weight", "norm_bias"))
    return torch.addcmul(shift, y.flatten(-2), weight)


class DynamicTanh:
    """weight*tanh(alpha*x) + bias, which normalises nothing (Zhu 2025, arXiv 2503.10622)."""

    running = False
    scalars = ("norm_alpha",)

    def __init__(self, alpha: float) -> None:
        self.starts: Mapping[str, float] = {"norm_weight": 1.0, "norm_bias": 0.0, "norm_alpha": alpha}

    def __call__(self, x_RNO: Tensor, learned: dict[str, Tensor], running_R2O: Tensor | None, mode: Mode) -> Tensor:
        y = torch.tanh(learned["norm_alpha"].unsqueeze(1) * x_RNO)
        return torch.addcmul(learned["norm_bias"].unsqueeze(1), y, learned["norm_weight"].unsqueeze(1))


class DynamicErf:
    """weight*erf(alpha*x + shift) + bias (Chen 2025, arXiv 2512.10938, equation 10)."""

    running = False
    scalars = ("norm_alpha", "norm_shift")

    def __init__(self, alpha: float, shift: float) -> None:
        self.starts: Mapping[str, float] = {
            "norm_weight": 1.0, "norm_bias": 0.0, "norm_alpha": alpha, "norm_shift": shift
        }  # fmt: skip

    def __call__(self, x_RNO: Tensor, learned: dict[str, Tensor], running_R2O: Tensor | None, mode: Mode) -> Tensor:
        alpha, shift = (learned[name].unsqueeze(1) for name in self.scalars)
        return torch.addcmul(
            learned["norm_bias"].unsqueeze(1), torch.erf(alpha * x_RNO + shift), learned["norm_weight"].unsqueeze(1)
        )


class WeightStandardisation:
    """No norm of activations: each unit's weights are centred and scaled to mean square gain^2/fan_in, times a learned
    factor (Qiao 2019, arXiv 1903.10520; scaled by the fan as in Brock 2021, arXiv 2101.08692)."""

    starts: ClassVar = {"norm_weight": 1.0}
    running = False
    of_weights = True

    def __init__(self, gain: float, eps: float) -> None:
        self.gain, self.eps = gain, eps

    def standardised(self, weight_ROI: Tensor, learned: dict[str, Tensor]) -> Tensor:
        """Return the weights that are applied."""
        var_RO1, mean_RO1 = torch.var_mean(weight_ROI, dim=-1, correction=0, keepdim=True)
        scale_RO1 = torch.rsqrt(var_RO1 + self.eps) * (self.gain / math.sqrt(weight_ROI.shape[-1]))
        return (weight_ROI - mean_RO1) * (scale_RO1 * learned["norm_weight"].unsqueeze(2))

    def __call__(self, x_RNO: Tensor, learned: dict[str, Tensor], running_R2O: Tensor | None, mode: Mode) -> Tensor:
        return x_RNO


def parameters(norm: Norm | None, size: int, block: int) -> dict[str, Parameter]:
    """Return what a norm of `size` units learns, of one replica."""
    scalars: Sequence[str] = getattr(norm, "scalars", ())
    return {
        name: Parameter((1,), "scalar", block, start) if name in scalars else Parameter((size,), "norm", block, start)
        for name, start in ({} if norm is None else norm.starts).items()
    }


def norm(named: Named) -> Norm | None:
    """Return the normalisation that a spec names, or None for "none"."""
    target = NORMS[named.name].load()
    instance: Norm | None = None if target is None else target(**named.resolve(NORMS))
    return instance
