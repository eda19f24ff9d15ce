"""Mean-field theory of gradients in wide random networks, beside every measurement; numpy and scipy only.

`predict` takes a cell, feed-forward or recurrent; `summary` and the critical line describe an activation in an
infinitely deep plain network.
"""

from __future__ import annotations

import sys

from gradlab import CallableModule
from gradlab.theory.critical import CriticalPoint, critical_bias, critical_weight
from gradlab.theory.jacobian import jacobian_spread
from gradlab.theory.maps import FixedPoint, summary
from gradlab.theory.prediction import Prediction, predict

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

sys.modules[__name__].__class__ = CallableModule  # gl.theory(...), see gradlab.api
