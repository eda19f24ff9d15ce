"""The statistics behind every table: pure functions on numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from gradlab.record import Floats
from gradlab.store.records import Integers

__all__ = ["Interval", "deviation", "mean_interval", "slope"]


def slope(y: Floats) -> tuple[Floats, Floats]:
    """Return the least-squares slope of y[..., l] against l = 1..n along the last axis, and its standard error.

    Shapes [...]. The slope is NaN for n = 1 and wherever a y is not finite; the standard error, from the residuals
    with n - 2 degrees of freedom, is NaN for n = 2 as well.
    """
    count = y.shape[-1]
    if count < 2:
        nothing = np.full(y.shape[:-1], np.nan)
        return nothing, nothing.copy()
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(y).all(axis=-1, keepdims=True))
    clean = np.where(usable, y, 0.0)
    x = np.arange(count) - (count - 1) / 2
    spread = float(x @ x)
    centred = clean - clean.mean(axis=-1, keepdims=True)
    slopes = centred @ x / spread
    squares = np.square(centred - slopes[..., None] * x).sum(axis=-1)
    error = np.sqrt(squares / (count - 2) / spread) if count > 2 else np.full_like(slopes, np.nan)
    return np.where(usable[..., 0], slopes, np.nan), np.where(usable[..., 0], error, np.nan)


@dataclass(frozen=True, slots=True)
class Interval:
    """Means with Student-t intervals, one of each per group, [groups]."""

    mean: Floats
    low: Floats
    high: Floats
    count: Integers
    """Finite values in the group."""


def mean_interval(values: Floats, group: Integers, groups: int, level: float = 0.95) -> Interval:
    """Return mean and two-sided Student-t interval of the finite `values` of each group.

    `values` and `group` (numbers 0..groups-1) have shape [n]. Given logarithms, exp of the result is the geometric
    mean with its interval. Values that are not finite are left out: the caller counts them and says so. The mean is
    NaN for an empty group; the interval is NaN for fewer than two values.
    """
    usable = np.isfinite(values)
    finite, member = values[usable], group[usable]
    count = np.bincount(member, minlength=groups)
    several = count > 1
    mean = np.where(count > 0, np.bincount(member, finite, groups) / np.maximum(count, 1), np.nan)
    with np.errstate(over="ignore"):  # the loss of a diverging network: its interval is infinite
        squares = np.bincount(member, np.square(finite - mean[member]), groups)
    variance = squares / np.maximum(count - 1, 1)
    quantile = stdtrit(np.maximum(count - 1, 1), (1 + level) / 2)
    half = np.where(several, quantile * np.sqrt(variance / np.maximum(count, 1)), np.nan)
    return Interval(mean, mean - half, mean + half, count)


def deviation(values: Floats, group: Integers, groups: int) -> Floats:
    """Return the standard deviation (with n - 1) of the finite `values` of each group; NaN for fewer than two."""
    usable = np.isfinite(values)
    finite, member = values[usable], group[usable]
    count = np.bincount(member, minlength=groups)
    mean = np.bincount(member, finite, groups) / np.maximum(count, 1)
    squares = np.bincount(member, np.square(finite - mean[member]), groups)
    return np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)
