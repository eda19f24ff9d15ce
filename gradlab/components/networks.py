"""Networks by name: models, activations, initial weights, norms and residual forms."""

from __future__ import annotations

from typing import Any

from gradlab.components.component import Component, Named, Param

__all__ = [
    "ACTIVATIONS",
    "INITS",
    "MODELS",
    "NORMS",
    "NORM_POSITIONS",
    "RECURRENT_DEFAULTS",
    "RESIDUALS",
    "recurrent",
]


def _act(name: str, summary: str, **params: Param) -> Component:
    return Component(f"gradlab.nn.activations:{name}", summary, params)


def _init(name: str, summary: str, **params: Param) -> Component:
    return Component(f"gradlab.nn.inits:{name}", summary, {**params, "gain": Param(1.0, low=0, above=True)})


def _norm(name: str, summary: str) -> Component:
    return Component(f"gradlab.nn.norms:{name}", summary, {"eps": Param(1e-5, low=0)})


def _recurrent(summary: str, **params: Param) -> Component:
    shared = {"input_gain": Param(1.0, low=0), "truncate": Param(0, int, low=0)}
    return Component(
        "gradlab.families.recurrent.network:Recurrent",
        summary,
        {**params, **shared},
        recurrent=True,
        only={"norm": ("none", "layer", "rms"), "residual": ("none", "add")},
        ignores=("norm_position",),
    )


_CHRONO = Param(0, int, low=0)
"""Biases of the memory's gate for dependencies of up to so many steps (Tallec & Ollivier 2018); 0: none of that."""

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

MODELS: dict[str, Component] = {
    "mlp": Component(
        "gradlab.families.mlp.network:MLP",
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

RECURRENT_DEFAULTS: dict[str, Any] = {
    "task": Named("adding"),
    "depth": 1,
    "activation": Named("tanh"),
    "init": Named("orthogonal"),
}
"""What a recurrent model has where a spec is silent and the general default is one of feed-forward networks."""


def recurrent(model: str) -> bool:
    """Return whether a model, written as in a table (``lstm(forget_bias=1)``), goes along a sequence."""
    found = MODELS.get(model.partition("(")[0])
    return found is not None and found.recurrent
