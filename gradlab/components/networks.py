"""Parts of networks by name: activations, initial weights, norms and residual forms."""

from __future__ import annotations

from collections.abc import Mapping

from gradlab.components.component import Activation, Component
from gradlab.components.param import Param

__all__ = ["ACTIVATIONS", "BRANCH_INITS", "INITS", "NORMS", "NORM_POSITIONS", "RESIDUALS"]


def _act(target: str, summary: str, **params: Param) -> Activation:
    return Activation(target, summary, params)


def _init(
    name: str, summary: str, trailing: Mapping[str, Param] | None = None, models: tuple[str, ...] = (), **leading: Param
) -> Component:
    """``{NAME: VALUE}`` means the first parameter: a `leading` one, else the gain, never a `trailing` one."""
    gain = {"gain": Param(1.0, low=0, above=True)}
    return Component(f"gradlab.nn.inits:{name}", summary, {**leading, **gain, **(trailing or {})}, models=models)


def _norm(
    name: str,
    summary: str,
    over: tuple[str, ...] = (),
    trailing: Mapping[str, Param] | None = None,
    *,
    centred: bool = True,
    models: tuple[str, ...] = (),
) -> Component:
    """Of numbers normalised together, as many as each setting of `over` says, one is constant. Of two that are centred
    as well, one is 1 and the other -1, up to eps."""
    least = dict.fromkeys(over, 2)
    advised = dict.fromkeys(over, 3) if centred else {}
    return Component(
        f"gradlab.nn.norms:{name}",
        summary,
        {**(trailing or {}), "eps": Param(1e-5, low=0)},
        least=least,
        advised=advised,
        models=models,
    )


_LAMBD = Param(0.5, low=0)
_LENGTH = {"length": Param(8, int, low=1, high=10**6, length=True)}

ACTIVATIONS: dict[str, Activation] = {
    "linear": _act("gradlab.nn.activations:linear", "x"),
    "sigmoid": _act("torch:sigmoid", "1/(1+exp(-x)); slope at most 1/4"),
    "hardsigmoid": _act("torch.nn.functional:hardsigmoid", "x/6 + 1/2 cut to [0, 1]"),
    "logsigmoid": _act("torch.nn.functional:logsigmoid", "log(sigmoid(x))"),
    "tanh": _act("torch:tanh", "tanh(x); slope 1 at 0, saturates"),
    "tanhshrink": _act("torch.nn.functional:tanhshrink", "x - tanh(x)"),
    "hardtanh": _act(
        "torch.nn.functional:hardtanh",
        "x cut to [min_val, max_val]",
        min_val=Param(-1.0, high=0),
        max_val=Param(1.0, low=0, above=True),
    ),
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
    "tat": _act(
        "gradlab.nn.shaped:tat",
        "leaky_relu shaped for `length` blocks, so that orthogonal inputs end with correlation eta (Zhang 2022)",
        eta=Param(0.9, low=0, high=1, above=True, below=True),
        **_LENGTH,
    ),
    "dks": _act(
        "gradlab.nn.shaped:dks",
        "`of`, moved and scaled for `length` blocks: kernels keep their form, slope zeta over all (Martens 2021)",
        of=Param("tanh", str, choices=("tanh", "erf", "sigmoid", "silu", "gelu")),
        zeta=Param(1.5, low=1.01, high=1.5),
        **_LENGTH,
    ),
    "hardshrink": _act("torch.nn.functional:hardshrink", "x, but 0 inside [-lambd, lambd]", lambd=_LAMBD),
    "threshold": _act(
        "torch.nn.functional:threshold", "x above threshold, else value", threshold=Param(0.0), value=Param(0.0)
    ),
}

_FAN_IN = {"mode": Param("fan_in", str, choices=("fan_in", "fan_out", "fan_avg"))}
_FAN_AVG = {"mode": Param("fan_avg", str, choices=("fan_in", "fan_out", "fan_avg"))}
_KAIMING = {
    "nonlinearity": Param("relu", str, choices=("relu", "leaky_relu", "tanh", "selu", "sigmoid", "linear")),
    "a": Param(0.0),
}
"""The nonlinearity whose gain torch.nn.init.kaiming_normal_ takes, and the slope of a leaky_relu."""
_TRUNCATED = {"truncated": Param(False, bool)}

INITS: dict[str, Component] = {
    "xavier_uniform": _init("xavier_uniform", "uniform, variance 2/(fan_in+fan_out) (Glorot 2010)", _FAN_AVG),
    "xavier_normal": _init("xavier_normal", "normal, variance 2/(fan_in+fan_out) (Glorot 2010)", _FAN_AVG | _TRUNCATED),
    "he_uniform": _init("he_uniform", "uniform, variance 2/fan_in (He 2015)", _FAN_IN | _KAIMING),
    "he_normal": _init(
        "he_normal",
        "normal, variance 2/fan_in (He 2015); Keras' is `truncated` at 2 deviations, of the same variance",
        _FAN_IN | _KAIMING | _TRUNCATED,
    ),
    "lecun_normal": _init("lecun_normal", "normal, variance 1/fan_in (LeCun 1998)", _FAN_IN | _TRUNCATED),
    "lecun_uniform": _init("lecun_uniform", "uniform, variance 1/fan_in (LeCun 1998)", _FAN_IN),
    "orthogonal": _init("orthogonal", "random orthonormal rows or columns (Saxe 2013)"),
    "delta_orthogonal": _init(
        "delta_orthogonal",
        "of convolutions: orthonormal in the middle of the kernel, 0 around it (Xiao 2018)",
        models=("conv",),
    ),
    "normal": _init("normal", "normal with the given std", _TRUNCATED, std=Param(required=True, low=0)),
    "truncated_normal": _init(
        "truncated_normal",
        "normal with the given std before it is cut at 2 std, as Keras has it: 0.88 std is left; `normal` with "
        "`truncated` keeps std",
        std=Param(required=True, low=0),
    ),
    "uniform": _init("uniform", "uniform on [-bound, bound]", bound=Param(required=True, low=0)),
    "constant": _init("constant", "every weight `value`: units stay alike", value=Param(required=True)),
    "torch_default": _init(
        "torch_default", "what torch.nn.Linear does: uniform, variance 1/(3 fan_in), biases too", _FAN_IN
    ),
    "identity": _init("identity", "ones on the diagonal (Le 2015)"),
    "spectral": _init(
        "spectral", "normal, scaled to the given spectral radius (Jaeger 2001)", radius=Param(1.0, low=0, above=True)
    ),
}

_ALPHA = {"alpha": Param(0.5, low=0, above=True)}

NORMS: dict[str, Component] = {
    "none": Component(None, "no normalisation"),
    "batch": _norm(
        "BatchNorm", "over the batch, per unit (Ioffe & Szegedy 2015)", ("train.batch_size", "probe.batch_size")
    ),
    "layer": _norm("LayerNorm", "over the units, per sample (Ba 2016)", ("width",)),
    "rms": _norm("RMSNorm", "over the units, scale only (Zhang & Sennrich 2019)", ("width",), centred=False),
    "group": _norm(
        "GroupNorm",
        "over the units of each of `groups` equal groups, per sample (Wu & He 2018)",
        ("width",),
        {"groups": Param(kind=int, required=True, low=1)},
    ),
    "instance": _norm(
        "InstanceNorm", "over the positions of a convolution, per sample and channel (Ulyanov 2016)", models=("conv",)
    ),
    "dyt": Component(
        "gradlab.nn.norms:DynamicTanh",
        "weight*tanh(alpha*x) + bias in place of a norm, alpha learned from its start (Zhu 2025)",
        _ALPHA,
    ),
    "derf": Component(
        "gradlab.nn.norms:DynamicErf",
        "weight*erf(alpha*x + shift) + bias in place of a norm, alpha and shift learned (Chen 2025)",
        {**_ALPHA, "shift": Param(0.0)},
    ),
    "weight": Component(
        "gradlab.nn.norms:WeightStandardisation",
        "each unit's weights centred and scaled to deviation gain/sqrt(fan_in), times a learned factor (Qiao 2019)",
        {"gain": Param(1.0, low=0, above=True), "eps": Param(1e-6, low=0)},
        least={"width": 2},
    ),
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
    "sandwich": Component(
        None, "x' = x + scale*norm'(act(W norm(x) + b)): a norm before and one after the branch (peri-LN, Kim 2025)"
    ),
    "layer_scale": Component(
        None,
        "pre_norm with a learned factor for each unit of the branch, from `start` (Touvron 2021)",
        {"start": Param(1e-5)},
    ),
    "deepnorm": Component(
        None,
        "x' = norm(alpha*x + act(Wx + b)), alpha = (2*depth)^(1/4), W drawn times (8*depth)^(-1/4) (Wang 2022)",
    ),
    "resnet_v1": Component(
        None, "x' = act(x + norm(V act(norm(Wx)))): the activation after the add (He 2015)", models=("conv",)
    ),
    "fixup": Component(
        None,
        "x' = x + branch(x) without norms: branches drawn small, the last matrix 0, scalar biases and a scalar factor "
        "(Zhang 2019)",
        models=("conv", "transformer"),
    ),
    "t_fixup": Component(
        None,
        "x' = x + branch(x) without norms; values, the last matrix and those of the MLP drawn times "
        "0.67*depth^(-1/4) (Huang 2020)",
        models=("transformer",),
    ),
}

BRANCH_INITS: dict[str, Component] = {
    "none": Component(None, "as `init` has it"),
    "zero": Component(
        "gradlab.nn.inits:zero_branch",
        "0: blocks begin as the identity, and stay it where the activation has no slope at 0, as relu",
    ),
    "depth_scaled": Component(
        "gradlab.nn.inits:depth_scaled_branch", "as `init` has it, divided by sqrt(2l) in block l (Groeneveld 2024)"
    ),
}
"""The matrix of a residual branch at the start; in a network with blocks of several, the last one."""
