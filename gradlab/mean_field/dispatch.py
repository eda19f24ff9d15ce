"""The theory of a cell is that of its family; a model without one has no prediction."""

from __future__ import annotations

from importlib import import_module

from gradlab.cell import Cell
from gradlab.families import FAMILIES
from gradlab.mean_field.fixed_points import FixedPoint
from gradlab.mean_field.inputs import Inputs, raw_data
from gradlab.mean_field.network_theory import NetworkTheory
from gradlab.mean_field.prediction import Prediction

__all__ = ["fixed_point_of", "predict", "theory_of"]


def predict(cell: Cell, *, in_features: int, out_features: int, input_mean_square: float) -> Prediction:
    """Return the prediction for a configuration (the seed does not matter); raises nothing.

    `input_mean_square` is the mean of x² over samples and features, NaN for indices.
    """
    theory = theory_of(cell)
    if theory is None:
        return Prediction(reason=f"there is no theory of model {cell.model.name}")
    if reason := raw_data(cell.task):
        return Prediction(reason=reason)
    return theory.predict(cell, Inputs(in_features, out_features, input_mean_square))


def fixed_point_of(cell: Cell, inputs: Inputs | None) -> FixedPoint | None:
    """Return where the variances of a cell end in an infinitely long network, or None where theory does not say."""
    theory = theory_of(cell)
    return None if theory is None else theory.fixed_point(cell, inputs)


def theory_of(cell: Cell) -> NetworkTheory | None:
    """Return the theory of the model of a cell, or None where there is none."""
    family = FAMILIES.get(cell.model.name)
    if family is None or family.theory is None:
        return None
    module, _, name = family.theory.partition(":")
    theory: NetworkTheory = getattr(import_module(module), name)
    return theory
