"""Which configuration of one side of a statement is compared with which of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradlab.cell import SETTINGS
from gradlab.query.points import Point

__all__ = ["partners"]

_FOLLOW = {"optimizer": ("lr",), "norm": ("norm_position",), "residual": ("norm_position", "residual_scale")}
"""Settings that come with the value of another: each optimizer has its own learning rate."""


def partners(
    lefts: Sequence[Point], rights: Sequence[Point], left_keys: set[str], right_keys: set[str]
) -> list[tuple[Point, Point]]:
    """Return the pairs that agree in all else than the settings in both brackets: a comparison all else equal.

    A left one without such a partner is paired with those from which it differs, besides, in what follows these
    settings; one that has no partner even so is left out. Where that leaves no pair at all, what stands in either of
    the brackets may differ.
    """
    for keys in (left_keys & right_keys, left_keys | right_keys):
        follow = {follower for key in keys for follower in _FOLLOW.get(key, ())}
        found, left_over = _pairs(lefts, rights, keys)
        found += _pairs(left_over, rights, keys | follow)[0]
        if found:
            return found
    return []


def _pairs(
    lefts: Sequence[Point], rights: Sequence[Point], ignored: set[str]
) -> tuple[list[tuple[Point, Point]], list[Point]]:
    """Return the pairs that agree in all but `ignored`, and the left ones without a partner."""
    by_rest: dict[tuple[Any, ...], list[Point]] = {}
    for point in rights:
        by_rest.setdefault(_rest(point, ignored), []).append(point)
    found = [(point, other) for point in lefts for other in by_rest.get(_rest(point, ignored), ())]
    return found, [point for point in lefts if _rest(point, ignored) not in by_rest]


def _rest(point: Point, ignored: set[str]) -> tuple[Any, ...]:
    cell = point.configuration
    rest = (getattr(cell, setting.attribute) for key, setting in SETTINGS.items() if key not in ignored)
    return (*rest, cell.data_digest)
