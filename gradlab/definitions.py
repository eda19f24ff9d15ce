"""The definitions of decay, reach and verdict, for measured and for predicted profiles alike."""

from __future__ import annotations

from math import log

import numpy as np
from numpy.typing import NDArray

from gradlab.record import Floats
from gradlab.thresholds import ABSURD_METRIC

__all__ = [
    "FIRST_STEPS",
    "REACH_FACTOR",
    "SHORTEST_WITHOUT_ENDS",
    "fitted_blocks",
    "measures",
    "reach",
    "reach_interval",
    "verdicts",
]

SHORTEST_WITHOUT_ENDS = 6
"""Blocks from which a profile is fitted without its first and its last one, where input and loss have their effect."""
REACH_FACTOR = 1e3
"""Factor on the gradient whose distance in blocks is the reach."""
FIRST_STEPS = 20
"""Steps of Adam for which a change of a model of the user is trained."""
_ROUNDING = 1e-12
"""A slope of ln g this near 0 is the rounding of a least-squares fit to a constant profile."""


def fitted_blocks(log_g: Floats) -> Floats:
    """Return the part of profiles [..., L] that the decay is fitted to: from six blocks on without both ends."""
    return log_g[..., 1:-1] if log_g.shape[-1] >= SHORTEST_WITHOUT_ENDS else log_g


def measures(metric: Floats) -> NDArray[np.bool_]:
    """Return which metrics measure something: those that are finite and not beyond `ABSURD_METRIC`."""
    finite = np.isfinite(metric)
    return finite & (np.abs(np.where(finite, metric, 0.0)) <= ABSURD_METRIC)


def reach(log_decay: Floats) -> Floats:
    """Return the blocks after which a factor exp(log_decay) a block has made a thousandth, or a thousandfold.

    ln(1e3)/abs(log_decay): infinite where the factor is 1 up to rounding, NaN where it is NaN.
    """
    distance = np.abs(log_decay)
    flat = distance <= _ROUNDING
    return np.where(flat, np.inf, log(REACH_FACTOR) / np.where(flat, 1.0, distance))


def reach_interval(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the interval of the reach, for a log decay between `low` and `high`; NaN without them.

    Where the interval of the decay contains 1, that of the reach has no upper end: it is infinite.
    """
    ends = np.stack([reach(low), reach(high)])
    contains_one = (low <= 0) & (high >= 0)
    longest = np.where(contains_one, np.inf, ends.max(axis=0))
    return ends.min(axis=0), longest


def verdicts(
    log_survival: Floats, vanish: Floats, explode: Floats, *, dead: NDArray[np.bool_], nonfinite: NDArray[np.bool_]
) -> NDArray[np.str_]:
    """Return the verdict on each survival; `vanish` and `explode` are ln of the thresholds. All shapes [n].

    The first that holds: nonfinite, dead, vanishing, exploding, healthy.
    """
    verdict: NDArray[np.str_] = np.select(
        [nonfinite, dead, log_survival < vanish, log_survival > explode],
        ["nonfinite", "dead", "vanishing", "exploding"],
        "healthy",
    )
    return verdict
