"""Numbers about the tokens of a tensor `[batch, tokens, features]`."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from gradlab.record import Floats

__all__ = ["accumulator", "cosine_spread", "normed_products", "size_ratio", "token_cosine", "token_products"]

_SAMPLED, _SAMPLED_TOKENS = 8, 64
"""Sequences and tokens of each whose cosines are looked at pair by pair."""
_MOST_TOKENS = 256
"""Of a sequence whose products between tokens are kept."""


def accumulator(tensor: Tensor) -> torch.dtype:
    """Return the dtype that sums of squares are made in: float64 where the device has it."""
    if tensor.is_complex():
        return torch.complex128
    return torch.float32 if tensor.device.type == "mps" else torch.float64


def token_cosine(value: Tensor) -> float:
    """Return the mean cosine between two different tokens of one sequence, of a value `[batch, tokens, features]`."""
    if value.ndim != 3 or value.shape[1] < 2 or not value.is_floating_point():
        return math.nan
    tokens = value.shape[1]
    directions = nn.functional.normalize(value, dim=-1)
    pairs = (directions.sum(1).square().sum(-1) - directions.square().sum((1, 2))) / (tokens * (tokens - 1))
    return float(pairs.mean())


def cosine_spread(value: Tensor) -> float:
    """Return the deviation of the cosines between two tokens over the pairs of a sequence, of some of the tokens."""
    if value.ndim != 3 or value.shape[1] < 2 or not value.is_floating_point():
        return math.nan
    chosen = value[:_SAMPLED, :: max(1, value.shape[1] // _SAMPLED_TOKENS)]
    directions = nn.functional.normalize(chosen, dim=-1)
    places = torch.triu_indices(directions.shape[1], directions.shape[1], 1, device=value.device)
    cosines = (directions @ directions.mT)[:, places[0], places[1]]
    return float(cosines.var(1, correction=0).mean().sqrt())


def size_ratio(value: Tensor) -> float:
    """Return the mean square of a token times the mean of its inverse; infinite where a token is zero."""
    squares = value.double().square().mean(-1)
    return float(squares.mean() * squares.reciprocal().mean())


def normed_products(gradient: Tensor) -> Floats | None:
    """Return the same, its mean square taken as 1; None where that is zero or not finite."""
    products = token_products(gradient)
    if products is None or not (trace := np.trace(products)) or not np.isfinite(trace):
        return None
    normed: Floats = products * (len(products) / trace)
    return normed


def token_products(tensor: Tensor) -> Floats | None:
    """Return the mean products of the elements of two tokens, `[tokens, tokens]`, of a tensor of three axes."""
    if tensor.ndim != 3 or not 1 < tensor.shape[1] <= _MOST_TOKENS or not tensor.is_floating_point():
        return None
    wide = tensor.detach().to(accumulator(tensor))
    products = torch.einsum("btd,bsd->ts", wide, wide) / (wide.shape[0] * wide.shape[2])
    values: Floats = products.cpu().double().numpy()
    return values
