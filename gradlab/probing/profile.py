"""What a probe gives back, and the arithmetic with exponents that its two kinds share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LN2", "SATURATED", "Loss", "Profile", "exponent_of", "log", "norm", "scaled", "share", "underflow"]

Loss = Callable[[Tensor, Tensor], Tensor]

SATURATED = 1 / 20
"""A unit counts as saturated where its slope is below this share of the activation's largest."""

LN2 = math.log(2)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a probe saw; float64, natural logarithms, -inf for exactly zero, NaN for not finite.

    L are the blocks of a feed-forward network or the time steps of a recurrent one. A state h_t is then that of all
    stacked layers, and its gradient the total one, along every path to the loss: what ``torch.autograd.grad`` gives.
    """

    loss_R: Tensor
    log_grad_norm_total_R: Tensor
    """Of the gradient of the loss over all parameters."""
    log_grad_norm_RL: Tensor
    log_weight_grad_norm_RL: Tensor
    """Of a recurrent network: of what step t adds to the gradient of the recurrent matrices. Step 1 adds none."""
    weight_norm_RL: Tensor
    """Of a recurrent network: the norm of its recurrent matrices, the same number for every step."""
    act_mean_RL: Tensor
    act_std_RL: Tensor
    saturated_RL: Tensor
    """Share of (sample, unit) pairs with a flat activation; in gated cells, of flat sigmoids over all gates."""
    dead_RL: Tensor
    """Share of units whose activation (in gated cells, the candidate's) is flat to the last bit for every sample."""
    zero_grad_RL: Tensor
    underflow_RL: Tensor
    """Share of gradient elements that are not zero, yet below `smallest_R`: lost in the precision of training. NaN
    where that was not asked for."""
    log_cell_grad_norm_RL: Tensor
    """Of an LSTM's cell state; NaN elsewhere."""
    spectral_radius_R: Tensor
    """Of the recurrent matrix of the top layer, in gated cells of its block for the candidate (of a minimal cell,
    its only one): the largest modulus of an eigenvalue. NaN elsewhere."""
    recurrent_norm_R: Tensor
    """Its largest singular value."""


def share(mask: Tensor) -> Tensor:
    """Return the share of true elements of each replica."""
    return mask.flatten(1).count_nonzero(1).double() / mask[0].numel()


def log(norm: Tensor) -> Tensor:
    """Return the logarithm, -inf for 0 and NaN for anything that is not finite."""
    return norm.log().where(norm.isfinite(), torch.nan)


def norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the Frobenius norm of each replica over tensors `[R, ...]` together."""
    norms = [torch.linalg.vector_norm(one.flatten(1), dim=1) for one in tensors]
    both: Tensor = torch.linalg.vector_norm(torch.stack(norms, 1), dim=1)
    return both


def scaled(x: Tensor, exponent_R: Tensor) -> Tensor:
    """Return ``x * 2^exponent`` of each replica; exact while the power itself is within float64, below it zero."""
    return x * torch.exp2(exponent_R).view(-1, *[1] * (x.ndim - 1))


def exponent_of(tensors: Sequence[Tensor]) -> Tensor:
    """Return for each replica the exponent of its largest element, `[R]`: 2^-exponent brings that near 1.

    0 where all are zero and where one is not finite. Within +-1000, so that 2^-exponent is a number: what is left of
    a larger one is dealt with at the next block.
    """
    largest_R = tensors[0].flatten(1).abs().amax(1)
    for one in tensors[1:]:
        largest_R = torch.maximum(largest_R, one.flatten(1).abs().amax(1))
    exponent_R = torch.where(largest_R.isfinite(), torch.frexp(largest_R).exponent, 0)
    return exponent_R.clamp(-1000, 1000).to(largest_R.dtype)


def underflow(grad: Tensor, exponent_R: Tensor, smallest_R: Tensor | None) -> Tensor:
    """Return the share of elements of ``grad * 2^exponent`` that are not zero and smaller than `smallest_R`."""
    if smallest_R is None:
        return torch.full_like(exponent_R, torch.nan)
    # the bound moves, not the gradient: beyond float64's range it becomes infinite or zero, which is right both times
    half_R = torch.trunc(exponent_R / 2)
    bound_R = scaled(scaled(smallest_R.to(grad.dtype), -half_R), half_R - exponent_R)
    return share((grad != 0) & (grad.abs() < bound_R.view(-1, *[1] * (grad.ndim - 1))))
