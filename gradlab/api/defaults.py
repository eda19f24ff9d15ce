"""What `sweep` and `theory` compare where a setting is left out: the classical networks, each as it is usually made."""

from __future__ import annotations

from collections.abc import Mapping

from gradlab import grid, spec
from gradlab.cell import SETTINGS, Cell, Named
from gradlab.spelling import Spelling

__all__ = ["CLASSICAL", "DEFAULT_MODEL", "USUAL_INIT", "Settings", "cells_of", "models_of", "with_usual_inits"]

CLASSICAL = ("sigmoid", "tanh", "relu")
"""What is compared when no activation is named."""

DEFAULT_MODEL: str = SETTINGS["model"].default.name

_ONE_SIDED = (
    "relu", "relu6", "relu_squared", "leaky_relu", "prelu", "elu", "celu", "gelu", "gelu_tanh", "silu", "hardswish",
    "mish", "softplus", "squareplus",
)  # fmt: skip
USUAL_INIT = dict.fromkeys(_ONE_SIDED, "he_normal") | dict.fromkeys(("selu", "tat", "dks"), "lecun_normal")
"""The init that an activation is usually given: He for the one-sided ones, LeCun for selu and those shaped for variance
1, Xavier for all others."""

Settings = Mapping[str, object]
"""Values of settings as `spec.from_mapping` takes them: plain values, lists, or texts as they stand behind flags."""


def cells_of(settings: Settings, limit: int, spelling: Spelling) -> tuple[Cell, ...]:
    """Return the cells of these settings, with one seed. Raises SpecError, see `spec.from_mapping`."""
    return grid.expand(spec.from_mapping("settings", {**settings, "seeds": 1}, spelling=spelling), limit).cells


def models_of(settings: Settings, limit: int, spelling: Spelling) -> set[str]:
    """Return the names of the models among the settings, the default one where none is named."""
    if "model" not in settings:
        return {DEFAULT_MODEL}
    return {cell.model.name for cell in cells_of({"model": settings["model"]}, limit, spelling)}


def with_usual_inits(settings: Settings, limit: int, spelling: Spelling) -> dict[str, object]:
    """Return the settings with each activation, of the classical ones where none is named, beside its usual init."""
    activations = [Named(name) for name in CLASSICAL]
    if any(key.partition(".")[0] == "activation" for key in settings):  # named, or by its parameters
        activations = [cell.activation for cell in cells_of(settings, limit, spelling)]
    inits = {str(activation): USUAL_INIT.get(activation.name, "xavier_normal") for activation in activations}
    other_settings = {key: value for key, value in settings.items() if key.partition(".")[0] != "activation"}
    if len(inits) == 1:
        return {**other_settings, "activation": next(iter(inits)), "init": next(iter(inits.values()))}
    return {**other_settings, "zip": {"activation": list(inits), "init": list(inits.values())}}
