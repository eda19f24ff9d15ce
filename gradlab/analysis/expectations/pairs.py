"""Which configuration of one side of a statement is compared with which of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlab.analysis.expectations.configurations import Configuration

__all__ = ["partners"]

_FOLLOW = {
    "optimizer": ("lr",),
    "norm": ("norm_position",),
    "residual": ("norm_position", "residual_scale", "branch_init"),
}
"""Settings that come with the value of another: each optimizer has its own learning rate."""

_Pair = tuple[Configuration, Configuration]


def partners(
    lefts: Sequence[Configuration], rights: Sequence[Configuration], left_keys: set[str], right_keys: set[str]
) -> list[_Pair]:
    """Return the pairs that agree in all else than the settings in both brackets: a comparison all else equal.

    A left one without such a partner is paired with those from which it differs, besides, in what follows these
    settings; one that has no partner even so is left out. Where that leaves no pair at all, what stands in either of
    the brackets may differ.
    """
    for keys in (left_keys & right_keys, left_keys | right_keys):
        follow = {follower for key in keys for follower in _FOLLOW.get(key, ())}
        pairs, single = _pairs(lefts, rights, keys)
        pairs += _pairs(single, rights, keys | follow)[0]
        if pairs:
            return pairs
    return []


def _pairs(
    lefts: Sequence[Configuration], rights: Sequence[Configuration], ignored: set[str]
) -> tuple[list[_Pair], list[Configuration]]:
    """Return the pairs that agree in all but `ignored`, and the left ones without a partner."""
    by_rest: dict[tuple[Any, ...], list[Configuration]] = {}
    for right in rights:
        by_rest.setdefault(_rest(right, ignored), []).append(right)
    pairs = [(left, right) for left in lefts for right in by_rest.get(_rest(left, ignored), ())]
    return pairs, [left for left in lefts if _rest(left, ignored) not in by_rest]


def _rest(configuration: Configuration, ignored: set[str]) -> tuple[Any, ...]:
    values = (value for key, value in configuration.settings.items() if key not in ignored)
    return (*values, configuration.cell.data_digest)
