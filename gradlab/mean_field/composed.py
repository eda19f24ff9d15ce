"""An activation together with the squashing function that stands in place of a norm (`dyt`, `derf`)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gradlab.components import NORMS, Named
from gradlab.mean_field.activations import Floats, NumpyActivation, numpy_activation

__all__ = ["SQUASHING", "squashed_activation"]

SQUASHING = ("dyt", "derf")
"""Norms that are one function of each element: at the start no other than a further nonlinearity."""


@lru_cache(maxsize=256)
def squashed_activation(activation: Named, norm: Named, *, before: bool) -> NumpyActivation:
    """Return φ(f(h)), or f(φ(h)) where the norm is not `before` the activation, f being the norm at its start.

    One and the same object for equal names, so that what is computed with it can be kept.
    """
    phi, values = numpy_activation(activation), norm.resolve(NORMS)
    alpha, shift = float(values["alpha"]), float(values.get("shift", 0.0))
    inner = numpy_activation(Named("tanh" if norm.name == "dyt" else "erf"))

    def value(x: Floats) -> Floats:
        return inner.value(alpha * x + shift)

    def slope(x: Floats) -> Floats:
        return alpha * inner.slope(alpha * x + shift)

    if not before:
        return NumpyActivation(
            lambda x: value(phi.value(x)),
            lambda x: slope(phi.value(x)) * phi.slope(x),
            phi.kinks,
            phi.scale,
            phi.period,
        )
    kinks = tuple((_inverse(norm.name, kink) - shift) / alpha for kink in phi.kinks if abs(kink) < 1)
    return NumpyActivation(lambda x: phi.value(value(x)), lambda x: phi.slope(value(x)) * slope(x), kinks, 1 / alpha)


def _inverse(name: str, kink: float) -> float:
    from scipy.special import erfinv

    return float(np.arctanh(kink) if name == "dyt" else erfinv(kink))
