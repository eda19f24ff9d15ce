"""The rows of a report on a model of the user: one for each block, as plain values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from gradlab.modules.profile import BlockNumbers, ModuleProfile
from gradlab.modules.summary import last_reached, log_grad_norms
from gradlab.modules.theory.factors import log_theory_factors

__all__ = ["block_rows", "label"]

_LN10 = math.log(10)
_MEANS = {
    "act_mean": "act_mean", "act_rms": "act_rms", "dead": "dead", "saturated": "saturated", "zero_grad": "zero_grad",
    "nonfinite": "nonfinite", "common": "common", "token_cosine": "token_cosine",
    "attention_entropy": "attention_entropy", "weight_norm": "weight_norm",
}  # fmt: skip
"""Columns that are arithmetic means over the seeds, and the numbers of a block that they are made of."""


def label(block: BlockNumbers, calls: int) -> str:
    """Return the name of a block in a table: with the number of the call where its module was called several times."""
    return f"{block.name}#{block.call}" if calls > 1 else block.name


def block_rows(profiles: Sequence[ModuleProfile], *, theory: bool = True) -> list[dict[str, Any]]:
    """Return one row for each block, from the data to the loss; profiles of several seeds are averaged.

    Gradients and weight gradients are geometric means. `survival` is that of the gradient at the last block,
    g_l/g_L; `factor` is g_{l-1}/g_l, by which block l changes it on the way down, and `theory_factor` what theory
    says of it. NaN where there is no number. Without `theory` it is not asked.
    """
    first = profiles[0]
    seed_norms = np.stack([log_grad_norms(profile) for profile in profiles])
    log_g = seed_norms.mean(0).tolist()
    top = log_g[last_reached(seed_norms)] if log_g else math.nan
    known = [log_theory_factors(profile) for profile in profiles] if theory else [np.full(len(first.blocks), np.nan)]
    log_theory = np.stack(known).mean(0).tolist()
    calls = Counter(block.name for block in first.blocks)
    rows = []
    for place, block in enumerate(first.blocks):
        seed_blocks = [profile.blocks[place] for profile in profiles]
        log_norm = log_g[place]
        below = log_g[place - 1] if place else math.nan
        elements = math.prod(block.shape)
        if len(seed_blocks) == 1:
            means = {column: getattr(block, name) for column, name in _MEANS.items()}
        else:
            means = {column: _mean([getattr(part, name) for part in seed_blocks]) for column, name in _MEANS.items()}
        log_weight = _mean([part.log_weight_grad_norm for part in seed_blocks])
        rows.append({
            "block": place + 1, "name": label(block, calls[block.name]), "kind": block.kind, "call": block.call,
            "shape": block.shape, "parameters": block.parameters, "frozen": block.frozen,
            "connected": block.connected, "is_cut": block.is_cut,
            "grad_norm": _number(log_norm), "log10_grad_norm": log_norm / _LN10,
            "grad_rms": _number(log_norm - math.log(elements) / 2) if elements else math.nan,
            "rel_grad": _number(log_norm) * means["act_rms"] * math.sqrt(elements),
            "log10_survival": _difference(log_norm, top) / _LN10, "survival": _number(_difference(log_norm, top)),
            "factor": _number(_difference(below, log_norm)),
            "theory_factor": _number(log_theory[place]) if place else math.nan,
            "weight_grad_norm": _number(log_weight), "log10_weight_grad_norm": log_weight / _LN10,
            **means,
            "dtype": block.dtype,
        })  # fmt: skip
    return rows


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _difference(first: float, second: float) -> float:
    """Return the logarithm of a ratio; NaN where the second is zero, as 0/0 is nothing and not 1."""
    return math.nan if second == -math.inf else first - second


def _number(logarithm: float) -> float:
    """Return exp(logarithm): zero only for an exact zero, NaN where it is beyond the range of a float."""
    if math.isnan(logarithm) or (abs(logarithm) > 700 and logarithm != -math.inf):
        return math.nan
    return math.exp(logarithm)
