"""The probe: one bank and one batch in, the gradient along the blocks of every replica out, in float64.

It copies the flat buffer up, runs forward and backward by plain autograd, and touches neither the training state nor
its random streams. Gradients of a thousand sigmoid blocks fall below what even float64 can hold (1e-631 at width
64), so the gradient is rescaled by a power of two at every block, which is exact, and the exponents are added back to
the logarithms: an exact zero in a profile is a dead network, not underflow.

Of a feed-forward network the blocks are its layers (`depth`), of a recurrent one its time steps (`time`).
"""

from __future__ import annotations

from torch import Tensor

from gradlab.families.mlp.network import MLP
from gradlab.families.network import Model
from gradlab.families.recurrent.network import Recurrent
from gradlab.probing import depth, time
from gradlab.probing.profile import Loss, Profile

__all__ = ["Loss", "Profile", "probe", "weight_norms"]


def weight_norms(model: Model, flat_RP: Tensor) -> Tensor:
    """Return the Frobenius norm of each block's weight matrix, `[R, L]`, float64.

    Of a recurrent network all time steps have the same one: the norm of its recurrent matrices together.
    """
    if isinstance(model, Recurrent):
        return time.weight_norms(model, flat_RP)
    return depth.weight_norms(model, flat_RP)


def probe(
    model: Model,
    flat_RP: Tensor,
    x: Tensor,
    target: Tensor,
    loss: Loss,
    masks_LRNO: Tensor | None = None,
    smallest_R: Tensor | None = None,
    probe_loss: Loss | None = None,
) -> Profile:
    """Measure the gradient of the mean loss along the blocks of every replica.

    Args:
        flat_RP: the parameters, in any precision; read, never written.
        x, target: the probe batch, float64, or int64 where inputs are indices.
        loss: maps outputs and targets to one loss a replica, `[R]`.
        masks_LRNO: dropout masks of the probe's own stream; batch norm uses the statistics of the probe batch.
        smallest_R: the smallest magnitude of a gradient element that training keeps; None does not count underflow.
        probe_loss: what the profile differentiates where that is not `loss`: of a sequence with a loss at every
            step, that of the last one. `loss_R` and the gradient's norm over all parameters are still those of `loss`.
    """
    if isinstance(model, Recurrent):
        return time.profile(model, flat_RP, x, target, loss, masks_LRNO, smallest_R, probe_loss)
    if not isinstance(model, MLP):
        raise TypeError(f"no probe for {type(model).__name__}")
    return depth.profile(model, flat_RP, x, target, loss, masks_LRNO, smallest_R, probe_loss)
