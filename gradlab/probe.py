"""The probe: one bank and one batch in, the gradient along the depth of every replica out, in float64.

It copies the flat buffer up, runs one forward and one backward by plain autograd, and touches neither the
training state nor its random streams. Gradients of a thousand sigmoid blocks fall below what even float64
can hold (1e-627), so a hook rescales the gradient at every block output by a power of two, which is exact,
and the exponents are added back to the logarithms: an exact zero in a profile is a dead network, not underflow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gradlab.models.mlp import MLP
from gradlab.nn.activations import derivative

__all__ = ["Loss", "Profile", "probe", "weight_norms"]

Loss = Callable[[Tensor, Tensor], Tensor]

SATURATED = 1 / 20
"""A unit counts as saturated where its slope is below this share of the activation's largest."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a probe saw; float64, natural logarithms, -inf for exactly zero, NaN for not finite."""

    loss_R: Tensor
    log_grad_norm_total_R: Tensor
    log_grad_norm_RL: Tensor
    log_weight_grad_norm_RL: Tensor
    weight_norm_RL: Tensor
    act_mean_RL: Tensor
    act_std_RL: Tensor
    saturated_RL: Tensor
    dead_RL: Tensor
    zero_grad_RL: Tensor


class _Taps:
    """Collects the numbers of each block: of its activations on the way up, of its gradient on the way down."""

    def __init__(self, model: MLP) -> None:
        depth = model.arch.depth
        self._flat_below = SATURATED * model.activation.steepest()
        self.columns: dict[str, list[Tensor]] = {
            name: [torch.empty(0)] * depth
            for name in ("act_mean", "act_std", "saturated", "dead", "log_grad_norm", "zero_grad", "exponent")
        }

    def __call__(self, block: int, h_RNO: Tensor, a_RNO: Tensor, x_RNO: Tensor) -> None:
        put = self._put
        seen = x_RNO.detach()
        mean_R = seen.mean((1, 2))
        # two plain passes are several times faster than torch.std_mean over two axes, and as exact
        std_R = torch.linalg.vector_norm(seen - mean_R.view(-1, 1, 1), dim=(1, 2)) / math.sqrt(seen[0].numel())
        put(block, act_mean=mean_R, act_std=std_R)
        slope = derivative(a_RNO, h_RNO).abs()
        put(block, saturated=_share(slope < self._flat_below), dead=_share(slope.amax(1) == 0))
        x_RNO.register_hook(lambda grad: self._down(block, grad))  # type: ignore[no-untyped-call]

    def _put(self, block: int, **values: Tensor) -> None:
        for name, value in values.items():
            self.columns[name][block] = value

    def _down(self, block: int, grad_RNO: Tensor) -> Tensor:
        """Record the gradient at a block output and hand it on with its largest element near 1."""
        above = self.columns["exponent"]
        exponent_R = above[block + 1] if block + 1 < len(above) else torch.zeros_like(grad_RNO[:, 0, 0])
        largest_R = grad_RNO.abs().amax((1, 2))
        shift_R = torch.where(largest_R.isfinite(), torch.frexp(largest_R).exponent, 0).to(grad_RNO.dtype)
        # halved in two goes, as 2^-shift itself may lie outside of float64
        half_R = torch.trunc(shift_R / 2)
        grad_RNO = grad_RNO * torch.exp2(-half_R).view(-1, 1, 1) * torch.exp2(half_R - shift_R).view(-1, 1, 1)
        exponent_R = exponent_R + shift_R
        log_norm_R = _log(torch.linalg.vector_norm(grad_RNO, dim=(1, 2))) + exponent_R * math.log(2)
        self._put(block, exponent=exponent_R, log_grad_norm=log_norm_R, zero_grad=_share(grad_RNO == 0))
        return grad_RNO

    def stacked(self, name: str) -> Tensor:
        """Return one column as `[R, L]`."""
        return torch.stack(self.columns[name], 1)


def _share(mask: Tensor) -> Tensor:
    """Return the share of true elements of each replica."""
    return mask.flatten(1).count_nonzero(1).double() / mask[0].numel()


def _log(norm: Tensor) -> Tensor:
    """Return the logarithm, -inf for 0 and NaN for anything that is not finite."""
    return norm.log().where(norm.isfinite(), torch.nan)


def weight_norms(model: MLP, flat_RP: Tensor) -> Tensor:
    """Return the Frobenius norm of each block's weight matrix, `[R, L]`, float64."""
    norms = [torch.linalg.matrix_norm(slot.view(flat_RP).double()) for slot in model.layout.weights()[:-1]]
    return torch.stack(norms, 1)


def probe(
    model: MLP,
    flat_RP: Tensor,
    x_RNI: Tensor,
    target: Tensor,
    loss: Loss,
    masks_LRNO: Tensor | None = None,
) -> Profile:
    """Measure the gradient of the mean loss along the depth of every replica.

    Args:
        flat_RP: the parameters, in any precision; read, never written.
        x_RNI, target: the probe batch, float64.
        loss: maps outputs and targets to one loss a replica, `[R]`.
        masks_LRNO: dropout masks of the probe's own stream; batch norm uses the statistics of the probe batch.
    """
    params, leaves = model.layout.leaves(flat_RP.detach().double())
    taps = _Taps(model)
    with torch.enable_grad():
        loss_R = loss(model.forward(params, x_RNI, "probe", masks_LRNO=masks_LRNO, tap=taps), target)
        grads = torch.autograd.grad(loss_R.sum(), leaves)
    # the gradients of a block's parameters carry the exponent of that block's output, those of the readout none
    exponents = [*taps.columns["exponent"], torch.zeros_like(loss_R)]
    logs = [
        _log(torch.linalg.vector_norm(grad.flatten(1), dim=1)) + exponents[slot.layer] * math.log(2)
        for slot, grad in zip(model.layout.slots, grads, strict=True)
    ]
    log_weight_grad = [log for slot, log in zip(model.layout.slots, logs, strict=True) if slot.name == "weight"]
    return Profile(
        loss_R=loss_R.detach(),
        log_grad_norm_total_R=torch.logsumexp(2 * torch.stack(logs), 0) / 2,
        log_grad_norm_RL=taps.stacked("log_grad_norm"),
        log_weight_grad_norm_RL=torch.stack(log_weight_grad[:-1], 1),
        weight_norm_RL=weight_norms(model, flat_RP),
        act_mean_RL=taps.stacked("act_mean"),
        act_std_RL=taps.stacked("act_std"),
        saturated_RL=taps.stacked("saturated"),
        dead_RL=taps.stacked("dead"),
        zero_grad_RL=taps.stacked("zero_grad"),
    )
