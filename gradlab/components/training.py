"""Training by name: optimizers, clipping, learning-rate schedules and number formats."""

from __future__ import annotations

from gradlab.components.component import Component, Optimizer
from gradlab.components.param import Param

__all__ = ["CLIPS", "OPTIMIZERS", "PRECISIONS", "SCHEDULES"]


def _optim(target: str, summary: str, lr: float, **params: Param) -> Optimizer:
    return Optimizer(f"torch.optim:{target}", summary, {"lr": Param(lr, low=0), **params})


_SHARE = Param(0.9, low=0, high=1)
_ADAM = {
    "beta1": Param(0.9, low=0, high=0.999999),
    "beta2": Param(0.999, low=0, high=0.999999),
    "eps": Param(1e-8, low=0),
}

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": _optim("SGD", "plain gradient descent", 0.1),
    "momentum": _optim("SGD", "heavy-ball momentum", 0.01, momentum=_SHARE),
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
        rho=_SHARE,
        eps=Param(1e-6, low=0),
    ),
}

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
