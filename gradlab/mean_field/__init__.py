"""Mean-field theory of gradients in wide random networks, beside every measurement; numpy and scipy only.

`predict` takes a cell; `fixed_point` and the critical line describe an activation in an infinitely deep plain network.
"""

from __future__ import annotations

from gradlab.mean_field.critical_line import CriticalPoint, critical_bias, critical_weight
from gradlab.mean_field.dispatch import fixed_point_of, predict
from gradlab.mean_field.fixed_points import FixedPoint, fixed_point
from gradlab.mean_field.jacobian import jacobian_spread
from gradlab.mean_field.prediction import NoPrediction, Prediction

__all__ = [
    "THEORY_VERSION",
    "CriticalPoint",
    "FixedPoint",
    "NoPrediction",
    "Prediction",
    "critical_bias",
    "critical_weight",
    "fixed_point",
    "fixed_point_of",
    "jacobian_spread",
    "predict",
]

THEORY_VERSION = 4
"""Raise it with every change after which `predict` may return another number, another reason, or something where it
returned nothing: predictions that a run directory keeps from another version are ignored."""
