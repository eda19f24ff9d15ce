"""Number formats of training: what is computed in, what is kept, what is lost, and loss scaling.

``float32`` and ``float64`` compute in the format that the weights are kept in. ``bfloat16`` and ``float16`` keep
float32 weights, compute forward and backward in 16 bits and the loss in float32 (mixed precision, Micikevicius
2018, arXiv 1710.03740). float16 reaches down to 6e-8 only, so its loss is multiplied by a scale that is halved when a
gradient overflows, whose step is then left out, and doubled after so many steps without, as torch.amp.GradScaler
does, but for each replica by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gradlab.components import PRECISIONS, Named

__all__ = ["LossScale", "Precision"]


@dataclass(frozen=True, slots=True)
class Precision:
    """The formats of one bank."""

    compute: torch.dtype
    """Of activations and their gradients."""
    master: torch.dtype
    """Of the weights, their gradients and the optimiser."""
    loss_scale: float
    """Where the scale begins; 1: the loss as it is."""
    growth_interval: int
    """Steps without an overflow after which the scale doubles; 0: it stays as it is."""

    @classmethod
    def of(cls, named: Named) -> Precision:
        """Return the formats behind a name of the registry."""
        compute: torch.dtype = PRECISIONS[named.name].load()
        params = named.resolve(PRECISIONS)
        master = torch.float64 if compute == torch.float64 else torch.float32
        return cls(compute, master, params.get("loss_scale", 1.0), params.get("growth_interval", 0))

    @property
    def mixed(self) -> bool:
        """Whether weights are kept in another format than is computed in."""
        return self.compute != self.master

    @property
    def scaled(self) -> bool:
        """Whether the loss is scaled, and a step can be left out."""
        return self.loss_scale != 1.0 or self.growth_interval > 0

    def smallest(self, device: torch.device) -> float:
        """Return the magnitude up to which a number becomes zero when it is written in the format of computing.

        Half of the smallest subnormal number, by rounding to nearest; the smallest normal one where subnormals are
        flushed, as in training on a CPU all but those of float16, which has its own conversion.
        """
        info = torch.finfo(self.compute)
        if device.type == "cpu" and self.compute != torch.float16:
            return float(info.smallest_normal)
        return float(info.smallest_normal) * info.eps / 2


class LossScale:
    """The scale of each replica's loss, `[R]`, and how it follows the overflows."""

    def __init__(self, precision: Precision, replicas: int, device: torch.device) -> None:
        self.scale_R = torch.full((replicas,), precision.loss_scale, device=device)
        self._since_R = torch.zeros(replicas, dtype=torch.int64, device=device)
        self._interval = precision.growth_interval

    def unscale(self, grad_RP: Tensor) -> Tensor:
        """Divide the gradients by their scales in place and return which replicas have only finite ones, `[R]`.

        The others become zero. Moves the scales on for the next step.
        """
        finite_R = grad_RP.isfinite().all(1)
        grad_RP.div_(self.scale_R.unsqueeze(1))
        grad_RP.masked_fill_(~finite_R.unsqueeze(1), 0.0)
        if self._interval:
            self._since_R.add_(1).masked_fill_(~finite_R, 0)
            grown_R = self._since_R >= self._interval
            self._since_R.masked_fill_(grown_R, 0)
            factor_R = torch.where(finite_R, torch.where(grown_R, 2.0, 1.0), 0.5)
            self.scale_R.mul_(factor_R)
        return finite_R

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs."""
        return {"scale_R": self.scale_R, "since_R": self._since_R}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a `state`."""
        self.scale_R.copy_(state["scale_R"])
        self._since_R.copy_(state["since_R"])
