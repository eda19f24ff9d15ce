"""From a cell to the random network it starts as: variances from the init, places from norm and residual form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradlab.cell import Cell
from gradlab.components import NORMS, RESIDUALS
from gradlab.mean_field.activations import KNOWN_ACTIVATIONS, NumpyActivation, numpy_activation
from gradlab.mean_field.arithmetic import require_representable
from gradlab.mean_field.composed import SQUASHING, squashed_activation
from gradlab.mean_field.coverage import IRRELEVANT_AT_START, Components, Coverage, Numbers
from gradlab.mean_field.inits import BIASES, KNOWN_INITS, bias_variance, weight_variance
from gradlab.mean_field.prediction import NoPrediction
from gradlab.mean_field.random_network import RandomNetwork

__all__ = ["COVERAGE", "Initialisation", "initialisation"]

_NORMS: dict[str, Literal["none", "layer", "rms"]] = {
    "none": "none",
    "layer": "layer",
    "rms": "rms",
    "batch": "none",
    "dyt": "none",
    "derf": "none",
}
"""Those of `gradlab.mean_field.composed` are part of the activation. Batch norm is left out of the network: it has a
theory of its own in `gradlab.mean_field.batch_norm`."""
_FIXED_PLACES: dict[str, Literal["", "input", "stream"]] = {
    "none": "", "add": "", "pre_norm": "input", "post_norm": "stream", "layer_scale": "input", "deepnorm": "stream",
}  # fmt: skip
"""Where a residual form has its norm; empty: at the norm position."""
_POSITIONS: dict[str, Literal["pre_activation", "post_activation"]] = {
    "pre_activation": "pre_activation", "post_activation": "post_activation",
}  # fmt: skip

COVERAGE = Coverage(
    "feed-forward networks",
    {
        "model": Components({"mlp": ("embedding", "embedding_std")}),  # of indices, which it refuses
        "depth": Numbers(),
        "width": Numbers(),
        "activation": KNOWN_ACTIVATIONS,
        "init": KNOWN_INITS,
        "bias_std": BIASES,
        "norm": Components(
            dict.fromkeys(_NORMS, ("eps",)) | {"none": (), "dyt": ("alpha",), "derf": ("alpha", "shift")}
        ),
        "norm_position": Components(dict.fromkeys(_POSITIONS, ())),
        "residual": Components(dict.fromkeys(_FIXED_PLACES, ()) | {"layer_scale": ("start",)}),
        "residual_scale": Numbers(("1/sqrt(depth)", "1/sqrt(2*depth)", "learned_zero")),
        "branch_init": Components(
            {"none": (), "zero": ()},
            {"depth_scaled": "mean-field theory has one variance of the weights for all blocks, depth_scaled has many"},
        ),
        "dropout": Numbers(),
        "probe_batch_size": Numbers(),
    },
    IRRELEVANT_AT_START | {"seq_len"},
)


@dataclass(frozen=True, slots=True)
class Initialisation:
    """A network of blocks, and its two ends, which have fans of their own."""

    network: RandomNetwork
    first_weight: float
    """Variance of a first preactivation per unit of input mean square: σ_w² with the first block's fan_in."""
    first_bias: float
    readout: float
    """Variance of an output per unit of mean square of the last block."""


def initialisation(cell: Cell, in_features: int, out_features: int) -> Initialisation:
    """Return what the configuration of a feed-forward cell, which `COVERAGE` allows, is at its start.

    Raises:
        NoPrediction: its weights are zero, or its variances leave the range that theory computes in.
    """
    width = cell.width
    norm = _NORMS[cell.norm.name]
    sigma_w2 = weight_variance(cell.init, width, width) * width
    if cell.residual.name == "deepnorm":
        if cell.norm.name == "none":
            raise NoPrediction("deepnorm without a norm has no prediction")
        sigma_w2 *= (8 * cell.depth) ** -0.5
    if sigma_w2 == 0:
        raise NoPrediction("all weights are zero: there is no gradient to predict")
    network = RandomNetwork(
        _activation(cell),
        sigma_w2,
        bias_variance(cell.init, cell.bias_std, width),
        cell.init.name == "orthogonal",
        norm,
        _eps(cell),
        (_FIXED_PLACES[cell.residual.name] or _POSITIONS[cell.norm_position.name]) if norm != "none" else "none",
        cell.residual.name != "none",
        _scale(cell),
        1 - cell.dropout,
    )
    require_representable("the square of the residual scale", network.scale**2)
    require_representable("the eps of the norm", network.eps)
    return Initialisation(
        network,
        weight_variance(cell.init, in_features, width) * in_features,
        bias_variance(cell.init, cell.bias_std, in_features),
        weight_variance(cell.init, width, out_features) * width,
    )


def _activation(cell: Cell) -> NumpyActivation:
    if cell.norm.name not in SQUASHING:
        return numpy_activation(cell.activation)
    if _FIXED_PLACES[cell.residual.name]:
        raise NoPrediction(f"mean-field theory knows {cell.norm.name} beside an activation, not in a stream")
    return squashed_activation(cell.activation, cell.norm, before=cell.norm_position.name == "pre_activation")


def _scale(cell: Cell) -> float:
    """Return the factor on a branch beside a stream of factor 1; a norm of their sum does not see a common one."""
    if cell.branch_init.name == "zero":
        if _FIXED_PLACES[cell.residual.name] == "stream" and not _is_still(cell):
            raise NoPrediction("branches of zero weights that are not zero move a stream that every block normalises")
        return 0.0
    if cell.residual.name == "deepnorm":
        return float((2 * cell.depth) ** -0.25)
    start = float(cell.residual.resolve(RESIDUALS).get("start", 1.0))
    if isinstance(cell.residual_scale, str):
        factors = {"1/sqrt(depth)": 1 / math.sqrt(cell.depth), "1/sqrt(2*depth)": 1 / math.sqrt(2 * cell.depth)}
        return start * factors.get(cell.residual_scale, 0.0)
    return start * float(cell.residual_scale)


def _eps(cell: Cell) -> float:
    """Return what is added to a variance, of deepnorm in units of the stream before its factor."""
    eps = float(cell.norm.resolve(NORMS).get("eps", 0.0))
    return eps / math.sqrt(2 * cell.depth) if cell.residual.name == "deepnorm" else eps


def _is_still(cell: Cell) -> bool:
    """Whether a branch whose weights are zero is zero."""
    at_zero = float(_activation(cell).value(np.zeros(1))[0])
    return at_zero == 0 and bias_variance(cell.init, cell.bias_std, cell.width) == 0
