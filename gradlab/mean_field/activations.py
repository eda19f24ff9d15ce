"""Activations as numpy functions with their slopes and kinks, for Gaussian expectations without torch.

A registered activation that has no entry in `NUMPY_ACTIVATIONS` has no prediction: its kinks, at which quadrature must
cut the line, cannot be read from its torch function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gradlab.components import ACTIVATIONS, Named, Value
from gradlab.mean_field.coverage import Components
from gradlab.mean_field.prediction import NoPrediction
from gradlab.shaping import deep_kernel_shape, rectifier_gain, rectifier_slope

__all__ = ["KNOWN_ACTIVATIONS", "NUMPY_ACTIVATIONS", "NumpyActivation", "numpy_activation"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NumpyActivation:
    """φ and φ' on arrays of any shape, and where quadrature must not step over them."""

    value: Callable[[Floats], Floats]
    slope: Callable[[Floats], Floats]
    kinks: tuple[float, ...] = ()
    """Where φ or one of its derivatives jumps. 0, ±1/2, ±1, ±2, ±3, ±4 and ±6 times `scale` are always panel edges."""
    scale: float = 1.0
    """The length over which φ bends."""
    period: float = 0.0
    """Of a φ that goes on bending for ever, its period; 0: φ is straight, or a power, far from 0."""


def _normal_cdf(x: Floats) -> Floats:
    from scipy.special import ndtr

    cdf: Floats = ndtr(x)
    return cdf


def _erf(x: Floats) -> Floats:
    from scipy.special import erf

    values: Floats = erf(x)
    return values


def _sigmoid(x: Floats) -> Floats:
    small = np.exp(-np.abs(x))
    values: Floats = np.where(x >= 0, 1.0, small) / (1 + small)
    return values


def _sech2(x: Floats) -> Floats:
    """1 - tanh², without the cancellation."""
    small = np.exp(-2 * np.abs(x))
    values: Floats = 4 * small / (1 + small) ** 2
    return values


def _softplus(x: Floats) -> Floats:
    return np.logaddexp(0, x)


def _piecewise_linear(negative_slope: float) -> NumpyActivation:
    return NumpyActivation(
        lambda x: np.where(x > 0, x, negative_slope * x), lambda x: np.where(x > 0, 1.0, negative_slope), (0.0,)
    )


def _elu(alpha: float, scale: float = 1.0) -> NumpyActivation:
    return NumpyActivation(
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


def _gelu_tanh(x: Floats) -> Floats:
    return x * _sigmoid(2 * _gelu_tanh_inner(x))


def _gelu_tanh_inner(x: Floats) -> Floats:
    return math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def _gelu_tanh_slope(x: Floats) -> Floats:
    # beyond 10 both factors are 0 or 1, and the polynomial would overflow far beyond
    near = np.clip(x, -10, 10)
    inner, rise = _gelu_tanh_inner(near), math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * near**2)
    return _sigmoid(2 * inner) + near * _sech2(inner) / 2 * rise


def _hardsigmoid(x: Floats) -> Floats:
    return np.clip(x / 6 + 0.5, 0, 1)


def _log_sigmoid(x: Floats) -> Floats:
    return -np.logaddexp(0, -x)


def _celu(alpha: float) -> NumpyActivation:
    return NumpyActivation(
        lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
        lambda x: np.where(x > 0, 1.0, np.exp(np.minimum(x, 0) / alpha)),
        (0.0,),
        scale=alpha,
    )


def _squareplus(b: float) -> NumpyActivation:
    return NumpyActivation(
        lambda x: np.where(x > 0, x + np.sqrt(x**2 + b), b / (np.sqrt(x**2 + b) + np.abs(x))) / 2,
        lambda x: np.where(x > 0, 1 + x / np.sqrt(x**2 + b), b / (x**2 + b + np.abs(x) * np.sqrt(x**2 + b))) / 2,
        scale=math.sqrt(b),
    )


def _sine(w0: float) -> NumpyActivation:
    return NumpyActivation(
        lambda x: np.sin(w0 * x), lambda x: w0 * np.cos(w0 * x), scale=1 / w0, period=2 * math.pi / w0
    )


def _tat(eta: float, length: int) -> NumpyActivation:
    slope = rectifier_slope(eta, length)
    gain = rectifier_gain(slope)
    return NumpyActivation(
        lambda x: gain * np.where(x > 0, x, slope * x), lambda x: gain * np.where(x > 0, 1.0, slope), (0.0,)
    )


def _dks(of: str, zeta: float, length: int) -> NumpyActivation:
    phi = NUMPY_ACTIVATIONS[of]()
    shape = deep_kernel_shape(phi.value, phi.slope, zeta ** (1 / max(length, 2)))
    return NumpyActivation(
        lambda x: shape.gamma * (phi.value(shape.alpha * x + shape.beta) + shape.delta),
        lambda x: shape.gamma * shape.alpha * phi.slope(shape.alpha * x + shape.beta),
        scale=1 / shape.alpha,
    )


NUMPY_ACTIVATIONS: dict[str, Callable[..., NumpyActivation]] = {
    "linear": lambda: NumpyActivation(lambda x: x, np.ones_like),
    "sigmoid": lambda: NumpyActivation(_sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x)),
    "tanh": lambda: NumpyActivation(np.tanh, _sech2),
    "hardsigmoid": lambda: NumpyActivation(
        _hardsigmoid, lambda x: np.where(np.abs(x) < 3, 1 / 6, 0.0), (-3.0, 3.0), scale=3.0
    ),
    "logsigmoid": lambda: NumpyActivation(_log_sigmoid, lambda x: _sigmoid(-x)),
    "tanhshrink": lambda: NumpyActivation(lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2),
    "hardtanh": lambda min_val, max_val: NumpyActivation(
        lambda x: np.clip(x, min_val, max_val),
        lambda x: np.where((x > min_val) & (x < max_val), 1.0, 0.0),
        (min_val, max_val),
    ),
    "softsign": lambda: NumpyActivation(lambda x: x / (1 + np.abs(x)), lambda x: (1 + np.abs(x)) ** -2.0, (0.0,)),
    "erf": lambda: NumpyActivation(_erf, lambda x: 2 / math.sqrt(math.pi) * np.exp(-(x**2))),
    "sine": _sine,
    "relu": lambda: _piecewise_linear(0.0),
    "relu6": lambda: NumpyActivation(
        lambda x: np.clip(x, 0, 6), lambda x: np.where((x > 0) & (x < 6), 1.0, 0.0), (0.0, 6.0)
    ),
    "relu_squared": lambda: NumpyActivation(lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0), (0.0,)),
    "leaky_relu": lambda negative_slope: _piecewise_linear(negative_slope),
    "prelu": lambda start: _piecewise_linear(start),
    "elu": lambda alpha: _elu(alpha),
    "celu": _celu,
    "selu": lambda: _elu(1.6732632423543772848170429916717, 1.0507009873554804934193349852946),
    "gelu": lambda: NumpyActivation(lambda x: x * _normal_cdf(x), _gelu_slope),
    "gelu_tanh": lambda: NumpyActivation(_gelu_tanh, _gelu_tanh_slope),
    "silu": lambda: NumpyActivation(lambda x: x * _sigmoid(x), _silu_slope),
    "hardswish": lambda: NumpyActivation(
        lambda x: x * _hardsigmoid(x),
        lambda x: np.where(x >= 3, 1.0, np.where(x <= -3, 0.0, x / 3 + 0.5)),
        (-3.0, 3.0),
    ),
    "mish": lambda: NumpyActivation(lambda x: x * np.tanh(_softplus(x)), _mish_slope),
    "softplus": lambda beta: NumpyActivation(
        lambda x: _softplus(beta * x) / beta, lambda x: _sigmoid(beta * x), scale=1 / beta
    ),
    "squareplus": _squareplus,
    "tat": _tat,
    "dks": _dks,
    "softshrink": lambda lambd: NumpyActivation(
        lambda x: np.sign(x) * np.maximum(np.abs(x) - lambd, 0),
        lambda x: np.where(np.abs(x) > lambd, 1.0, 0.0),
        (-lambd, lambd),
    ),
}
"""By the name in the registry; called with the parameters of the activation, a learned one at its start."""


class _Twins(Mapping[str, Callable[..., NumpyActivation]]):
    """`NUMPY_ACTIVATIONS`, and the twins that the user's activations were registered with."""

    def __getitem__(self, name: str) -> Callable[..., NumpyActivation]:
        registered = ACTIVATIONS.get(name)
        if name in NUMPY_ACTIVATIONS or registered is None or registered.twin is None:
            return NUMPY_ACTIVATIONS[name]
        return registered.twin

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in (*NUMPY_ACTIVATIONS, *ACTIVATIONS) if name in self])

    def __len__(self) -> int:
        return len(list(self))


_TWINS = _Twins()
_JUMPS = (
    "there is no prediction for activation {name}: it jumps, and variance maps are derived for continuous activations"
)
KNOWN_ACTIVATIONS = Components(
    _TWINS,
    dict.fromkeys(("hardshrink", "threshold"), _JUMPS),
    "there is no prediction for activation {name}: it has no numpy twin",
)
"""The declaration of a theory that reads the setting ``activation``."""


def numpy_activation(activation: Named) -> NumpyActivation:
    """Return the numpy twin of a registered activation, a learned parameter at its start.

    One and the same object for equal names, so that what is computed with it can be kept.

    Raises:
        NoPrediction: it has no twin, or a parameter that its twin does not take.
    """
    KNOWN_ACTIVATIONS.require("activation", activation)
    values = KNOWN_ACTIVATIONS.values(activation, ACTIVATIONS)
    return _made(_TWINS[activation.name], tuple(sorted(values.items())))


@lru_cache(maxsize=256)
def _made(make: Callable[..., NumpyActivation], values: tuple[tuple[str, Value], ...]) -> NumpyActivation:
    if make in NUMPY_ACTIVATIONS.values():
        return make(**dict(values))
    return _guarded(make, dict(values))


def _guarded(make: Callable[..., NumpyActivation], values: Mapping[str, Value]) -> NumpyActivation:
    """Return the twin that a user wrote; whatever goes wrong in it is NoPrediction."""
    with _explained("cannot be made"):
        twin = make(**values)
        kinks, scale, period = tuple(map(float, twin.kinks)), float(twin.scale), float(twin.period)
        if not all(map(math.isfinite, (*kinks, scale, period))) or scale <= 0 or period < 0:
            raise ValueError("kinks, scale and period must be finite, scale above 0")

    def checked(name: str, function: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
        def call(x: Floats) -> Floats:
            with _explained(f"has no {name}"):
                result = np.asarray(function(x), dtype=np.float64)
                if result.shape not in ((), np.shape(x)):
                    raise ValueError(f"shape {result.shape} for arguments of shape {np.shape(x)}")
                return result

        return call

    return NumpyActivation(checked("value", twin.value), checked("slope", twin.slope), kinks, scale, period)


@contextmanager
def _explained(failure: str) -> Iterator[None]:
    try:
        yield
    except ArithmeticError:
        raise  # as that of any other prediction, see `checked_arithmetic`
    except Exception as error:
        raise NoPrediction(f"the numpy twin of the activation {failure}: {type(error).__name__}: {error}") from error
