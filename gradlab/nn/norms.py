"""Normalisation of `[R, N, O]` tensors, each replica by itself, with learned scale (and shift) as in torch.nn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from gradlab.components import NORMS, Named

__all__ = ["BatchNorm", "LayerNorm", "Mode", "Norm", "RMSNorm", "norm"]

Mode = Literal["train", "probe", "eval"]
"""train: batch statistics, running ones updated; probe: batch statistics, nothing touched; eval: running ones."""


class Norm(Protocol):
    """A normalisation: its learned parameters, all of shape `[O]`, and its map."""

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


def norm(named: Named) -> Norm | None:
    """Return the normalisation that a spec names, or None for "none"."""
    target = NORMS[named.name].load()
    made: Norm | None = None if target is None else target(**named.resolve(NORMS))
    return made
