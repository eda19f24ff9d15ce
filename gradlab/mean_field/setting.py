"""From a cell to its random network: variances from the init, places from norm and residual form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, cast

from gradlab.cell import Cell
from gradlab.components import NORMS
from gradlab.mean_field.activations import curve
from gradlab.mean_field.inits import NoPrediction, bias_variance, weight_variance
from gradlab.mean_field.network import Network

__all__ = ["Setting", "setting"]


@dataclass(frozen=True, slots=True)
class Setting:
    """A network of blocks, and its two ends, which have fans of their own."""

    network: Network
    first_weight: float
    """Variance of a first preactivation per unit of input mean square: σ_w² with the first block's fan_in."""
    first_bias: float
    readout: float
    """Variance of an output per unit of mean square of the last block."""


def setting(cell: Cell, in_features: int, out_features: int) -> Setting:
    """Return what the cell's configuration is at its start.

    Batch norm is left out (`norm` "none"): it has a theory of its own in `gradlab.mean_field.batchnorm`.

    Raises:
        NoPrediction: the model, or the distribution of its weights, is not covered.
    """
    width = cell.width
    norm = cell.norm.name if cell.norm.name in ("layer", "rms") else "none"
    place = {"pre_norm": "input", "post_norm": "stream"}.get(cell.residual.name, cell.norm_position.name)
    sigma_w2 = weight_variance(cell.init, width, width) * width
    if sigma_w2 == 0:
        raise NoPrediction("all weights are zero: there is no gradient to predict")
    network = Network(
        curve(cell.activation),
        sigma_w2,
        bias_variance(cell.init, cell.bias_std, width),
        cell.init.name == "orthogonal",
        cast(Literal["none", "layer", "rms"], norm),
        float(cell.norm.resolve(NORMS).get("eps", 0.0)),
        cast(
            Literal["none", "pre_activation", "post_activation", "input", "stream"], place if norm != "none" else "none"
        ),
        cell.residual.name != "none",
        _scale(cell),
        1 - cell.dropout,
    )
    return Setting(
        network,
        weight_variance(cell.init, in_features, width) * in_features,
        bias_variance(cell.init, cell.bias_std, in_features),
        weight_variance(cell.init, width, out_features) * width,
    )


def _scale(cell: Cell) -> float:
    if isinstance(cell.residual_scale, str):
        return 1 / math.sqrt(cell.depth) if cell.residual_scale == "1/sqrt(depth)" else 0.0
    return float(cell.residual_scale)
