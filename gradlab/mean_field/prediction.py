"""What a theory answers: a `Prediction`, or the reason why there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.definitions import fitted_blocks, reach
from gradlab.errors import GradlabError

__all__ = ["NoPrediction", "Prediction", "from_profile"]

Floats = NDArray[np.float64]

_ROUNDING = 2.0**-24
"""Of a weight kept in float32."""


class NoPrediction(GradlabError):
    """Theory says nothing about a setting; the message says why."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What mean-field theory expects at step 0. `reason` says why there is no prediction; the numbers are then None.

    Logarithms are natural, [L] has block 1 (of a recurrent network: time step 1) first. Means are those of ln g over
    seeds (geometric means of g). No number is ever NaN.
    """

    reason: str = ""
    log_grad_norm: Floats | None = None
    """ln g_l - ln g_L, [L]"""
    log_grad_norm_sd: Floats | None = None
    """Standard deviation of one seed's, [L]; None where there is no finite-width theory (batch norm)"""
    log_survival: float | None = None
    log_survival_sd: float | None = None
    log_survival_error: float | None = None
    """Largest error of the mean that a theory is known to make by its approximations; None where there is no scatter"""
    decay: float | None = None
    """exp(slope), fitted to the profile as to a measured one; None for a single block"""
    reach: float | None = None
    """Blocks to a thousandth, or to a thousandfold; infinite for a decay of 1"""
    q: Floats | None = None
    """Variance of Wx + b per block (of Wx + Uu + b per time step), [L]"""
    chi: Floats | None = None
    """E g²_{l-1}/E g²_l at infinite width per block, [L]; block 1's would lead down to the inputs and is not used"""
    bound: float | None = None
    """Of a recurrent network, what no time step's factor on g can exceed; also where there is no prediction"""
    log_cell_survival: float | None = None
    """As `log_survival`, of the gradient with respect to an LSTM's cell state"""
    note: str = ""
    """What a prediction rests on, or leaves out"""


def from_profile(
    profile: Floats,
    sd: Floats | None = None,
    q: Floats | None = None,
    chi: Floats | None = None,
    *,
    log_cell_survival: float | None = None,
    error: float = 0.0,
    note: str = "",
) -> Prediction:
    """Return the prediction with this ln g_l - ln g_L, [L], and what follows from it; `sd` without rounding.

    `error` is the largest one of the mean at block 1 that the approximations are known to make.
    """
    if sd is not None:  # weights kept in float32 are rounded: what is exact on paper is known to this in a network
        sd = np.hypot(sd, _ROUNDING * np.arange(len(profile) - 1, -1, -1))
    slope = _slope(profile)
    return Prediction(
        log_grad_norm=profile,
        log_grad_norm_sd=sd,
        log_survival=float(profile[0]),
        log_survival_sd=None if sd is None else float(sd[0]),
        log_survival_error=None if sd is None else error,
        decay=None if slope is None else math.exp(-slope),
        reach=None if slope is None else float(reach(np.asarray(slope))),
        q=q,
        chi=chi,
        log_cell_survival=log_cell_survival,
        note=note,
    )


def _slope(profile: Floats) -> float | None:
    """Return the slope of ln g_l against l as a measured profile gets it, by least squares."""
    fitted = fitted_blocks(profile)
    if len(fitted) < 2:
        return None
    x = np.arange(len(fitted)) - (len(fitted) - 1) / 2
    return float(x @ fitted / (x @ x))
