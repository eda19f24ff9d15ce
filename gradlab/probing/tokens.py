"""Numbers of states and gradients of tokens, `[R, N, T, D]`: how alike the tokens are, and what their gradients share.

The gradient has two parts that live differently in a transformer: the mean over the tokens of a sequence, which
averaging attention hands on, and the rest, which it averages away (Dong 2021, arXiv 2103.03404; Noci 2022, 2206.03126).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["attention_entropy", "common_share", "cosine"]


def cosine(x_RNTD: Tensor) -> Tensor:
    """Return the mean cosine between two different tokens of one sequence, `[R]`; NaN for a single token.

    A token that is zero has cosine 0 with every other.
    """
    tokens = x_RNTD.shape[2]
    if tokens < 2:
        return x_RNTD.new_full((len(x_RNTD),), math.nan)
    unit: Tensor = torch.nn.functional.normalize(x_RNTD, dim=-1, eps=torch.finfo(x_RNTD.dtype).tiny)
    square_RN: Tensor = unit.sum(2).square().sum(-1) - unit.square().sum((2, 3))
    return square_RN.mean(1) / (tokens * (tokens - 1))


def common_share(grad_RNTD: Tensor) -> Tensor:
    """Return T·‖mean over tokens‖²/‖gradient‖², both summed over the sequences, `[R]`; NaN where it is zero.

    1/T for gradients that are independent from token to token, 1 where they are the same.
    """
    common_R = grad_RNTD.mean(2).square().flatten(1).sum(1) * grad_RNTD.shape[2]
    return common_R / grad_RNTD.square().flatten(1).sum(1)


def attention_entropy(weights: Tensor, later: Tensor | None = None) -> Tensor:
    """Return the mean entropy of attention weights `[R, ..., T, T]` over ln of how many keys a query sees, `[R]`.

    Keys that `later`, a boolean `[T, T]`, is true for are not seen; queries that see a single key are left out. NaN
    where there are no others.
    """
    count = weights.shape[-1]
    visible = torch.full((count,), count, device=weights.device) if later is None else count - later.sum(-1)
    several = visible > 1
    share = torch.special.entr(weights).sum(-1) / visible.clamp(min=2).to(weights.dtype).log()
    mean: Tensor = torch.where(several, share, 0.0).flatten(1).sum(1)
    queries: int = weights[0].numel() // (count * count)
    return mean / (several.sum() * queries)
