"""One number for each profile: survival, decay and verdict of every probed step of every cell (SCIENCE §1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.definitions import fitted_blocks, verdicts
from gradlab.record import Floats
from gradlab.results import statistics as stats
from gradlab.store.records import Integers, Records

__all__ = ["Profiles", "Underflow", "cell_path", "number", "summarise", "underflow"]

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
    shown = np.isneginf(logarithm) | ((logarithm >= _SMALLEST) & (logarithm <= _LARGEST))
    return np.where(shown, np.exp(np.where(shown, logarithm, 0.0)), np.nan)


def summarise(measured: Records) -> Profiles:
    """Return survival, decay and verdict of every row.

    The decay is fitted over `gradlab.definitions.fitted_blocks`; one block has none, and neither has a profile with a
    gradient that is exactly zero or not finite.
    """
    rows = len(measured.cell_of_row)
    log_survival, log_decay, log_decay_se = (np.full(rows, np.nan) for _ in range(3))
    dead, nonfinite = np.zeros(rows, bool), np.zeros(rows, bool)
    for depth in np.unique(measured.blocks):
        at = np.flatnonzero(measured.blocks_of_row == depth)
        log_g = measured.profiles("log_grad_norm", at)
        last = np.where(np.isneginf(log_g[:, -1]), np.nan, log_g[:, -1])  # 0/0 is nothing, and not 1
        log_survival[at] = log_g[:, 0] - last
        dead[at] = np.isneginf(log_g).any(axis=1)
        nonfinite[at] = (np.isnan(log_g) | np.isposinf(log_g)).any(axis=1)
        slope, error = stats.slope(fitted_blocks(log_g))
        log_decay[at], log_decay_se[at] = -slope, error
    log_survival[np.isposinf(log_survival)] = np.nan
    thresholds = np.log([(cell.vanish, cell.explode) for cell in measured.cells]).reshape(-1, 2)[measured.cell_of_row]
    verdict = verdicts(log_survival, thresholds[:, 0], thresholds[:, 1], dead=dead, nonfinite=nonfinite)
    return Profiles(log_survival, log_decay, log_decay_se, verdict)


def cell_path(measured: Records, rows: Integers) -> Floats:
    """Return ln survival of the gradient with respect to the cell state of an LSTM, for each of `rows`; NaN without.

    As `Profiles.log_survival`: at the first time step against the last.
    """
    found = np.full(len(rows), np.nan)
    for blocks in np.unique(measured.blocks_of_row[rows]):
        at = np.flatnonzero(measured.blocks_of_row[rows] == blocks)
        log_g = measured.profiles("log_cell_grad_norm", rows[at])
        found[at] = log_g[:, 0] - np.where(np.isneginf(log_g[:, -1]), np.nan, log_g[:, -1])
    found[np.isposinf(found)] = np.nan
    return found


@dataclass(frozen=True, slots=True)
class Underflow:
    """The largest share, over the blocks, of gradient elements that the precision of training loses; [n] each."""

    share: Floats
    """NaN where it was not measured."""
    block: Integers
    """The block with it, 1 the first; 0 where nothing is lost."""


def underflow(measured: Records, rows: Integers) -> Underflow:
    """Return how much underflows in each of `rows`."""
    share, block = np.full(len(rows), np.nan), np.zeros(len(rows), dtype=np.int64)
    for blocks in np.unique(measured.blocks_of_row[rows]):
        at = np.flatnonzero(measured.blocks_of_row[rows] == blocks)
        lost = measured.profiles("underflow", rows[at])
        known = ~np.isnan(lost).all(axis=1)
        filled = np.where(np.isnan(lost), -1.0, lost)
        share[at] = np.where(known, filled.max(axis=1), np.nan)
        block[at] = np.where(filled.max(axis=1) > 0, filled.argmax(axis=1) + 1, 0)
    return Underflow(share, block)
