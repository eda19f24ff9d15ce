"""What mean-field theory needs of an init: the variance of its weights and biases."""

from __future__ import annotations

import math
from collections.abc import Callable

from gradlab.components import INITS, Named
from gradlab.mean_field.arithmetic import checked_arithmetic, require_representable
from gradlab.mean_field.coverage import Components, Numbers
from gradlab.mean_field.prediction import NoPrediction

__all__ = ["BIASES", "KNOWN_INITS", "bias_variance", "weight_variance"]

_CUT = 1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2))
"""Variance of a standard normal number between -2 and 2."""


def _fan(fan_in: int, fan_out: int, mode: str) -> float:
    return {"fan_in": float(fan_in), "fan_out": float(fan_out), "fan_avg": (fan_in + fan_out) / 2}[mode]


def _he(fan_in: int, fan_out: int, gain: float, mode: str, nonlinearity: str, a: float) -> float:
    square = {"leaky_relu": 2 / (1 + a**2), "tanh": 25 / 9, "selu": 9 / 16, "sigmoid": 1.0, "linear": 1.0}
    return gain**2 * square.get(nonlinearity, 2.0) / _fan(fan_in, fan_out, mode)


def _lecun(fan_in: int, fan_out: int, gain: float, mode: str) -> float:
    return gain**2 / _fan(fan_in, fan_out, mode)


_VARIANCES: dict[str, Callable[..., float]] = {
    "xavier_uniform": _lecun,
    "xavier_normal": lambda fan_in, fan_out, gain, mode, truncated: _lecun(fan_in, fan_out, gain, mode),
    "he_uniform": _he,
    "he_normal": lambda fan_in, fan_out, gain, mode, nonlinearity, a, truncated: _he(
        fan_in, fan_out, gain, mode, nonlinearity, a
    ),
    "lecun_normal": lambda fan_in, fan_out, gain, mode, truncated: _lecun(fan_in, fan_out, gain, mode),
    "lecun_uniform": _lecun,
    "torch_default": lambda fan_in, fan_out, gain, mode: gain**2 / (3 * _fan(fan_in, fan_out, mode)),
    "orthogonal": lambda fan_in, fan_out, gain: gain**2 / max(fan_in, fan_out),
    "normal": lambda fan_in, fan_out, gain, std, truncated: gain**2 * std**2,
    "truncated_normal": lambda fan_in, fan_out, gain, std: gain**2 * std**2 * _CUT,
    "uniform": lambda fan_in, fan_out, gain, bound: gain**2 * bound**2 / 3,
}
"""Variance of one weight of a `[fan_out, fan_in]` matrix; of an orthogonal one the mean square of its entries."""
_FACTORS = ("gain", "std", "bound")
"""Parameters whose 0 is the only reason for a variance of 0."""

KNOWN_INITS = Components(
    _VARIANCES,
    dict.fromkeys(("identity", "constant"), "{name} weights are not random: mean-field theory does not cover them"),
    "mean-field theory does not know the variance of init {name}",
)
BIASES = Numbers(("auto",))


@checked_arithmetic()
def weight_variance(init: Named, fan_in: int, fan_out: int) -> float:
    """Return the variance of one weight of a `[fan_out, fan_in]` matrix.

    Raises:
        NoPrediction: the weights are not random, their distribution is unknown here, or their variance is not 0 and
            rounds to it.
    """
    KNOWN_INITS.require("init", init)
    values = KNOWN_INITS.values(init, INITS)
    variance = _VARIANCES[init.name](fan_in, fan_out, **values)
    if variance == 0 and all(values.get(name, 1) for name in _FACTORS):
        raise NoPrediction("the variance of the weights rounds to 0")
    require_representable("the variance of the weights", variance)
    return variance


@checked_arithmetic()
def bias_variance(init: Named, bias_std: float | str, fan_in: int) -> float:
    """Return the variance of one bias: given, or for "auto" 0 but for torch_default's 1/(3 fan_in).

    Raises:
        NoPrediction: it leaves the range that theory computes in.
    """
    if not isinstance(bias_std, str):
        if bias_std != 0 and bias_std**2 == 0:
            raise NoPrediction("the variance of the biases rounds to 0")
        require_representable("the variance of the biases", bias_std**2)
        return bias_std**2
    return 1 / (3 * fan_in) if init.name == "torch_default" else 0.0
