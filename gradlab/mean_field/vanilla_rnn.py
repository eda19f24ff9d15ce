"""Theory of vanilla recurrent networks: one layer, its gradient from the last time step down to the first.

What is known, by kind of recurrence (‖∂loss/∂h_t‖ at lag k = T - t against lag 0):

- linear with orthogonal or identity weights of gain g: g^k, exactly, for every network.
- identity with relu (Le 2015, arXiv 1504.00941): g^k as long as the same units are active; a unit that is inactive at
  a step lets nothing through, which only the data can tell.
- linear with random weights: by `gradlab.mean_field.matrix_powers`, with the scatter from network to network.
- any other activation with random or orthogonal weights: mean field, `gradlab.mean_field.recurrent_maps`. The scatter
  is not predicted: with one W for all steps, what the width adds to one step it adds to all, so networks differ in
  their rate. Simulated at widths 64 and 256, ln of the survival scatters by 0.2 to 0.7 times k/√n at lags k > √n.

Whatever the network, no step lets the gradient grow by more than ‖W‖₂ sup |φ'| (Pascanu 2013, arXiv 1211.5063): below
1 it vanishes at least that fast.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from gradlab.cell import Cell
from gradlab.components import INITS
from gradlab.families import FAMILIES
from gradlab.mean_field.activations import KNOWN_ACTIVATIONS, numpy_activation
from gradlab.mean_field.coverage import Components, Coverage
from gradlab.mean_field.fixed_points import FixedPoint, fixed_point, variance_limit
from gradlab.mean_field.inits import bias_variance, weight_variance
from gradlab.mean_field.inputs import Inputs
from gradlab.mean_field.matrix_powers import MOST_LAGS, MOST_WIDTH, MOST_WIDTH_SPECTRAL, power_norms
from gradlab.mean_field.network_theory import NetworkTheory
from gradlab.mean_field.prediction import NoPrediction, Prediction, from_profile
from gradlab.mean_field.recurrence import IRRELEVANT, READ, exact_profile, exact_sd, require_one_layer
from gradlab.mean_field.recurrent_maps import log_chi_means, log_factors

__all__ = ["THEORY"]

Floats = NDArray[np.float64]

_HOMOGENEOUS = ("relu", "leaky_relu", "prelu")
"""Activations with φ(h) = h for h > 0."""


def _profile(cell: Cell, inputs: Inputs) -> Prediction:
    require_one_layer(cell)
    values, init, linear = cell.init.resolve(INITS), cell.init.name, cell.activation.name == "linear"
    gain = float(values["gain"])
    if gain == 0 or (init not in ("identity", "spectral") and weight_variance(cell.init, cell.width, cell.width) == 0):
        raise NoPrediction("all recurrent weights are zero: no gradient goes back from the last time step")
    if init in ("orthogonal", "identity") and linear:
        profile = exact_profile(math.log(gain), cell.blocks)
        return from_profile(profile, exact_sd(cell.blocks), note="exact: every step keeps lengths")
    if init == "identity":
        if cell.activation.name not in _HOMOGENEOUS:
            raise NoPrediction(
                f"identity weights with {cell.activation}: the slopes depend on the data, whose sums the states are"
            )
        return from_profile(
            exact_profile(math.log(gain), cell.blocks),
            note="exact for the units that are active at every step; inactive ones let nothing through",
        )
    if init == "spectral":
        sigma_w2 = (gain * float(values["radius"])) ** 2
    else:
        sigma_w2 = weight_variance(cell.init, cell.width, cell.width) * cell.width
    if linear:
        return _linear(cell, math.sqrt(sigma_w2), inputs.out_features, spectral=init == "spectral")
    return _mean_field(cell, sigma_w2, inputs)


def _linear(cell: Cell, sigma: float, outputs: int, *, spectral: bool) -> Prediction:
    """One output has one direction of the gradient at the top; under softmax and more outputs there is one fewer."""
    steps = cell.blocks
    profile = exact_profile(math.log(sigma), steps)
    largest_width = MOST_WIDTH_SPECTRAL if spectral else MOST_WIDTH
    if cell.width > largest_width:
        return from_profile(
            profile, note=f"at infinite width; the scatter is simulated up to a width of {largest_width}"
        )
    if steps > MOST_LAGS:
        return from_profile(profile, note=f"at infinite width; the scatter is simulated up to a lag of {MOST_LAGS:,}")
    mean, sd = power_norms(cell.width, steps, max(outputs - 1, 1), spectral=spectral)
    return from_profile(profile + mean[::-1], sd[::-1], note="mean and scatter over simulated matrices of this width")


def _mean_field(cell: Cell, sigma_w2: float, inputs: Inputs) -> Prediction:
    input_variance = _input_variance(cell, inputs)
    spread = 0.0 if math.isnan(inputs.mean_square) else math.sqrt(2 / inputs.in_features)
    sigma_b2 = bias_variance(cell.init, cell.bias_std, cell.width)
    if not math.isfinite(input_variance) or input_variance + sigma_b2 <= 0:
        raise NoPrediction("nothing comes in: inputs or their weights are zero, and so are the biases")
    if cell.activation.name not in _HOMOGENEOUS:
        status, _ = variance_limit(numpy_activation(cell.activation), sigma_w2, sigma_b2 + input_variance)
        if status == "unstable per seed":
            raise NoPrediction(f"unstable per seed: when the states of {cell.activation} collapse depends on the width")
    log_chi, q = log_factors(cell.activation, sigma_w2, sigma_b2, input_variance, spread, cell.blocks)
    profile = log_chi_means(log_chi)
    if not np.isfinite(profile).all():
        raise NoPrediction("no slope is left: the gradient is exactly zero or not finite")
    return from_profile(
        profile, None, q.mean(axis=0), np.exp(log_chi).mean(axis=0),
        note="at infinite width; the weights are the same at every step, so the rates of single networks differ",
    )  # fmt: skip


def _input_variance(cell: Cell, inputs: Inputs) -> float:
    """Return the variance that the inputs bring to a preactivation at each step.

    A weight of the inputs has variance input_gain²/I; of indices, I entries of the one-hot vector are 1.
    """
    gain = float(cell.model.resolve(FAMILIES)["input_gain"])
    return gain**2 * (1.0 if math.isnan(inputs.mean_square) else inputs.mean_square)


def _bound(cell: Cell) -> float:
    """Return ‖W‖₂ sup |φ'| of a network at its start, which no step's factor on g exceeds (Pascanu 2013).

    Of random weights the norm is that of a wide matrix, 2σ_w (Bai & Yin 1988).
    """
    values = cell.init.resolve(INITS)
    if cell.init.name in ("orthogonal", "identity"):
        norm = float(values["gain"])
    elif cell.init.name == "spectral":
        norm = 2 * float(values["gain"]) * float(values["radius"])
    else:
        norm = 2 * math.sqrt(weight_variance(cell.init, cell.width, cell.width) * cell.width)
    phi = numpy_activation(cell.activation)
    h = np.unique(
        np.concatenate([np.linspace(-12, 12, 4801) * phi.scale, 10.0 ** np.arange(-9, 3), -(10.0 ** np.arange(-9, 3))])
    )
    return round(norm * float(np.abs(phi.slope(h)).max()), 14)  # tanh reaches 1 but for rounding


def _plain(cell: Cell, inputs: Inputs | None) -> FixedPoint:
    """What the inputs bring at every step acts on q as a bias does; the correlation of two samples, whose inputs differ
    at every step, is a matter of the data."""
    if inputs is None or cell.depth > 1 or cell.residual.name != "none" or cell.dropout > 0:
        raise NoPrediction("not a plain recurrence with known inputs")
    sigma_b2 = bias_variance(cell.init, cell.bias_std, cell.width) + _input_variance(cell, inputs)
    end = fixed_point(cell.activation, weight_variance(cell.init, cell.width, cell.width) * cell.width, sigma_b2)
    return dataclasses.replace(end, c=None, xi_c=None)


THEORY = NetworkTheory(
    Coverage(
        "recurrent networks",
        {**READ, "model": Components({"rnn": ("input_gain", "truncate")}), "activation": KNOWN_ACTIVATIONS},
        IRRELEVANT,
    ),
    _profile,
    _plain,
    _bound,
)
