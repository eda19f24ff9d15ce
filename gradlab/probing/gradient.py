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

__all__ = ["LN2", "Gradient", "bound", "count", "largest", "log", "norm", "scaled"]

LN2 = math.log(2)

_ZERO_RANK = -1e9
"""Stands for the exponent of an exact zero in comparisons: far below every other, and still a number."""


def count(mask: Tensor) -> Tensor:
    """Return the number of ones of each replica, `[R]`, in a tensor of ones and zeros.

    Comparisons that write float64 and this sum of them, which is exact, take less than half of the time of comparisons
    that write booleans and of `count_nonzero`.
    """
    return mask.flatten(1).sum(1)


def largest(tensors: Sequence[Tensor]) -> Tensor:
    """Return the largest magnitude of each replica, `[R]`, NaN where one is NaN."""
    rows = [tensor.flatten(1) for tensor in tensors]
    ends = [end for row in rows for end in (row.amax(1), -row.amin(1))]
    return ends[0].maximum(ends[1]) if len(ends) == 2 else torch.stack(ends).amax(0)


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
    exponent_R = torch.frexp(largest(tensors).nan_to_num_(0, 0, 0)).exponent
    return exponent_R.clamp_(-1000, 1000).to(tensors[0].dtype)


def bound(smallest_R: Tensor, exponent_R: Tensor) -> Tensor:
    """Return ``smallest * 2^-exponent``, `[R]`: infinite or zero where that is beyond float64's range."""
    half_R = torch.trunc(exponent_R / 2)
    return scaled(scaled(smallest_R.to(exponent_R.dtype), -half_R), half_R - exponent_R)


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
        common_R = common_R.masked_fill(common_R == _ZERO_RANK, 0.0)
        own_R, others_R = own_R - common_R, others_R - common_R
        pairs = zip(self.parts, other.parts, strict=True)
        return Gradient(tuple(scaled(a, own_R).add_(scaled(b, others_R)) for a, b in pairs), common_R)

    def log_norm(self) -> Tensor:
        """Return the natural logarithm of the norm over all parts, `[R]`."""
        return log(norm(self.parts)) + self.exponent_R * LN2

    def _rank(self) -> Tensor:
        return self.exponent_R.masked_fill(largest(self.parts) == 0, _ZERO_RANK)
