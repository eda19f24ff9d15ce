"""Predictions of the configurations of a run: the only place where theory enters the tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gradlab.cell import Cell
from gradlab.record import Floats
from gradlab.store.records import Integers, Records

if TYPE_CHECKING:
    from gradlab.mean_field import Prediction

__all__ = ["Predict", "Predicted", "ask", "deviations"]


class Predict(Protocol):
    """A theory: asked once per configuration, with what the worker saw of its data."""

    def __call__(
        self, cell: Cell, *, in_features: int, out_features: int, input_mean_square: float
    ) -> Prediction | None: ...


_EXACT = 1e-9
"""A predicted scatter or a difference of logarithms below this is rounding: orthogonal linear blocks keep lengths."""


def deviations(measured: Floats, predicted: Floats, sd: Floats, error: Floats) -> Floats:
    """Return (measured - predicted)/√(sd² + error²), `error` the known one of the prediction itself.

    Where both are zero: 0 for an exact hit, otherwise an infinity.
    """
    sd = np.hypot(sd, error)
    difference = measured - predicted
    exact = sd < _EXACT
    missed = np.where(np.abs(difference) < _EXACT, 0.0, np.copysign(np.inf, difference))
    scaled: Floats = np.where(
        exact, np.where(np.isnan(difference), np.nan, missed), difference / np.where(exact, 1.0, sd)
    )
    return scaled


@dataclass(frozen=True, slots=True)
class Predicted:
    """Predictions for G configurations, [G] each, NaN or None where there is none."""

    log_survival: Floats
    log_survival_sd: Floats
    log_survival_error: Floats
    decay: Floats
    log_cell_survival: Floats
    profiles: tuple[Floats | None, ...]
    """ln of g_l/g_L, [L] each."""
    reasons: tuple[str, ...]


def ask(predict: Predict | None, records: Records, group: Integers, configurations: Sequence[Cell]) -> Predicted:
    """Return the predictions for `configurations`; `group` [C] says which one each measured cell belongs to."""
    numbers = np.full((5, len(configurations)), np.nan)
    profiles: list[Floats | None] = [None] * len(configurations)
    reasons = [""] * len(configurations)
    if predict is not None:
        first = np.unique(group, return_index=True)[1]
        for index, cell in enumerate(first):
            prediction = predict(
                configurations[index],
                in_features=int(records.scalars["in_features"][cell]),
                out_features=int(records.scalars["out_features"][cell]),
                input_mean_square=float(records.scalars["input_mean_square"][group == index].mean()),
            )
            if prediction is not None:
                numbers[:, index] = [
                    prediction.log_survival, prediction.log_survival_sd, prediction.log_survival_error,
                    prediction.decay, prediction.log_cell_survival,
                ]  # fmt: skip
                profiles[index], reasons[index] = prediction.log_grad_norm, prediction.reason
    return Predicted(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], tuple(profiles), tuple(reasons))
