"""A theory: what it covers and what it computes, under checks that none can leave out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradlab.cell import Cell
from gradlab.mean_field.arithmetic import checked_arithmetic
from gradlab.mean_field.coverage import Coverage
from gradlab.mean_field.fixed_points import FixedPoint
from gradlab.mean_field.inputs import Inputs
from gradlab.mean_field.prediction import NoPrediction, Prediction

__all__ = ["LONGEST", "NetworkTheory"]

LONGEST = 20_000
"""Blocks, or time steps, of a profile that is predicted: each takes up to a millisecond."""


@dataclass(frozen=True, slots=True)
class NetworkTheory:
    """The theory of one kind of network. Its functions are called with cells that `coverage` allows only.

    Each function raises NoPrediction where it has no answer.
    """

    coverage: Coverage
    profile: Callable[[Cell, Inputs], Prediction]
    """The prediction for a cell, but for its bound."""
    plain: Callable[[Cell, Inputs | None], FixedPoint]
    """Where the variances end in a network of the cell's weights that is infinitely long."""
    bound: Callable[[Cell], float] | None = None
    """What no element's factor on the gradient can exceed."""

    def predict(self, cell: Cell, inputs: Inputs) -> Prediction:
        """Return the prediction, with a reason where there is none; raises nothing."""
        bound: float | None = None
        try:
            with checked_arithmetic():
                self.coverage.require(cell)
                bound = self._finite_bound(cell)
                if cell.blocks > LONGEST:
                    raise NoPrediction(f"a profile of more than {LONGEST:,} blocks is not predicted")
                prediction = self.profile(cell, inputs)
            _require_numbers(prediction)
        except NoPrediction as refusal:
            return Prediction(reason=_with_bound(str(refusal), bound), bound=bound)
        return dataclasses.replace(prediction, bound=bound)

    def _finite_bound(self, cell: Cell) -> float | None:
        bound = None if self.bound is None else self.bound(cell)
        return bound if bound is not None and math.isfinite(bound) else None

    def fixed_point(self, cell: Cell, inputs: Inputs | None) -> FixedPoint | None:
        """Return the fixed point of the cell's variances, or None where it has none; raises nothing."""
        try:
            with checked_arithmetic():
                self.coverage.require(cell)
                return self.plain(cell, inputs)
        except NoPrediction:
            return None


def _with_bound(reason: str, bound: float | None) -> str:
    if bound is None or bound >= 1:
        return reason
    return f"{reason}; it vanishes, by a factor of at most {bound:.4g} a time step (Pascanu's bound)"


def _require_numbers(prediction: Prediction) -> None:
    """Raise NoPrediction where an operation that raises nothing, as a matrix product, left NaN or an infinity."""
    for name in ("log_grad_norm", "log_grad_norm_sd", "log_survival", "log_survival_sd", "decay", "log_cell_survival"):
        value = getattr(prediction, name)
        if value is not None and not np.isfinite(value).all():
            raise NoPrediction(f"the prediction leaves the range of float64 ({name})")
    if prediction.reach is not None and math.isnan(prediction.reach):
        raise NoPrediction("the prediction leaves the range of float64 (reach)")
