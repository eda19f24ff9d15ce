"""Losses of each replica by itself, and their gradients by hand where that is faster than by autograd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Loss", "cross_entropy", "last_step", "mean", "mse", "with_pullback"]

Loss = Callable[[Tensor, Tensor], Tensor]
"""Outputs `[R, N, C]` or, with one for each time step, `[R, N, T, C]`, and their targets, to a number a replica."""

LossPullback = Callable[[Tensor], Tensor]
"""Maps the gradient at the losses, `[R]`, to that at the outputs."""

REGISTER_BYTES = 64
"""A row of outputs up to this size is shorter than a vector register, and a softmax then goes over an inner axis: torch
is fifteen times slower along a last axis of ten than along an axis beside that of the samples."""


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean cross-entropy of each replica over samples and time steps, `[R]`, in nats.

    Targets are class indices, `[R, N]` for outputs `[R, N, C]`, `[R, N, T]` for `[R, N, T, C]`.
    """
    losses = F.cross_entropy(output.flatten(0, -2), target.flatten(), reduction="none")
    return losses.view(target.shape).flatten(1).mean(1)


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error of each replica over samples, time steps and outputs, `[R]`."""
    return mean((output - target).square())


def last_step(loss: Loss) -> Loss:
    """Return the part of a loss over all time steps that belongs to the last one."""
    return lambda output, target: loss(output[:, :, -1], target[:, :, -1])


def mean(values: Tensor) -> Tensor:
    """Return the mean of each replica over everything else, `[R]`."""
    return values.mean(tuple(range(1, values.ndim)))


def with_pullback(loss: Loss, output: Tensor, target: Tensor) -> tuple[Tensor, LossPullback]:
    """Return a loss of outputs without a graph, `[R]`, and what maps its gradient to that of the outputs.

    By hand for `cross_entropy` and `mse`, by autograd for any other loss.
    """
    if loss is cross_entropy:
        return _cross_entropy(output, target)
    if loss is mse:
        return _mse(output, target)
    with torch.enable_grad():
        leaf = output.detach().requires_grad_()
        loss_R = loss(leaf, target)

    def pull(grad_R: Tensor) -> Tensor:
        with torch.enable_grad():
            total = (loss_R * grad_R).sum()
        return torch.autograd.grad(total, leaf)[0]

    return loss_R.detach(), pull


def _cross_entropy(output: Tensor, target: Tensor) -> tuple[Tensor, LossPullback]:
    logits = output.flatten(1, -2)
    in_registers = output.shape[-1] * output.element_size() <= REGISTER_BYTES
    axis = 1 if in_registers else 2
    log_p = torch.log_softmax(logits.mT.contiguous() if in_registers else logits, axis)
    index = target.flatten(1).unsqueeze(axis)
    loss_R = -log_p.gather(axis, index).flatten(1).mean(1)

    def pull(grad_R: Tensor) -> Tensor:
        of_sample = (grad_R / -index[0].numel()).view(-1, 1, 1).expand_as(index)
        of_log_p = torch.zeros_like(log_p).scatter_(axis, index, of_sample)
        grad: Tensor = torch.ops.aten._log_softmax_backward_data(of_log_p, log_p, axis, log_p.dtype)
        return (grad.mT.contiguous() if in_registers else grad).view(output.shape)

    return loss_R, pull


def _mse(output: Tensor, target: Tensor) -> tuple[Tensor, LossPullback]:
    error = output - target

    def pull(grad_R: Tensor) -> Tensor:
        return (grad_R / error[0].numel()).view(-1, *[1] * (error.ndim - 1)) * (2 * error)

    return mean(error.square()), pull
