"""What mean-field theory needs of an init: the variance of its weights and biases."""

from __future__ import annotations

from gradlab.components import INITS, Named

__all__ = ["NoPrediction", "bias_variance", "weight_variance"]


class NoPrediction(Exception):
    """Mean-field theory says nothing about this setting; the message says why."""


def weight_variance(init: Named, fan_in: int, fan_out: int) -> float:
    """Return the variance of one weight of a `[fan_out, fan_in]` matrix.

    Orthogonal matrices have the mean square of their entries: 1/max(fan_in, fan_out).

    Raises:
        NoPrediction: the weights are not random, or their distribution is unknown here.
    """
    params = init.resolve(INITS)
    gain2 = float(params["gain"]) ** 2 if "gain" in params else 1.0
    match init.name:
        case "xavier_uniform" | "xavier_normal":
            return gain2 * 2 / (fan_in + fan_out)
        case "he_uniform" | "he_normal":
            return gain2 * 2 / fan_in
        case "lecun_normal":
            return gain2 / fan_in
        case "torch_default":
            return gain2 / (3 * fan_in)
        case "orthogonal":
            return gain2 / max(fan_in, fan_out)
        case "normal":
            return gain2 * float(params["std"]) ** 2
        case "uniform":
            return gain2 * float(params["bound"]) ** 2 / 3
        case "identity":
            raise NoPrediction("identity weights are not random: mean-field theory does not cover them")
    raise NoPrediction(f"mean-field theory does not know the variance of init {init.name}")


def bias_variance(init: Named, bias_std: float | str, fan_in: int) -> float:
    """Return the variance of one bias: given, or for "auto" 0 but for torch_default's 1/(3 fan_in)."""
    if not isinstance(bias_std, str):
        return bias_std**2
    return 1 / (3 * fan_in) if init.name == "torch_default" else 0.0
