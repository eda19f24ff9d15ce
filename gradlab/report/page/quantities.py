"""What was measured block by block beside the gradient: weight gradient, deviation of the activations, dead units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradlab.record import Floats
from gradlab.report.model.profiles import ProfileIndex

__all__ = ["COLUMNS", "in_blocks", "over_training", "short"]

_DIGITS = 3
"""Of a log10: a fifth of a percent, a tenth of a line's width."""


@dataclass(frozen=True, slots=True)
class _Quantity:
    """A column of ``layers.csv``; its mean over the seeds is geometric where it is shown as log10."""

    key: str
    column: str
    log: bool


_QUANTITIES = (
    _Quantity("weights", "weight_grad_norm", log=True),
    _Quantity("deviation", "act_std", log=True),
    _Quantity("dead", "dead", log=False),
)
COLUMNS = tuple(quantity.column for quantity in _QUANTITIES)


def in_blocks(
    index: ProfileIndex, cells: Sequence[str], steps: Sequence[int], at: NDArray[np.int64]
) -> dict[str, Any] | None:
    """Return the means over seeds of each quantity that was measured, at the blocks `at` (from 0) and these steps:
    `steps`, and by key [K, points], as log10 but for the dead units. None without any.
    """
    values = {quantity.key: [short(_mean(index, cells, step, quantity)[at]) for step in steps]
              for quantity in _QUANTITIES if _is_measured(index, cells, quantity)}  # fmt: skip
    return {"steps": list(steps), **values} if steps and values else None


def over_training(index: ProfileIndex, cells: Sequence[str], steps: Sequence[int]) -> dict[str, list[float | None]]:
    """Return for each quantity but the weight gradient the mean over blocks of its mean over seeds, at these steps."""
    courses = {}
    for quantity in _QUANTITIES[1:]:
        if _is_measured(index, cells, quantity):
            means = [_mean(index, cells, step, quantity) for step in steps]
            courses[quantity.key] = short(np.array([mean.mean() if len(mean) else np.nan for mean in means]))
    return courses


def short(values: Floats) -> list[float | None]:
    """Return numbers with the digits that the page shows; None for what is not finite."""
    return [round(float(value), _DIGITS) if np.isfinite(value) else None for value in values]


def _is_measured(index: ProfileIndex, cells: Sequence[str], quantity: _Quantity) -> bool:
    """Return whether there are values, of the dead units other values than 0."""
    values = index.of(cells, 0, quantity.column) if index.has(quantity.column) else np.empty((0, 0))
    if not np.isfinite(values).any():
        return False
    if quantity.log:
        return True
    every = [index.of(cells, step, quantity.column) for step in index.steps(cells)]
    return any(bool(np.nansum(step) > 0) for step in every)


def _mean(index: ProfileIndex, cells: Sequence[str], step: int, quantity: _Quantity) -> Floats:
    """Return the mean over the seeds with a finite value, [L]; NaN where there is none."""
    values = index.of(cells, step, quantity.column)
    if quantity.log:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log10(values)
    usable = np.isfinite(values)
    count = usable.sum(axis=0)
    return np.where(count > 0, np.where(usable, values, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
