"""Parts of networks by name: activations, initial weights, norms and residual forms."""

from __future__ import annotations

from gradlab.components.component import Activation, Component
from gradlab.components.param import Param

__all__ = ["ACTIVATIONS", "INITS", "NORMS", "NORM_POSITIONS", "RESIDUALS"]


def _act(target: str, summary: str, **params: Param) -> Activation:
    return Activation(target, summary, params)


def _init(name: str, summary: str, **params: Param) -> Component:
    return Component(f"gradlab.nn.inits:{name}", summary, {**params, "gain": Param(1.0, low=0, above=True)})


def _norm(name: str, summary: str) -> Component:
    return Component(f"gradlab.nn.norms:{name}", summary, {"eps": Param(1e-5, low=0)})


_LAMBD = Param(0.5, low=0)

ACTIVATIONS: dict[str, Activation] = {
    "linear": _act("gradlab.nn.activations:linear", "x"),
    "sigmoid": _act("torch:sigmoid", "1/(1+exp(-x)); slope at most 1/4"),
    "hardsigmoid": _act("torch.nn.functional:hardsigmoid", "x/6 + 1/2 cut to [0, 1]"),
    "logsigmoid": _act("torch.nn.functional:logsigmoid", "log(sigmoid(x))"),
    "tanh": _act("torch:tanh", "tanh(x); slope 1 at 0, saturates"),
    "tanhshrink": _act("torch.nn.functional:tanhshrink", "x - tanh(x)"),
    "hardtanh": _act("torch.nn.functional:hardtanh", "x cut to [-1, 1]"),
    "softsign": _act("torch.nn.functional:softsign", "x/(1+|x|)"),
    "erf": _act("torch:erf", "erf(x); every mean-field integral in closed form"),
    "sine": _act(
        "gradlab.nn.activations:sine", "sin(w0*x) (Sitzmann 2020, with w0 = 30)", w0=Param(1.0, low=0, above=True)
    ),
    "relu": _act("torch:relu", "max(0, x)"),
    "relu6": _act("torch.nn.functional:relu6", "x cut to [0, 6]"),
    "relu_squared": _act("gradlab.nn.activations:relu_squared", "max(0, x)^2 (So 2021)"),
    "leaky_relu": _act("torch.nn.functional:leaky_relu", "x, or negative_slope*x below 0", negative_slope=Param(0.01)),
    "prelu": Activation(
        "gradlab.nn.activations:prelu",
        "leaky_relu whose slope each block learns, from `start`",
        {"start": Param(0.25)},
        learned=True,
    ),
    "elu": _act("torch.nn.functional:elu", "x, or alpha*(exp(x)-1) below 0", alpha=Param(1.0, low=0)),
    "celu": _act(
        "torch.nn.functional:celu",
        "x, or alpha*(exp(x/alpha)-1) below 0 (Barron 2017)",
        alpha=Param(1.0, low=0, above=True),
    ),
    "selu": _act("torch.nn.functional:selu", "scaled elu with fixed point (0, 1) (Klambauer 2017)"),
    "gelu": _act("torch.nn.functional:gelu", "x*Phi(x), exact"),
    "gelu_tanh": _act("gradlab.nn.activations:gelu_tanh", "gelu by tanh, as in GPT-2; torch's approximate='tanh'"),
    "silu": _act("torch.nn.functional:silu", "x*sigmoid(x), also called swish"),
    "hardswish": _act("torch.nn.functional:hardswish", "x*hardsigmoid(x) (Howard 2019)"),
    "mish": _act("torch.nn.functional:mish", "x*tanh(softplus(x))"),
    "softplus": _act("torch.nn.functional:softplus", "log(1+exp(beta*x))/beta", beta=Param(1.0, low=0, above=True)),
    "squareplus": _act(
        "gradlab.nn.activations:squareplus", "(x+sqrt(x^2+b))/2 (Barron 2021)", b=Param(4.0, low=0, above=True)
    ),
    "softshrink": _act("torch.nn.functional:softshrink", "x moved towards 0 by lambd, 0 inside", lambd=_LAMBD),
    "hardshrink": _act("torch.nn.functional:hardshrink", "x, but 0 inside [-lambd, lambd]", lambd=_LAMBD),
    "threshold": _act(
        "torch.nn.functional:threshold", "x above threshold, else value", threshold=Param(0.0), value=Param(0.0)
    ),
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
