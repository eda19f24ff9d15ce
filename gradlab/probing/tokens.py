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


def attention_entropy(weights: Tensor) -> Tensor:
    """Return the mean entropy of attention weights `[R, ..., T, T]` over ln of how many keys a query can see, `[R]`.

    Keys that are masked for all samples, as those after a query under a causal mask, have weight exactly 0 and do not
    count; queries that see a single key are left out. NaN where there are no others.
    """
    seen = (weights > 0).flatten(0, -3).any(0).sum(-1)
    entropy = torch.special.entr(weights).sum(-1) / seen.clamp(min=2).to(weights.dtype).log()
    kept: Tensor = entropy[..., seen > 1]
    return kept.flatten(1).mean(1) if kept.shape[-1] else kept.new_full((len(weights),), math.nan)
