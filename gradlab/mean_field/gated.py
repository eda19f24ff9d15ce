"""Gated recurrent cells whose weights are zero: the gradient along the state is a product of open gates.

An LSTM's cell state, c_t = f c_{t-1} + i g, keeps σ(b)^k of a gradient over k steps, b being the bias of its forget
gate (torch's cell has two biases: both 1 give b = 2); so does the state of a GRU or a minimal RNN, h_t = z h_{t-1} +
(1-z) n. With random weights the gates of one unit have much the same value at all steps, since the inputs and the
states have, and units that keep their state dominate long lags: averages over units, step by step, do not multiply.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradlab.cell import Cell
from gradlab.components import INITS
from gradlab.mean_field.inits import NoPrediction, bias_variance, weight_variance

__all__ = ["gated", "log_gate_path"]

_NODES = 4001


def gated(cell: Cell, model: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return ln of the factor per step on a state's gradient where it is one number, and ln survival of a cell state.

    The first for cells without a cell state, None for an LSTM: nothing goes through its h. `model` are the parameters
    of the model.

    Raises:
        NoPrediction: the weights are not zero.
    """
    params = cell.init.resolve(INITS)
    zero = float(params.get("gain", 1.0)) == 0
    if not zero and cell.init.name not in ("identity", "spectral"):
        zero = weight_variance(cell.init, cell.width, cell.width) == 0
    if not zero or float(model["input_gain"]) != 0:
        raise NoPrediction(f"there is no prediction for the gates of {cell.model.name}, but for weights of zero")
    deviation = math.sqrt(bias_variance(cell.init, cell.bias_std, cell.width))
    bias, longest = float(model.get("forget_bias", 0.0)), int(model.get("chrono", 0))
    if cell.model.name == "lstm":
        return None, log_gate_path(bias, deviation, longest, cell.blocks - 1)
    if longest or deviation:
        raise NoPrediction(f"units of this {cell.model.name} forget at different rates: no one factor per step")
    return math.log(_sigmoid(bias)), None


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
