"""Activations as numpy functions with their slope and kinks, for Gaussian expectations without torch.

A new activation needs a line in ``gradlab.components.ACTIVATIONS`` and nothing here: what is not in `CURVES`
is taken from its torch function, differentiated by autograd. A function added to `CURVES` is faster and, with
its kinks declared, exact to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradlab.components import ACTIVATIONS, Named

__all__ = ["CURVES", "Curve", "curve"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """φ and φ' on arrays of any shape, and where quadrature must not step over them."""

    value: Callable[[Floats], Floats]
    slope: Callable[[Floats], Floats]
    kinks: tuple[float, ...] = ()
    """Where φ or one of its derivatives jumps. 0, ±1/2, ±1, ±2, ±3, ±4 and ±6 times `scale` are always panel edges."""
    scale: float = 1.0
    """The length over which φ bends."""


def _normal_cdf(x: Floats) -> Floats:
    from scipy.special import ndtr

    found: Floats = ndtr(x)
    return found


def _erf(x: Floats) -> Floats:
    from scipy.special import erf

    found: Floats = erf(x)
    return found


def _sigmoid(x: Floats) -> Floats:
    small = np.exp(-np.abs(x))
    found: Floats = np.where(x >= 0, 1.0, small) / (1 + small)
    return found


def _sech2(x: Floats) -> Floats:
    """1 - tanh², without the cancellation."""
    small = np.exp(-2 * np.abs(x))
    found: Floats = 4 * small / (1 + small) ** 2
    return found


def _softplus(x: Floats) -> Floats:
    return np.logaddexp(0, x)


def _piecewise_linear(negative_slope: float) -> Curve:
    return Curve(
        lambda x: np.where(x > 0, x, negative_slope * x), lambda x: np.where(x > 0, 1.0, negative_slope), (0.0,)
    )


def _elu(alpha: float, scale: float = 1.0) -> Curve:
    return Curve(
        lambda x: scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
        lambda x: scale * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),
        (0.0,),
    )


def _mish_slope(x: Floats) -> Floats:
    y = _softplus(x)
    return np.tanh(y) + x * _sech2(y) * _sigmoid(x)


def _silu_slope(x: Floats) -> Floats:
    s = _sigmoid(x)
    return s * (1 + x * _sigmoid(-x))


def _gelu_slope(x: Floats) -> Floats:
    return _normal_cdf(x) + x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


CURVES: dict[str, Callable[..., Curve]] = {
    "linear": lambda: Curve(lambda x: x, np.ones_like),
    "sigmoid": lambda: Curve(_sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x)),
    "tanh": lambda: Curve(np.tanh, _sech2),
    "hardtanh": lambda: Curve(lambda x: np.clip(x, -1, 1), lambda x: np.where(np.abs(x) < 1, 1.0, 0.0), (-1.0, 1.0)),
    "softsign": lambda: Curve(lambda x: x / (1 + np.abs(x)), lambda x: (1 + np.abs(x)) ** -2.0, (0.0,)),
    "erf": lambda: Curve(_erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-(x**2))),
    "relu": lambda: _piecewise_linear(0.0),
    "leaky_relu": lambda negative_slope: _piecewise_linear(negative_slope),
    "prelu": lambda start: _piecewise_linear(start),
    "elu": lambda alpha: _elu(alpha),
    "selu": lambda: _elu(1.6732632423543772848170429916717, 1.0507009873554804934193349852946),
    "gelu": lambda: Curve(lambda x: x * _normal_cdf(x), _gelu_slope),
    "silu": lambda: Curve(lambda x: x * _sigmoid(x), _silu_slope),
    "mish": lambda: Curve(lambda x: x * np.tanh(_softplus(x)), _mish_slope),
    "softplus": lambda beta: Curve(lambda x: _softplus(beta * x) / beta, lambda x: _sigmoid(beta * x), scale=1 / beta),
}
"""How each activation of the registry looks to quadrature, by name; called with the activation's parameters."""


def curve(activation: Named) -> Curve:
    """Return the curve of a registered activation, a learned parameter at its start."""
    return _twin(activation) if activation.name in CURVES else _from_torch(activation)


@lru_cache(maxsize=256)
def _twin(activation: Named) -> Curve:
    """Return one and the same curve for equal names, so that what is computed with it can be kept."""
    return CURVES[activation.name](**activation.resolve(ACTIVATIONS))


def _from_torch(activation: Named) -> Curve:
    """Wrap a torch activation that has no numpy counterpart; torch is imported only here."""
    import torch

    from gradlab.nn.activations import activation as bound
    from gradlab.nn.activations import derivative

    function = bound(activation)
    learned = None if function.start is None else torch.full((1, 1), function.start, dtype=torch.float64)

    def tensor(x: Floats) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float64)).reshape(1, 1, -1)

    def value(x: Floats) -> Floats:
        with torch.no_grad():
            found: Floats = function(tensor(x), learned).numpy().reshape(x.shape)
        return found

    def slope(x: Floats) -> Floats:
        at = tensor(x).requires_grad_()
        with torch.enable_grad():
            found: Floats = derivative(function(at, learned), at).numpy().reshape(x.shape)
        return found

    return Curve(value, slope)
