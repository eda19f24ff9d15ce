"""The prediction for a recurrent network: one layer, its gradient from the last time step down to the first.

What is known, by kind of recurrence (‖∂loss/∂h_t‖ at lag k = T - t against lag 0):

- linear with orthogonal or identity weights of gain g: g^k, exactly, for every network.
- identity with relu (Le 2015, arXiv 1504.00941): g^k as long as the same units are active; a unit that is inactive at
  a step lets nothing through, which only the data can tell.
- linear with random weights: by `gradlab.mean_field.powers`, with the scatter from network to network.
- any other activation with random or orthogonal weights: mean field, `mean_field.through_time`. The scatter is not
  predicted: with one W for all steps, what the width adds to one step it adds to all, so networks differ in their
  rate. Simulated at widths 64 and 256, ln of the survival scatters by 0.2 to 0.7 times k/√n at lags k > √n.
- gated cells: the path along the state alone, for weights of zero.

Whatever the network, no step lets the gradient grow by more than ‖W‖₂ sup |φ'| (Pascanu 2013, arXiv 1211.5063): below
1 it vanishes at least that fast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradlab.cell import Cell
from gradlab.components import INITS
from gradlab.families import FAMILIES
from gradlab.mean_field.activations import curve
from gradlab.mean_field.gated import gated
from gradlab.mean_field.inits import NoPrediction, bias_variance, weight_variance
from gradlab.mean_field.maps import limit
from gradlab.mean_field.powers import MOST_WIDTH, MOST_WIDTH_SPECTRAL, power_norms
from gradlab.mean_field.through_time import log_chi_means, log_factors

__all__ = ["TimeProfile", "input_variance", "recurrence_bound", "recurrent_profile"]

Floats = NDArray[np.float64]

_HOMOGENEOUS = ("relu", "leaky_relu", "prelu")
"""Activations with φ(h) = h for h > 0."""


@dataclass(frozen=True, slots=True)
class TimeProfile:
    """A prediction along time; the fields are those of `prediction.Prediction`, [T], t = 1 first."""

    log_grad_norm: Floats | None
    sd: Floats | None = None
    q: Floats | None = None
    chi: Floats | None = None
    log_cell_survival: float | None = None
    note: str = ""


def recurrent_profile(cell: Cell, in_features: int, out_features: int, input_mean_square: float) -> TimeProfile:
    """Return the prediction for a recurrent cell; `input_mean_square` is NaN for inputs that are indices.

    Raises:
        NoPrediction: nothing is known of such a network; the message says why.
    """
    model = cell.model.resolve(FAMILIES)
    _refuse(cell, int(model.get("truncate", 0)))
    if cell.model.name != "rnn":
        log_path, log_cell = gated(cell, model)
        profile = None if log_path is None else _powers(log_path, cell.blocks)
        return TimeProfile(profile, None if profile is None else _rounding(cell.blocks), log_cell_survival=log_cell)

    gain = float(cell.init.resolve(INITS).get("gain", 1.0))
    linear, init = cell.activation.name == "linear", cell.init.name
    if gain == 0 or (init not in ("identity", "spectral") and weight_variance(cell.init, cell.width, cell.width) == 0):
        raise NoPrediction("all recurrent weights are zero: no gradient goes back from the last time step")
    if init in ("orthogonal", "identity") and linear:
        return TimeProfile(
            _powers(math.log(gain), cell.blocks), _rounding(cell.blocks), note="exact: every step keeps lengths"
        )
    if init == "identity":
        if cell.activation.name not in _HOMOGENEOUS:
            raise NoPrediction(
                f"identity weights with {cell.activation}: the slopes depend on the data, whose sums the states are"
            )
        return TimeProfile(
            _powers(math.log(gain), cell.blocks),
            note="exact for the units that are active at every step; inactive ones let nothing through",
        )
    radius = float(cell.init.resolve(INITS)["radius"]) if init == "spectral" else None
    sigma_w2 = radius**2 if radius is not None else weight_variance(cell.init, cell.width, cell.width) * cell.width
    if linear:
        return _linear(cell, math.sqrt(sigma_w2), out_features, spectral=radius is not None)
    return _mean_field(cell, sigma_w2, in_features, input_mean_square)


def _powers(log_factor: float, steps: int) -> Floats:
    """Return ln of factor^k at the lags k = steps - 1…0."""
    return np.asarray(np.arange(steps)[::-1] * log_factor, dtype=np.float64)


def _rounding(steps: int) -> Floats:
    """Return what float32 weights leave open of an exact prediction, as its deviation."""
    return _powers(2.0**-24, steps)


def _refuse(cell: Cell, truncate: int) -> None:
    if cell.depth > 1:
        raise NoPrediction(f"predictions for recurrent networks cover one layer, not {cell.depth}")
    if cell.norm.name != "none":
        raise NoPrediction(f"there is no prediction for recurrent networks with {cell.norm.name} norm")
    if 0 < truncate < cell.blocks:
        raise NoPrediction(f"the backward pass is truncated: beyond lag {truncate - 1} the gradient is exactly zero")


def _linear(cell: Cell, sigma: float, outputs: int, *, spectral: bool) -> TimeProfile:
    """One output has one direction of the gradient at the top; under softmax and more outputs there is one fewer."""
    steps = cell.blocks
    exact = _powers(math.log(sigma), steps)
    most = MOST_WIDTH_SPECTRAL if spectral else MOST_WIDTH
    if cell.width > most:
        return TimeProfile(exact, note=f"at infinite width; the scatter is simulated up to a width of {most}")
    mean, sd = power_norms(cell.width, steps, max(outputs - 1, 1), spectral=spectral)
    return TimeProfile(exact + mean[::-1], sd[::-1], note="mean and scatter over simulated matrices of this width")


def _mean_field(cell: Cell, sigma_w2: float, in_features: int, square: float) -> TimeProfile:
    brought = input_variance(cell, square)
    spread = 0.0 if math.isnan(square) else math.sqrt(2 / in_features)
    sigma_b2 = bias_variance(cell.init, cell.bias_std, cell.width)
    if not math.isfinite(brought) or brought + sigma_b2 <= 0:
        raise NoPrediction("nothing comes in: inputs or their weights are zero, and so are the biases")
    of = curve(cell.activation)
    if cell.activation.name not in _HOMOGENEOUS:
        status, _ = limit(of, sigma_w2, sigma_b2 + brought)
        if status == "unstable per seed":
            raise NoPrediction(f"unstable per seed: when the states of {cell.activation} collapse depends on the width")
    log_chi, q = log_factors(cell.activation, sigma_w2, sigma_b2, brought, spread, cell.blocks)
    profile = log_chi_means(log_chi)
    if not np.isfinite(profile).all():
        raise NoPrediction("no slope is left: the gradient is exactly zero or not finite")
    with np.errstate(over="ignore"):
        chi = np.exp(log_chi).mean(axis=0)
    return TimeProfile(
        profile, None, q.mean(axis=0), chi,
        note="at infinite width; the weights are the same at every step, so the rates of single networks differ",
    )  # fmt: skip


def input_variance(cell: Cell, mean_square: float) -> float:
    """Return the variance that the inputs bring to a preactivation at each step; `mean_square` is NaN for indices.

    A weight of the inputs has variance input_gain²/I; of indices, I entries of the one-hot vector are 1.
    """
    gain = float(cell.model.resolve(FAMILIES)["input_gain"])
    return gain**2 * (1.0 if math.isnan(mean_square) else mean_square)


def recurrence_bound(cell: Cell) -> float | None:
    """Return ‖W‖₂ sup |φ'| of a vanilla network at its start, which no step's factor on g exceeds (Pascanu 2013).

    Of random weights the norm is that of a wide matrix, 2σ_w (Bai & Yin 1988). None for other cells, and with norms.
    """
    if cell.model.name != "rnn" or cell.norm.name != "none":
        return None
    params = cell.init.resolve(INITS)
    if cell.init.name in ("orthogonal", "identity"):
        norm = float(params["gain"])
    elif cell.init.name == "spectral":
        norm = 2 * float(params["radius"])
    else:
        try:
            norm = 2 * math.sqrt(weight_variance(cell.init, cell.width, cell.width) * cell.width)
        except NoPrediction:
            return None
    of = curve(cell.activation)
    h = np.unique(
        np.concatenate([np.linspace(-12, 12, 4801) * of.scale, 10.0 ** np.arange(-9, 3), -(10.0 ** np.arange(-9, 3))])
    )
    return round(norm * float(np.abs(of.slope(h)).max()), 14)  # tanh reaches 1 but for rounding
