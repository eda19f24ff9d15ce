"""Every name a spec may use: one line each, in plain dictionaries, with nothing imported.

A `Component` names its code as ``"module:attribute"`` so that checking a spec does not load torch;
`Component.load` imports it when a worker needs it. A user's own component may hold the object itself.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import PurePath
from typing import Any

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "CLIPS",
    "INITS",
    "MODELS",
    "NORMS",
    "NORM_POSITIONS",
    "OPTIMIZERS",
    "PRECISIONS",
    "REGISTRIES",
    "RESIDUALS",
    "SCHEDULES",
    "TASKS",
    "Component",
    "Named",
    "Param",
    "Value",
    "nearest",
]


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a component. `default=None` with `required` set: it must be given.

    Bounds: `low <= value <= high`; with `above` set, `low < value`.
    """

    default: Any = None
    kind: type = float
    low: float = -inf
    high: float = inf
    above: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Component:
    """Something a spec can name: where its code is, one line about it, and its parameters in order."""

    target: Any
    summary: str
    params: Mapping[str, Param] = field(default_factory=dict)

    def load(self) -> Any:
        """Return the object behind `target`, importing its module if it is given as text."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)


Value = float | int | str | bool


@dataclass(frozen=True, slots=True)
class Named:
    """A component as a spec names it: `params` holds only what differs from the registry's defaults."""

    name: str
    params: tuple[tuple[str, Value], ...] = ()

    def resolve(self, registry: Mapping[str, Component]) -> dict[str, Any]:
        """Return every parameter of the component, defaults filled in."""
        return {key: param.default for key, param in registry[self.name].params.items()} | dict(self.params)

    def __str__(self) -> str:
        if not self.params:
            return self.name
        shown = ", ".join(f"{k}={PurePath(str(v)).name if k == 'path' else _text(v)}" for k, v in self.params)
        return f"{self.name}({shown})"


def _text(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice most like `name`, or None when nothing is close."""
    found = difflib.get_close_matches(name.lower(), list(choices), n=1, cutoff=0.6)
    return found[0] if found else None


def _act(name: str, summary: str, **params: Param) -> Component:
    return Component(f"gradlab.nn.activations:{name}", summary, params)


def _init(name: str, summary: str, **params: Param) -> Component:
    return Component(f"gradlab.nn.inits:{name}", summary, {**params, "gain": Param(1.0, low=0, above=True)})


def _norm(name: str, summary: str) -> Component:
    return Component(f"gradlab.nn.norms:{name}", summary, {"eps": Param(1e-5, low=0)})


def _optim(target: str, summary: str, lr: float, **params: Param) -> Component:
    return Component(f"torch.optim:{target}", summary, {"lr": Param(lr, low=0), **params})


_MOMENTUM = Param(0.9, low=0, high=1)
_ADAM = {
    "beta1": Param(0.9, low=0, high=0.999999),
    "beta2": Param(0.999, low=0, high=0.999999),
    "eps": Param(1e-8, low=0),
}

ACTIVATIONS: dict[str, Component] = {
    "linear": _act("linear", "x"),
    "sigmoid": _act("sigmoid", "1/(1+exp(-x)); slope at most 1/4"),
    "tanh": _act("tanh", "tanh(x); slope 1 at 0, saturates"),
    "hardtanh": _act("hardtanh", "x cut to [-1, 1]"),
    "softsign": _act("softsign", "x/(1+|x|)"),
    "erf": _act("erf", "erf(x); every mean-field integral in closed form"),
    "relu": _act("relu", "max(0, x)"),
    "leaky_relu": _act("leaky_relu", "x, or negative_slope*x below 0", negative_slope=Param(0.01)),
    "prelu": _act("prelu", "leaky_relu whose slope each block learns, from `start`", start=Param(0.25)),
    "elu": _act("elu", "x, or alpha*(exp(x)-1) below 0", alpha=Param(1.0, low=0)),
    "selu": _act("selu", "scaled elu with fixed point (0, 1) (Klambauer 2017)"),
    "gelu": _act("gelu", "x*Phi(x), exact"),
    "silu": _act("silu", "x*sigmoid(x), also called swish"),
    "mish": _act("mish", "x*tanh(softplus(x))"),
    "softplus": _act("softplus", "log(1+exp(beta*x))/beta", beta=Param(1.0, low=0, above=True)),
}

INITS: dict[str, Component] = {
    "xavier_uniform": _init("xavier_uniform", "uniform, variance 2/(fan_in+fan_out) (Glorot 2010)"),
    "xavier_normal": _init("xavier_normal", "normal, variance 2/(fan_in+fan_out) (Glorot 2010)"),
    "he_uniform": _init("he_uniform", "uniform, variance 2/fan_in (He 2015)"),
    "he_normal": _init("he_normal", "normal, variance 2/fan_in (He 2015)"),
    "lecun_normal": _init("lecun_normal", "normal, variance 1/fan_in (LeCun 1998)"),
    "orthogonal": _init("orthogonal", "random orthonormal rows or columns (Saxe 2013)"),
    "normal": _init("normal", "normal with the given std", std=Param(required=True, low=0)),
    "uniform": _init("uniform", "uniform on [-bound, bound]", bound=Param(required=True, low=0)),
    "torch_default": _init("torch_default", "what torch.nn.Linear does: uniform, variance 1/(3 fan_in), biases too"),
    "identity": _init("identity", "ones on the diagonal (Le 2015)"),
}

NORMS: dict[str, Component] = {
    "none": Component(None, "no normalisation"),
    "batch": _norm("BatchNorm", "over the batch, per unit (Ioffe & Szegedy 2015)"),
    "layer": _norm("LayerNorm", "over the units, per sample (Ba 2016)"),
    "rms": _norm("RMSNorm", "over the units, scale only (Zhang & Sennrich 2019)"),
}

NORM_POSITIONS: dict[str, Component] = {
    "pre_activation": Component(None, "act(norm(Wx+b))"),
    "post_activation": Component(None, "norm(act(Wx+b))"),
}

RESIDUALS: dict[str, Component] = {
    "none": Component(None, "x' = block(x)"),
    "add": Component(None, "x' = x + scale*block(x); the norm stays inside the branch, at norm_position"),
    "pre_norm": Component(None, "x' = x + scale*act(W norm(x) + b); the stream itself is never normalised"),
    "post_norm": Component(None, "x' = norm(x + scale*act(Wx + b)); every block normalises the stream"),
}

OPTIMIZERS: dict[str, Component] = {
    "sgd": _optim("SGD", "plain gradient descent", 0.1),
    "momentum": _optim("SGD", "heavy-ball momentum", 0.01, momentum=_MOMENTUM),
    "nesterov": _optim("SGD", "Nesterov momentum", 0.01, momentum=Param(0.9, low=0, above=True, high=1)),
    "adagrad": _optim(
        "Adagrad",
        "steps divided by the root of all squared gradients so far (Duchi 2011)",
        0.01,
        eps=Param(1e-10, low=0),
    ),
    "rmsprop": _optim(
        "RMSprop",
        "steps divided by a running root mean square (Hinton 2012)",
        0.001,
        alpha=Param(0.99, low=0, high=1),
        eps=Param(1e-8, low=0),
        momentum=Param(0.0, low=0, high=1),
    ),
    "adam": _optim("Adam", "rmsprop with momentum and bias correction (Kingma 2015)", 0.001, **_ADAM),
    "adamw": _optim("AdamW", "Adam with decoupled weight decay (Loshchilov 2019)", 0.001, **_ADAM),
    "nadam": _optim("NAdam", "Adam with Nesterov momentum (Dozat 2016)", 0.002, **_ADAM),
    "radam": _optim("RAdam", "Adam with rectified variance (Liu 2020)", 0.001, **_ADAM),
    "adadelta": _optim(
        "Adadelta",
        "no learning rate to speak of (Zeiler 2012)",
        1.0,
        rho=Param(0.9, low=0, high=1),
        eps=Param(1e-6, low=0),
    ),
}

CLIPS: dict[str, Component] = {
    "none": Component(None, "gradients as they are"),
    "norm": Component(
        "gradlab.optim.clip:clip_norm",
        "scale the whole gradient down to norm `max` (Pascanu 2013)",
        {"max": Param(required=True, low=0, above=True)},
    ),
    "value": Component(
        "gradlab.optim.clip:clip_value",
        "cut every element to [-max, max]",
        {"max": Param(required=True, low=0, above=True)},
    ),
    "agc": Component(
        "gradlab.optim.clip:clip_agc",
        "per unit, to `factor` times its weight norm (Brock 2021)",
        {"factor": Param(0.01, low=0, above=True), "eps": Param(1e-3, low=0, above=True)},
    ),
}

SCHEDULES: dict[str, Component] = {
    "constant": Component("gradlab.optim.schedule:constant", "lr as given"),
    "cosine": Component("gradlab.optim.schedule:cosine", "half a cosine from lr to 0 (Loshchilov 2017)"),
}

PRECISIONS: dict[str, Component] = {
    "float32": Component("torch:float32", "single precision"),
    "float64": Component("torch:float64", "double precision"),
}

MODELS: dict[str, Component] = {
    "mlp": Component("gradlab.models.mlp:MLP", "`depth` blocks of `width` units and a linear readout"),
}

TASKS: dict[str, Component] = {
    "digits": Component(
        "gradlab.tasks.digits:load", "1,797 real 8x8 handwritten digits, 10 classes; learned: test accuracy >= 0.8"
    ),
    "teacher": Component(
        "gradlab.tasks.teacher:load",
        "regression on a random tanh network; learned: test R2 >= 0.5",
        {
            "inputs": Param(16, int, low=1),
            "hidden": Param(16, int, low=1),
            "samples": Param(2048, int, low=8),
            "noise": Param(0.0, low=0),
        },
    ),
    "linear_regression": Component(
        "gradlab.tasks.linear_regression:load",
        "y = 3x + 2 + noise; learned: test R2 >= 0.99",
        {"samples": Param(512, int, low=8), "noise": Param(0.1, low=0)},
    ),
    "spirals": Component(
        "gradlab.tasks.spirals:load",
        "two interleaved spirals, 2 classes; learned: test accuracy >= 0.9",
        {"samples": Param(2048, int, low=8), "turns": Param(1.5, low=0, above=True), "noise": Param(0.02, low=0)},
    ),
    "table": Component(
        "gradlab.tasks.table:load",
        "your own CSV or Parquet file; learned: half way from guessing to perfect",
        {
            "path": Param(kind=str, required=True),
            "target": Param(kind=str, required=True),
            "kind": Param(kind=str, required=True, choices=("classification", "regression")),
        },
    ),
}

ALIASES: dict[str, dict[str, str]] = {
    "activation": {"identity": "linear", "swish": "silu", "none": "linear", "logistic": "sigmoid"},
    "init": {
        "glorot_uniform": "xavier_uniform",
        "glorot_normal": "xavier_normal",
        "kaiming_uniform": "he_uniform",
        "kaiming_normal": "he_normal",
        "lecun": "lecun_normal",
        "pytorch": "torch_default",
    },
    "norm": {"batch_norm": "batch", "layer_norm": "layer", "rms_norm": "rms"},
    "optimizer": {"heavy_ball": "momentum"},
    "clip": {"adaptive": "agc"},
    "precision": {"fp32": "float32", "fp64": "float64", "double": "float64"},
}

REGISTRIES: dict[str, dict[str, Component]] = {
    "model": MODELS,
    "task": TASKS,
    "activation": ACTIVATIONS,
    "init": INITS,
    "norm": NORMS,
    "norm_position": NORM_POSITIONS,
    "residual": RESIDUALS,
    "optimizer": OPTIMIZERS,
    "clip": CLIPS,
    "train.lr_schedule": SCHEDULES,
    "precision": PRECISIONS,
}
