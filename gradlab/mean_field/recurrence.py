"""What the theories of all recurrent networks share: the settings they read, and profiles that are exact powers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gradlab.cell import Cell
from gradlab.families import FAMILIES
from gradlab.mean_field.coverage import IRRELEVANT_AT_START, Components, Numbers
from gradlab.mean_field.inits import BIASES, KNOWN_INITS
from gradlab.mean_field.prediction import NoPrediction

__all__ = ["IRRELEVANT", "READ", "exact_profile", "exact_sd", "require_one_layer"]

Floats = NDArray[np.float64]

READ: Mapping[str, Components | Numbers] = {
    "depth": Numbers(),
    "width": Numbers(),
    "seq_len": Numbers(),
    "init": Components(
        {**KNOWN_INITS.known, "identity": ("gain",), "spectral": ("radius", "gain")}, reason=KNOWN_INITS.reason
    ),
    "bias_std": BIASES,
    "norm": Components({"none": ()}, reason="there is no prediction for recurrent networks with {name} norm"),
    # skips stand between layers, of which a prediction has one, and masks of dropout above it
    "branch_init": Components({"none": ()}),
    "residual": Components({"none": (), "add": ()}),
    "residual_scale": Numbers(("1/sqrt(depth)", "1/sqrt(2*depth)", "learned_zero")),
    "dropout": Numbers(),
}
IRRELEVANT = IRRELEVANT_AT_START | {"norm_position", "probe_batch_size"}


def require_one_layer(cell: Cell) -> None:
    """Raise NoPrediction for stacked layers and for a backward pass that ends before the first time step."""
    if cell.seq_len is None:
        raise NoPrediction("the length of the sequences is not known")
    if cell.depth > 1:
        raise NoPrediction(f"predictions for recurrent networks cover one layer, not {cell.depth}")
    truncate = int(cell.model.resolve(FAMILIES)["truncate"])
    if 0 < truncate < cell.seq_len:
        raise NoPrediction(f"the backward pass is truncated: beyond lag {truncate - 1} the gradient is exactly zero")


def exact_profile(log_factor: float, steps: int) -> Floats:
    """Return ln of factor^k at the lags k = steps - 1…0, [T]."""
    return np.asarray(np.arange(steps)[::-1] * log_factor, dtype=np.float64)


def exact_sd(steps: int) -> Floats:
    """Return the deviation of an exact profile, [T]: weights kept in float32 round the factor of each step.

    `from_profile` counts the rounding of the weights once more: in all √2 times as much, on the safe side.
    """
    return exact_profile(2.0**-24, steps)
