"""The probe of a feed-forward network: a hook at every block's output sees the gradient on its way down."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradlab.families.mlp.network import MLP
from gradlab.families.network import Model
from gradlab.nn.activations import derivative
from gradlab.probing.profile import LN2, SATURATED, Loss, Profile, exponent_of, log, norm, scaled, share, underflow

__all__ = ["profile", "weight_norms"]


class _Taps:
    """Collects the numbers of each block: of its activations on the way up, of its gradient on the way down."""

    def __init__(self, model: MLP, smallest_R: Tensor | None, device: torch.device) -> None:
        depth = model.arch.depth
        self._flat_below = (SATURATED * model.activation.steepest()).to(device)
        self._smallest_R = smallest_R
        self.columns: dict[str, list[Tensor]] = {
            name: [torch.empty(0)] * depth
            for name in (
                "act_mean", "act_std", "saturated", "dead", "log_grad_norm", "zero_grad", "underflow", "exponent"
            )
        }  # fmt: skip

    def __call__(self, block: int, h_RNO: Tensor, a_RNO: Tensor, x_RNO: Tensor) -> None:
        put = self._put
        seen = x_RNO.detach()
        mean_R = seen.mean((1, 2))
        # two plain passes are several times faster than torch.std_mean over two axes, and as exact
        std_R = torch.linalg.vector_norm(seen - mean_R.view(-1, 1, 1), dim=(1, 2)) / math.sqrt(seen[0].numel())
        put(block, act_mean=mean_R, act_std=std_R)
        slope = derivative(a_RNO, h_RNO).abs()
        put(block, saturated=share(slope < self._flat_below), dead=share(slope.amax(1) == 0))
        x_RNO.register_hook(lambda grad: self._down(block, grad))  # type: ignore[no-untyped-call]

    def _put(self, block: int, **values: Tensor) -> None:
        for name, value in values.items():
            self.columns[name][block] = value

    def _down(self, block: int, grad_RNO: Tensor) -> Tensor:
        """Record the gradient at a block output and hand it on with its largest element near 1."""
        above = self.columns["exponent"]
        exponent_R = above[block + 1] if block + 1 < len(above) else torch.zeros_like(grad_RNO[:, 0, 0])
        shift_R = exponent_of([grad_RNO])
        grad_RNO = scaled(grad_RNO, -shift_R)
        exponent_R = exponent_R + shift_R
        self._put(
            block,
            exponent=exponent_R,
            log_grad_norm=log(norm([grad_RNO])) + exponent_R * LN2,
            zero_grad=share(grad_RNO == 0),
            underflow=underflow(grad_RNO, exponent_R, self._smallest_R),
        )
        return grad_RNO

    def stacked(self, name: str) -> Tensor:
        """Return one column as `[R, L]`."""
        return torch.stack(self.columns[name], 1)


def weight_norms(model: Model, flat_RP: Tensor) -> Tensor:
    """Return the Frobenius norm of each block's weight matrix, `[R, L]`, float64."""
    norms = [torch.linalg.matrix_norm(slot.view(flat_RP).double()) for slot in model.layout.weights()[:-1]]
    return torch.stack(norms, 1)


def profile(
    model: MLP, flat_RP: Tensor, x_RNI: Tensor, target: Tensor, loss: Loss, masks_LRNO: Tensor | None,
    smallest_R: Tensor | None, probe_loss: Loss | None,
) -> Profile:  # fmt: skip
    """Return what `gradlab.probing.probe` promises."""
    params, leaves = model.layout.leaves(flat_RP.detach().double())
    taps = _Taps(model, smallest_R, flat_RP.device)
    with torch.enable_grad():
        output = model.forward(params, x_RNI, "probe", masks_LRNO=masks_LRNO, tap=taps)
        loss_R = loss(output, target)
        differs = probe_loss is not None
        # the hooks keep what they see last: the gradient of the probe's own loss
        grads = torch.autograd.grad(loss_R.sum(), leaves, retain_graph=differs)
        total_R = torch.logsumexp(2 * torch.stack(_logs(model, grads, taps)), 0) / 2
        if probe_loss is not None:
            grads = torch.autograd.grad(probe_loss(output, target).sum(), leaves)
    slots = zip(model.layout.slots, _logs(model, grads, taps), strict=True)
    nan_RL = torch.full_like(taps.stacked("zero_grad"), torch.nan)
    return Profile(
        loss_R=loss_R.detach(),
        log_grad_norm_total_R=total_R,
        log_grad_norm_RL=taps.stacked("log_grad_norm"),
        log_weight_grad_norm_RL=torch.stack([one for slot, one in slots if slot.name == "weight"][:-1], 1),
        weight_norm_RL=weight_norms(model, flat_RP),
        act_mean_RL=taps.stacked("act_mean"),
        act_std_RL=taps.stacked("act_std"),
        saturated_RL=taps.stacked("saturated"),
        dead_RL=taps.stacked("dead"),
        zero_grad_RL=taps.stacked("zero_grad"),
        underflow_RL=taps.stacked("underflow"),
        log_cell_grad_norm_RL=nan_RL,
        spectral_radius_R=nan_RL[:, 0],
        recurrent_norm_R=nan_RL[:, 0],
    )


def _logs(model: MLP, grads: tuple[Tensor, ...], taps: _Taps) -> list[Tensor]:
    """Return the logarithm of each parameter's gradient norm, `[R]`: a block's carry the exponent of its output."""
    exponents = [*taps.columns["exponent"], torch.zeros_like(grads[0].flatten(1)[:, 0])]
    return [
        log(norm([grad])) + exponents[slot.layer] * LN2 for slot, grad in zip(model.layout.slots, grads, strict=True)
    ]
