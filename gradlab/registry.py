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
    "RECURRENT_DEFAULTS",
    "REGISTRIES",
    "RESIDUALS",
    "SCHEDULES",
    "TASKS",
    "Component",
    "Lengths",
    "Named",
    "Param",
    "Value",
    "nearest",
    "recurrent",
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
class Lengths:
    """Which `seq_len` a task of sequences can have, and which it has when a spec says none."""

    default: int
    low: int = 1
    only: tuple[int, ...] = ()
    """If not empty, all there are."""

    def allow(self, seq_len: int) -> bool:
        """Whether the task has sequences of that many steps."""
        return seq_len in self.only if self.only else seq_len >= self.low


@dataclass(frozen=True, slots=True)
class Component:
    """Something a spec can name: where its code is, one line about it, and its parameters in order."""

    target: Any
    summary: str
    params: Mapping[str, Param] = field(default_factory=dict)
    recurrent: bool = False
    """Of a model: it goes along a sequence of `seq_len` steps, its profile runs over time, and one bank has one
    activation. Of a task: its inputs are such sequences."""
    learned: bool = False
    """Of an activation: it brings a learned parameter, so that its replicas fill banks of their own."""
    lengths: Lengths | None = None
    """Of a task of sequences."""
    indices: bool = False
    """Of a task: its inputs are indices that a network looks up, not numbers."""
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of a model: by setting, the names it can be combined with; any, of a setting that is not here."""
    ignores: tuple[str, ...] = ()
    """Of a model: settings that mean nothing to it, as attributes of a cell."""
    of_indices: tuple[str, ...] = ()
    """Of a model: its parameters that only inputs that are indices give a meaning."""

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


def _recurrent(summary: str, **params: Param) -> Component:
    shared = {"input_gain": Param(1.0, low=0), "truncate": Param(0, int, low=0)}
    return Component(
        "gradlab.models.recurrent:Recurrent",
        summary,
        {**params, **shared},
        recurrent=True,
        only={"norm": ("none", "layer", "rms"), "residual": ("none", "add")},
        ignores=("norm_position",),
    )


def _optim(target: str, summary: str, lr: float, **params: Param) -> Component:
    return Component(f"torch.optim:{target}", summary, {"lr": Param(lr, low=0), **params})


_CHRONO = Param(0, int, low=0)
"""Biases of the memory's gate for dependencies of up to so many steps (Tallec & Ollivier 2018); 0: none of that."""
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
    "prelu": Component(
        "gradlab.nn.activations:prelu",
        "leaky_relu whose slope each block learns, from `start`",
        {"start": Param(0.25)},
        learned=True,
    ),
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
    "spectral": _init(
        "spectral", "normal, scaled to the given spectral radius (Jaeger 2001)", radius=Param(1.0, low=0, above=True)
    ),
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
    "bfloat16": Component(
        "torch:bfloat16",
        "8 bits of mantissa, float32's range; weights stay float32",
        {"loss_scale": Param(1.0, low=0, above=True), "growth_interval": Param(0, int, low=0)},
    ),
    "float16": Component(
        "torch:float16",
        "11 bits of mantissa, down to 6e-8: the loss is scaled; weights stay float32 (Micikevicius 2018)",
        {"loss_scale": Param(65536.0, low=0, above=True), "growth_interval": Param(2000, int, low=0)},
    ),
}

MODELS: dict[str, Component] = {
    "mlp": Component(
        "gradlab.models.mlp:MLP",
        "`depth` blocks of `width` units and a linear readout; indices are looked up in vectors of length `embedding`",
        {"embedding": Param(8, int, low=1), "embedding_std": Param(0.1, low=0, above=True)},
        of_indices=("embedding", "embedding_std"),
    ),
    "rnn": _recurrent("h' = act(Ux + Wh + b), `init` for W (Elman 1990)"),
    "lstm": _recurrent(
        "gates, and a cell state that adds up (Hochreiter & Schmidhuber 1997; Gers 2000)",
        forget_bias=Param(1.0),
        chrono=_CHRONO,
    ),
    "gru": _recurrent("two gates, no cell state (Cho 2014)", chrono=_CHRONO),
    "minimal_rnn": _recurrent("one gate between the state and a map of the input (Chen 2017)", chrono=_CHRONO),
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
    "ratings": Component(
        "gradlab.tasks.ratings:load",
        "user, item, rating: your own file, or drawn with low rank; learned: 5 % less test error than by user and item "
        "means",
        {
            "path": Param(kind=str),
            "user": Param("user", str),
            "item": Param("item", str),
            "rating": Param("rating", str),
            "users": Param(200, int, low=2),
            "items": Param(100, int, low=2),
            "rank": Param(2, int, low=1),
            "samples": Param(8000, int, low=8),
            "noise": Param(0.2, low=0),
        },
        indices=True,
    ),
    "adding": Component(
        "gradlab.tasks.adding:load",
        "sum of the two marked numbers of a sequence (Hochreiter 1997); learned: test R2 >= 0.8, always 1 has MSE 1/6",
        {"samples": Param(4096, int, low=8)},
        recurrent=True,
        lengths=Lengths(50, low=2),
    ),
    "copy_memory": Component(
        "gradlab.tasks.copy_memory:load",
        "repeat 10 of 8 symbols after T = seq_len-20 blanks (Arjovsky 2016); learned: half the loss without a memory, "
        "10 ln 8/(T+20)",
        {"samples": Param(4096, int, low=8)},
        recurrent=True,
        lengths=Lengths(50, low=21),
        indices=True,
    ),
    "temporal_order": Component(
        "gradlab.tasks.temporal_order:load",
        "which of two symbols came first, which second, 4 classes (Hochreiter 1997); learned: test accuracy >= 0.9",
        {"samples": Param(4096, int, low=8)},
        recurrent=True,
        lengths=Lengths(50, low=10),
        indices=True,
    ),
    "sequential_digits": Component(
        "gradlab.tasks.sequential_digits:load",
        "the digits in seq_len pieces: 64 pixel by pixel, 8 row by row (Le 2015); learned: test accuracy >= 0.8",
        {"permuted": Param(False, bool)},
        recurrent=True,
        lengths=Lengths(64, only=(1, 2, 4, 8, 16, 32, 64)),
    ),
    "char_lm": Component(
        "gradlab.tasks.char_lm:load",
        "next character of Persuasion (J. Austen) or of your own text file; learned: 5 % fewer bits than from the last "
        "character alone",
        {"path": Param(kind=str)},
        recurrent=True,
        lengths=Lengths(64),
        indices=True,
    ),
}

RECURRENT_DEFAULTS: dict[str, Any] = {
    "task": Named("adding"),
    "depth": 1,
    "activation": Named("tanh"),
    "init": Named("orthogonal"),
}
"""What a recurrent model has where a spec is silent and the general default is one of feed-forward networks."""

ALIASES: dict[str, dict[str, str]] = {
    "model": {"elman": "rnn", "vanilla_rnn": "rnn"},
    "task": {"copy": "copy_memory", "addition": "adding"},
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
    "precision": {
        "fp32": "float32",
        "fp64": "float64",
        "double": "float64",
        "bf16": "bfloat16",
        "fp16": "float16",
        "half": "float16",
    },
}


def recurrent(model: str) -> bool:
    """Return whether a model, written as in a table (``lstm(forget_bias=1)``), goes along a sequence."""
    found = MODELS.get(model.partition("(")[0])
    return found is not None and found.recurrent


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
