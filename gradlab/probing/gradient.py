"""Gradients with an exponent: tensors `[R, ...]` times a power of two for each replica, beyond float64's range.

Powers of two scale exactly, so a gradient that is rescaled at every link and whose exponents are added back to the
logarithms is as exact as one that was not: an exact zero is a dead network, never underflow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LN2", "Gradient", "log", "norm", "scaled", "share", "underflow"]

LN2 = math.log(2)

_ZERO_RANK = -1e9
"""Stands for the exponent of an exact zero in comparisons: far below every other, and still a number."""


def share(mask: Tensor) -> Tensor:
    """Return the share of true elements of each replica, `[R]`."""
    return mask.flatten(1).count_nonzero(1).double() / mask[0].numel()


def log(norm: Tensor) -> Tensor:
    """Return the logarithm, -inf for 0 and NaN for anything that is not finite."""
    return norm.log().where(norm.isfinite(), torch.nan)


def norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the Frobenius norm of each replica over tensors `[R, ...]` together, `[R]`."""
    norms: list[Tensor] = [torch.linalg.vector_norm(tensor.flatten(1), dim=1) for tensor in tensors]
    if len(norms) == 1:
        return norms[0]
    joint: Tensor = torch.linalg.vector_norm(torch.stack(norms, 1), dim=1)
    return joint


def scaled(x: Tensor, exponent_R: Tensor) -> Tensor:
    """Return ``x * 2^exponent`` of each replica; exact while the power itself is within float64, below it zero."""
    return x * torch.exp2(exponent_R).view(-1, *[1] * (x.ndim - 1))


def exponent_of(tensors: Sequence[Tensor]) -> Tensor:
    """Return for each replica the exponent of its largest element, `[R]`: 2^-exponent brings that near 1.

    0 where all are zero and where one is not finite. Within +-1000, so that 2^-exponent is a number: what is left of
    a larger one is dealt with at the next link.
    """
    largest_R = tensors[0].flatten(1).abs().amax(1)
    for tensor in tensors[1:]:
        largest_R = torch.maximum(largest_R, tensor.flatten(1).abs().amax(1))
    exponent_R = torch.where(largest_R.isfinite(), torch.frexp(largest_R).exponent, 0)
    return exponent_R.clamp(-1000, 1000).to(largest_R.dtype)


def underflow(grad: Tensor, exponent_R: Tensor, smallest_R: Tensor | None) -> Tensor:
    """Return the share of elements of ``grad * 2^exponent`` that are not zero and smaller than `smallest_R`, `[R]`."""
    if smallest_R is None:
        return torch.full_like(exponent_R, torch.nan)
    # the bound moves, not the gradient: beyond float64's range it becomes infinite or zero, which is right both times
    half_R = torch.trunc(exponent_R / 2)
    bound_R = scaled(scaled(smallest_R.to(grad.dtype), -half_R), half_R - exponent_R)
    return share((grad != 0) & (grad.abs() < bound_R.view(-1, *[1] * (grad.ndim - 1))))


@dataclass(frozen=True, slots=True)
class Gradient:
    """Tensors `[R, ...]` whose true values are these times 2^exponent, one exponent a replica."""

    parts: tuple[Tensor, ...]
    exponent_R: Tensor

    def rescaled(self) -> Gradient:
        """Return the same gradient with its largest element near 1."""
        shift_R = exponent_of(self.parts)
        return Gradient(tuple(scaled(part, -shift_R) for part in self.parts), self.exponent_R + shift_R)

    def plus(self, other: Gradient) -> Gradient:
        """Return the sum, to the accuracy of float64 whatever the two exponents."""
        own_R, others_R = self._rank(), other._rank()
        common_R = torch.maximum(own_R, others_R)
        common_R = torch.where(common_R == _ZERO_RANK, 0.0, common_R)
        own_R, others_R = own_R - common_R, others_R - common_R
        pairs = zip(self.parts, other.parts, strict=True)
        return Gradient(tuple(scaled(a, own_R) + scaled(b, others_R) for a, b in pairs), common_R)

    def log_norm(self) -> Tensor:
        """Return the natural logarithm of the norm over all parts, `[R]`."""
        return log(norm(self.parts)) + self.exponent_R * LN2

    def _rank(self) -> Tensor:
        zero_R = torch.stack([(part == 0).flatten(1).all(1) for part in self.parts]).all(0)
        return torch.where(zero_R, _ZERO_RANK, self.exponent_R)
