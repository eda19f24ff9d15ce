"""What mean-field theory needs of an init: the variance of its weights and biases."""

from __future__ import annotations

from collections.abc import Callable

from gradlab.components import INITS, Named
from gradlab.mean_field.arithmetic import checked_arithmetic, require_representable
from gradlab.mean_field.coverage import Components, Numbers
from gradlab.mean_field.prediction import NoPrediction

__all__ = ["BIASES", "KNOWN_INITS", "bias_variance", "weight_variance"]

_VARIANCES: dict[str, Callable[..., float]] = {
    "xavier_uniform": lambda fan_in, fan_out, gain: gain**2 * 2 / (fan_in + fan_out),
    "xavier_normal": lambda fan_in, fan_out, gain: gain**2 * 2 / (fan_in + fan_out),
    "he_uniform": lambda fan_in, fan_out, gain: gain**2 * 2 / fan_in,
    "he_normal": lambda fan_in, fan_out, gain: gain**2 * 2 / fan_in,
    "lecun_normal": lambda fan_in, fan_out, gain: gain**2 / fan_in,
    "torch_default": lambda fan_in, fan_out, gain: gain**2 / (3 * fan_in),
    "orthogonal": lambda fan_in, fan_out, gain: gain**2 / max(fan_in, fan_out),
    "normal": lambda fan_in, fan_out, gain, std: gain**2 * std**2,
    "uniform": lambda fan_in, fan_out, gain, bound: gain**2 * bound**2 / 3,
}
"""Variance of one weight of a `[fan_out, fan_in]` matrix; of an orthogonal one the mean square of its entries."""

KNOWN_INITS = Components(
    _VARIANCES,
    {"identity": "identity weights are not random: mean-field theory does not cover them"},
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
    if variance == 0 and all(values.values()):
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
