"""Mean-field theory of gradients in wide random networks, beside every measurement; numpy and scipy only.

`predict` takes a cell, feed-forward or recurrent; `summary` and the critical line describe an activation in an
infinitely deep plain network.
"""

from __future__ import annotations

from gradlab.mean_field.critical import CriticalPoint, critical_bias, critical_weight
from gradlab.mean_field.jacobian import jacobian_spread
from gradlab.mean_field.maps import FixedPoint, summary
from gradlab.mean_field.prediction import Prediction, predict

__all__ = [
    "CriticalPoint",
    "FixedPoint",
    "Prediction",
    "critical_bias",
    "critical_weight",
    "jacobian_spread",
    "predict",
    "summary",
]
