"""Mean field of a vanilla recurrent network: how the variance of its states, and of its gradient, go along time.

h_t = W x_{t-1} + U u_t + b, x_t = φ(h_t), x_0 = 0, with W of variance σ_w²/n, the same at every step. At infinite
width the states at one time are Gaussian as if W were drawn anew at each step, and so are the gradients (Chen,
Pennington & Schoenholz 2018, arXiv 1806.05394; proof: Yang 2020, arXiv 2006.14548):

    q_t = σ_w² E φ(√q_{t-1} z)² + (variance that input u_t brings) + σ_b²,     E g²_{t-1} = σ_w² E φ'(√q_t z)² E g²_t.

Samples have inputs of different length at every step, so q_t is followed for many of them, and g² is their mean.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gradlab.components import Named
from gradlab.mean_field.activations import NumpyActivation, numpy_activation
from gradlab.mean_field.maps import chi, variance_map

if TYPE_CHECKING:
    from scipy.interpolate import CubicSpline

__all__ = ["log_chi_means", "log_factors"]

Floats = NDArray[np.float64]

_SAMPLES, _FEWEST, _ELEMENTS = 512, 8, 2**23
"""Samples that are followed; fewer where an array of all their time steps would have more elements than that."""
_LOW, _HIGH, _STEP = -30.0, 30.0, 0.125
"""ln q at which the moments are tabulated; beyond, every activation has reached its asymptotic slope."""


@lru_cache(maxsize=64)
def _moments(phi: NumpyActivation) -> tuple[CubicSpline, CubicSpline]:
    """Return ln E φ² and ln E φ'² as functions of ln q."""
    from scipy.interpolate import CubicSpline  # 0.2 s that no other theory needs

    at = np.arange(_LOW, _HIGH + _STEP / 2, _STEP)
    with np.errstate(divide="ignore"):
        square, slope = (np.log([f(phi, float(np.exp(x)), 1.0, *constants) for x in at]) for f, constants in
                         ((variance_map, (0.0,)), (chi, ())))  # fmt: skip
    return CubicSpline(at, square), CubicSpline(at, slope)


def log_factors(
    activation: Named, sigma_w2: float, sigma_b2: float, input_variance: float, spread: float, steps: int
) -> tuple[Floats, Floats]:
    """Return ln χ_t and q_t of single samples at every time step, [samples, T].

    `input_variance` is what the inputs bring to q on average, `spread` the standard deviation of a sample's share
    over that mean; the shares are drawn from a gamma distribution, which is exact for Gaussian features.
    """
    square, slope = _moments(numpy_activation(activation))
    samples = min(_SAMPLES, max(_FEWEST, _ELEMENTS // steps))
    shares = np.ones((samples, steps))
    if spread > 0:
        shares = np.random.default_rng(0).gamma(1 / spread**2, spread**2, size=shares.shape)
    log_chi, q = np.empty((samples, steps)), np.empty((samples, steps))
    rate = float(square(_HIGH, 1))
    p = np.zeros(samples)
    for t in range(steps):
        q[:, t] = sigma_w2 * p + input_variance * shares[:, t] + sigma_b2
        at = np.log(np.clip(q[:, t], np.exp(_LOW), None))
        inside = np.clip(at, _LOW, _HIGH)
        log_chi[:, t] = np.log(sigma_w2) + slope(inside)
        p = np.exp(square(inside) + rate * (at - inside))
    return log_chi, q


def log_chi_means(log_chi: Floats) -> Floats:
    """Return ln g_t - ln g_T at every time step, [T]: g² is the mean over the samples of the products of χ."""
    log_g2 = np.append(np.cumsum(log_chi[:, :0:-1], axis=1)[:, ::-1], np.zeros((len(log_chi), 1)), axis=1)
    profile: Floats = (np.logaddexp.reduce(log_g2, axis=0) - np.log(len(log_chi))) / 2
    profile -= profile[-1]  # the rounding of the mean
    return profile
