"""Training by name: optimizers, clipping, learning-rate schedules and number formats."""

from __future__ import annotations

from collections.abc import Mapping

from gradlab.components.component import Component, Optimizer
from gradlab.components.param import Param

__all__ = ["CLIPS", "OPTIMIZERS", "PRECISIONS", "SCHEDULES"]


def _optim(
    target: str,
    summary: str,
    lr: float,
    params: Mapping[str, Param],
    *,
    shaped: bool = False,
    weight_decay: bool = True,
    torch: str = "",
) -> Optimizer:
    decay = {"decay": Param("all", str, choices=("all", "matrices"))} if weight_decay else {}
    target = target if ":" in target else f"torch.optim:{target}"
    return Optimizer(
        target, summary, {"lr": Param(lr, low=0), **params, **decay},
        elementwise=not shaped, shaped=shaped, weight_decay=weight_decay, torch=torch,
    )  # fmt: skip


_SHARE = Param(0.9, low=0, high=1)
_FLAG = Param(False, bool)
_MAXIMIZE = {"maximize": _FLAG}
_AMSGRAD = {"amsgrad": _FLAG}
_DECOUPLED = {"decoupled_weight_decay": _FLAG}
_BETAS = {"beta1": Param(0.9, low=0, high=0.999999), "beta2": Param(0.999, low=0, high=0.999999)}
_ADAM = {**_BETAS, "eps": Param(1e-8, low=0)}

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": _optim("SGD", "plain gradient descent", 0.1, _MAXIMIZE),
    "momentum": _optim(
        "SGD", "heavy-ball momentum", 0.01,
        {"momentum": _SHARE, "dampening": Param(0.0, low=0, high=1), **_MAXIMIZE},
    ),
    "nesterov": _optim(
        "SGD", "Nesterov momentum", 0.01, {"momentum": Param(0.9, low=0, above=True, high=1), **_MAXIMIZE}
    ),
    "adagrad": _optim(
        "Adagrad", "steps divided by the root of all squared gradients so far (Duchi 2011)", 0.01,
        {
            "eps": Param(1e-10, low=0), "lr_decay": Param(0.0, low=0), "initial_accumulator_value": Param(0.0, low=0),
            **_MAXIMIZE,
        },
    ),
    "rmsprop": _optim(
        "RMSprop", "steps divided by a running root mean square (Hinton 2012)", 0.001,
        {
            "alpha": Param(0.99, low=0, high=1), "eps": Param(1e-8, low=0), "momentum": Param(0.0, low=0, high=1),
            "centered": _FLAG, **_MAXIMIZE,
        },
    ),
    "adam": _optim(
        "Adam", "rmsprop with momentum and bias correction (Kingma 2015)", 0.001, _ADAM | _AMSGRAD | _MAXIMIZE
    ),
    "adamw": _optim(
        "AdamW", "Adam with decoupled weight decay (Loshchilov 2019)", 0.001, _ADAM | _AMSGRAD | _MAXIMIZE
    ),
    "nadam": _optim(
        "NAdam", "Adam with Nesterov momentum (Dozat 2016)", 0.002,
        {**_ADAM, "momentum_decay": Param(0.004, low=0), **_DECOUPLED, **_MAXIMIZE},
    ),
    "radam": _optim(
        "RAdam", "Adam with rectified variance (Liu 2020)", 0.001, _ADAM | _DECOUPLED | _MAXIMIZE
    ),
    "adamax": _optim("Adamax", "Adam with a running maximum (Kingma 2015)", 0.002, _ADAM | _MAXIMIZE),
    "adadelta": _optim(
        "Adadelta", "no learning rate to speak of (Zeiler 2012)", 1.0,
        {"rho": _SHARE, "eps": Param(1e-6, low=0), **_MAXIMIZE},
    ),
    "adafactor": _optim(
        "Adafactor", "of the squared gradients of a matrix only rows and columns (Shazeer 2018)", 0.01,
        {
            "beta2_decay": Param(-0.8, high=0), "eps1": Param(None, low=0), "eps2": Param(1e-3, low=0),
            "d": Param(1.0, low=1), **_MAXIMIZE,
        },
        shaped=True,
    ),
    "lion": _optim(
        "gradlab.optim.lion:Lion", "the sign of a momentum (Chen 2023)", 0.0001,
        {"beta1": Param(0.9, low=0, high=1), "beta2": Param(0.99, low=0, high=1), **_MAXIMIZE},
    ),
    "muon": _optim(
        "Muon",
        "orthogonalised momentum of each matrix (Jordan 2024); AdamW, with `adamw_lr` or the same lr, for the rest",
        0.001,
        {
            "momentum": Param(0.95, low=0, high=1), "nesterov": Param(True, bool),
            "ns_steps": Param(5, int, low=1, high=99), "eps": Param(1e-7, low=0, above=True),
            "adjust_lr_fn": Param("original", str, choices=("original", "match_rms_adamw")),
            "adamw_lr": Param(None, low=0), **_BETAS, "adamw_eps": Param(1e-8, low=0),
        },
        shaped=True,
        torch="2.9",
    ),
    "rprop": _optim(
        "Rprop", "by the signs of the gradients alone, each weight with a step of its own (Riedmiller 1993)", 0.01,
        {
            "eta_minus": Param(0.5, low=0, high=1, above=True, below=True), "eta_plus": Param(1.2, low=1, above=True),
            "step_min": Param(1e-6, low=0), "step_max": Param(50.0, low=0, above=True), **_MAXIMIZE,
        },
        weight_decay=False,
    ),
    "asgd": _optim(
        "ASGD", "gradient descent with falling steps, as for averaging (Polyak 1992); weights are not averaged", 0.01,
        {"lambd": Param(1e-4, low=0), "alpha": Param(0.75, low=0), "t0": Param(1e6, low=0), **_MAXIMIZE},
    ),
}  # fmt: skip

_MAX = {"max": Param(required=True, low=0, above=True)}

CLIPS: dict[str, Component] = {
    "none": Component(None, "gradients as they are"),
    "norm": Component(
        "gradlab.optim.clip:clip_norm",
        "scale the whole gradient, all tensors together, down to norm `max` (Pascanu 2013)",
        _MAX,
    ),
    "each": Component(
        "gradlab.optim.clip:clip_each",
        "scale each weight or bias tensor by itself down to norm `max` (Keras' clipnorm); `norm` scales all together",
        _MAX,
    ),
    "value": Component("gradlab.optim.clip:clip_value", "cut every element to [-max, max]", _MAX),
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
