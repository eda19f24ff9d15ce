"""Theory of gated recurrent cells whose weights are zero: the gradient along the state is a product of open gates.

An LSTM's cell state, c_t = f c_{t-1} + i g, keeps σ(b)^k of a gradient over k steps, b being the bias of its forget
gate (torch's cell has two biases: both 1 give b = 2); so does the state of a GRU or a minimal RNN, h_t = z h_{t-1} +
(1-z) n. With random weights the gates of one unit have much the same value at all steps, since the inputs and the
states have, and units that keep their state dominate long lags: averages over units, step by step, do not multiply.
"""

from __future__ import annotations

import math

import numpy as np

from gradlab.cell import Cell
from gradlab.components import INITS
from gradlab.families import FAMILIES
from gradlab.mean_field.coverage import Components, Coverage
from gradlab.mean_field.fixed_points import FixedPoint
from gradlab.mean_field.inits import bias_variance, weight_variance
from gradlab.mean_field.inputs import Inputs
from gradlab.mean_field.network_theory import NetworkTheory
from gradlab.mean_field.prediction import NoPrediction, Prediction, from_profile
from gradlab.mean_field.recurrence import IRRELEVANT, READ, exact_profile, exact_sd, require_one_layer

__all__ = ["THEORY", "log_gate_path"]

_NODES = 4001


def _profile(cell: Cell, inputs: Inputs) -> Prediction:
    """An LSTM has a prediction of its cell state only: nothing goes through its h."""
    require_one_layer(cell)
    model, values = cell.model.resolve(FAMILIES), cell.init.resolve(INITS)
    zero = float(values["gain"]) == 0
    if not zero and cell.init.name not in ("identity", "spectral"):
        zero = weight_variance(cell.init, cell.width, cell.width) == 0
    if not zero or float(model["input_gain"]) != 0:
        raise NoPrediction(f"there is no prediction for the gates of {cell.model.name}, but for weights of zero")
    deviation = math.sqrt(bias_variance(cell.init, cell.bias_std, cell.width))
    bias, longest = float(model.get("forget_bias", 0.0)), int(model["chrono"])
    if cell.model.name == "lstm":
        return Prediction(
            reason="no gradient goes from h to h where all weights are zero; it goes along the cell state",
            log_cell_survival=log_gate_path(bias, deviation, longest, cell.blocks - 1),
        )
    if longest or deviation:
        raise NoPrediction(f"units of this {cell.model.name} forget at different rates: no one factor per step")
    return from_profile(exact_profile(math.log(_sigmoid(bias)), cell.blocks), exact_sd(cell.blocks))


def _plain(cell: Cell, inputs: Inputs | None) -> FixedPoint:
    raise NoPrediction("gates have no fixed point of this kind")


def log_gate_path(bias: float, deviation: float, longest: int, lag: int) -> float:
    """Return ln of √E σ(b)^{2k}, the norm of a cell state's gradient at lag k against lag 0, over units.

    b has mean `bias` and a normal `deviation` or, with `longest` above 0, is ln U(1, longest - 1) (Tallec & Ollivier
    2018, arXiv 1804.11188).
    """
    if longest:
        u = 1 + (np.arange(_NODES) + 0.5) / _NODES * (longest - 2)
        log_gate, log_weight = np.log(u / (1 + u)), np.full(_NODES, -math.log(_NODES))
    else:
        z = np.linspace(-8, 8, _NODES) if deviation else np.zeros(1)
        log_gate, log_weight = -np.logaddexp(0, -(bias + deviation * z)), -(z**2) / 2
        log_weight = log_weight - np.logaddexp.reduce(log_weight)
    return float(np.logaddexp.reduce(2 * lag * log_gate + log_weight)) / 2


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


_GATES = ("chrono", "input_gain", "truncate")
THEORY = NetworkTheory(
    Coverage(
        "gated recurrent networks",
        {**READ, "model": Components({"lstm": ("forget_bias", *_GATES), "gru": _GATES, "minimal_rnn": _GATES})},
        IRRELEVANT | {"activation"},  # what it is applied to does not depend on the state where weights are zero
    ),
    _profile,
    _plain,
)
