"""Tables of vectors for inputs that are indices: what a linear map makes of one-hot inputs, without the zeros."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["embed", "one_hot"]


def _rows(index: Tensor, vocabulary: Sequence[int]) -> Tensor:
    """Return where the indices `[..., I]` of every feature are in the joined vocabulary."""
    # numbers, not a tensor made from a list: that would wait for the device, and cannot be part of a CUDA graph
    above = [0, *accumulate(vocabulary[:-1])]
    return torch.stack([index_i + first for index_i, first in zip(index.unbind(-1), above, strict=True)], -1)


def embed(index: Tensor, table_RVE: Tensor, vocabulary: Sequence[int]) -> Tensor:
    """Return the rows of every replica's table that the indices name.

    Args:
        index: int64 `[R, ..., I]`; feature i has values from 0 to ``vocabulary[i] - 1``.
        table_RVE: one table for each feature, one below the other: V is the sum of the vocabulary.

    Returns:
        `[R, ..., I, E]`; summed over I it is the linear map of the joined one-hot vectors.
    """
    replicas, total, features = table_RVE.shape
    first_rows = total * torch.arange(replicas, device=index.device)
    rows = _rows(index, vocabulary) + first_rows.view(-1, *[1] * (index.ndim - 1))
    return F.embedding(rows, table_RVE.reshape(replicas * total, features))


def one_hot(index: Tensor, vocabulary: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return the joined one-hot vectors `[..., V]` of indices `[..., I]`, V being the sum of the vocabulary."""
    zeros = torch.zeros(*index.shape[:-1], sum(vocabulary), dtype=dtype, device=index.device)
    return zeros.scatter_(-1, _rows(index, vocabulary), 1.0)
