"""Survival, decay and verdict of every probed step of every cell: one number for each profile (SCIENCE §1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from gradlab.definitions import fitted_blocks, verdicts
from gradlab.record import Floats
from gradlab.results.statistics import slope
from gradlab.store.records import Integers, Records

__all__ = [
    "LN10",
    "LayerSurvivals",
    "Profiles",
    "Underflow",
    "cell_state_survival",
    "largest",
    "log_ratio",
    "number",
    "summarise",
    "underflow",
    "unmoved_blocks",
    "worst_layers",
]

LN10 = log(10.0)
_LARGEST = float(np.log(np.finfo(np.float64).max))
_SMALLEST = float(np.log(np.finfo(np.float64).tiny))


@dataclass(frozen=True, slots=True)
class Profiles:
    """One entry for each row (probed step of a cell) of a `Records`."""

    log_survival: Floats
    """ln(g_1/g_L): -inf when only g_1 is exactly zero, NaN when g_L is zero or either is not finite."""
    log_decay: Floats
    """-slope of ln g_l against l: ln of the factor per block (or time step) going down from the loss."""
    log_decay_se: Floats
    """Standard error of `log_decay`; NaN for two blocks."""
    verdict: NDArray[np.str_]


def number(logarithm: Floats) -> Floats:
    """Return exp(logarithm), NaN where that is beyond the range of a double's full precision: never a false 0 or inf.

    -inf, an exact zero, stays 0.
    """
    representable = np.isneginf(logarithm) | ((logarithm >= _SMALLEST) & (logarithm <= _LARGEST))
    return np.where(representable, np.exp(np.where(representable, logarithm, 0.0)), np.nan)


def log_ratio(first: Floats, last: Floats) -> Floats:
    """Return ln(g_1/g_L) of logarithms: NaN where g_L is zero, as 0/0 is nothing and not 1, or either is infinite."""
    ratio = first - np.where(np.isneginf(last), np.nan, last)
    return np.where(np.isposinf(ratio), np.nan, ratio)


def summarise(records: Records) -> Profiles:
    """Return survival, decay and verdict of every row.

    The decay is fitted over `gradlab.definitions.fitted_blocks`; one block has none, and neither has a profile with a
    gradient that is exactly zero or not finite.
    """
    rows = len(records.cell_of_row)
    log_survival, log_decay, log_decay_se = (np.full(rows, np.nan) for _ in range(3))
    dead, nonfinite = np.zeros(rows, bool), np.zeros(rows, bool)
    for depth in np.unique(records.blocks):
        at = np.flatnonzero(records.blocks_of_row == depth)
        log_g = records.profiles("log_grad_norm", at)
        log_survival[at] = log_ratio(log_g[:, 0], log_g[:, -1])
        dead[at] = np.isneginf(log_g).any(axis=1)
        nonfinite[at] = (np.isnan(log_g) | np.isposinf(log_g)).any(axis=1)
        fitted, error = slope(fitted_blocks(log_g))
        log_decay[at], log_decay_se[at] = -fitted, error
    thresholds = np.log([(cell.vanish, cell.explode) for cell in records.cells]).reshape(-1, 2)[records.cell_of_row]
    verdict = verdicts(log_survival, thresholds[:, 0], thresholds[:, 1], dead=dead, nonfinite=nonfinite)
    return Profiles(log_survival, log_decay, log_decay_se, verdict)


def cell_state_survival(records: Records, rows: Integers) -> Floats:
    """Return ln survival of the gradient with respect to the cell state of an LSTM, for each of `rows`; NaN without.

    As `Profiles.log_survival`: at the first time step against the last.
    """
    log_survival = np.full(len(rows), np.nan)
    for blocks in np.unique(records.blocks_of_row[rows]):
        at = np.flatnonzero(records.blocks_of_row[rows] == blocks)
        log_g = records.profiles("log_cell_grad_norm", rows[at])
        log_survival[at] = log_ratio(log_g[:, 0], log_g[:, -1])
    return log_survival


@dataclass(frozen=True, slots=True)
class LayerSurvivals:
    """The survival over time of the stacked layer furthest from 1 of each cell, [C] each; NaN without such layers."""

    log_survival: Floats
    layer: Floats
    """The layer, 1 the lowest."""


def worst_layers(records: Records, rows: Integers) -> LayerSurvivals:
    """Return the survival of the worst stacked layer in each of `rows`, one row a cell.

    A gradient that is not finite is worse than one that is exactly zero, and that worse than any number.
    """
    log_survival, layer = (np.full(len(rows), np.nan) for _ in range(2))
    layers_of_row = records.stacked_layers[records.cell_of_row]
    sizes = layers_of_row * records.blocks_of_row
    start = np.cumsum(sizes) - sizes
    for at in np.flatnonzero(layers_of_row[rows]):
        row = rows[at]
        log_g = records.by_stacked["log_grad_norm_by_layer"][start[row] : start[row] + sizes[row]]
        log_g = log_g.reshape(-1, layers_of_row[row])
        ratios = log_ratio(log_g[0], log_g[-1])
        distance = np.where(np.isnan(ratios), np.inf, np.abs(np.clip(ratios, -1e300, 1e300)))
        layer[at] = distance.argmax() + 1
        log_survival[at] = ratios[distance.argmax()]
    return LayerSurvivals(log_survival, layer)


@dataclass(frozen=True, slots=True)
class Underflow:
    """The largest share, over the blocks, of gradient elements that the precision of training loses; [n] each."""

    share: Floats
    """NaN where it was not measured."""
    block: Floats
    """The block with it, 1 the first; NaN where nothing is lost."""


def underflow(records: Records, rows: Integers) -> Underflow:
    """Return how much underflows in each of `rows`."""
    share, block = (np.full(len(rows), np.nan) for _ in range(2))
    for at, lost in _of_rows(records, rows, "underflow"):
        known = ~np.isnan(lost).all(axis=1)
        filled = np.where(np.isnan(lost), -1.0, lost)
        share[at] = np.where(known, filled.max(axis=1), np.nan)
        block[at] = np.where(filled.max(axis=1) > 0, filled.argmax(axis=1) + 1, np.nan)
    return Underflow(share, block)


def largest(records: Records, rows: Integers, name: str) -> Floats:
    """Return the largest value of a column over the blocks of each of `rows`; NaN where a block has none."""
    values = np.full(len(rows), np.nan)
    for at, of_blocks in _of_rows(records, rows, name):
        values[at] = of_blocks.max(axis=1)
    return values


def unmoved_blocks(records: Records, rows: Integers) -> Floats:
    """Return the blocks of each of `rows` whose weights have not changed by one bit; NaN where that is not known."""
    number = np.full(len(rows), np.nan)
    for at, moved in _of_rows(records, rows, "displacement"):
        number[at] = np.where(np.isnan(moved).any(axis=1), np.nan, (moved == 0).sum(axis=1))
    return number


def _of_rows(records: Records, rows: Integers, name: str) -> Iterator[tuple[Integers, Floats]]:
    """Yield the places in `rows` of the networks of each length L, with their values of a column, [n, L]."""
    for blocks in np.unique(records.blocks_of_row[rows]):
        at = np.flatnonzero(records.blocks_of_row[rows] == blocks)
        yield at, records.profiles(name, rows[at])
