"""Every name a spec may use: one line each, in plain dictionaries, with nothing imported."""

from __future__ import annotations

from gradlab.components.component import (
    Activation,
    Component,
    InputKind,
    Lengths,
    Named,
    Optimizer,
    Origin,
    Task,
    Value,
    nearest,
)
from gradlab.components.networks import ACTIVATIONS, INITS, NORM_POSITIONS, NORMS, RESIDUALS
from gradlab.components.param import Param
from gradlab.components.tasks import TASKS
from gradlab.components.training import CLIPS, OPTIMIZERS, PRECISIONS, SCHEDULES

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "CLIPS",
    "INITS",
    "NORMS",
    "NORM_POSITIONS",
    "OPTIMIZERS",
    "PRECISIONS",
    "RESIDUALS",
    "SCHEDULES",
    "TASKS",
    "Activation",
    "Component",
    "InputKind",
    "Lengths",
    "Named",
    "Optimizer",
    "Origin",
    "Param",
    "Task",
    "Value",
    "nearest",
]

ALIASES: dict[str, dict[str, str]] = {
    "model": {"elman": "rnn", "vanilla_rnn": "rnn"},
    "task": {"copy": "copy_memory", "addition": "adding"},
    "activation": {
        "identity": "linear",
        "swish": "silu",
        "none": "linear",
        "logistic": "sigmoid",
        "hard_sigmoid": "hardsigmoid",
        "hard_silu": "hardswish",
        "hard_swish": "hardswish",
        "hard_tanh": "hardtanh",
        "log_sigmoid": "logsigmoid",
        "tanh_shrink": "tanhshrink",
        "soft_shrink": "softshrink",
        "hard_shrink": "hardshrink",
        "gelu_new": "gelu_tanh",
        "relu2": "relu_squared",
        "sin": "sine",
    },
    "init": {
        "glorot_uniform": "xavier_uniform",
        "glorot_normal": "xavier_normal",
        "kaiming_uniform": "he_uniform",
        "kaiming_normal": "he_normal",
        "lecun": "lecun_normal",
        "trunc_normal": "truncated_normal",
        "eye": "identity",
        "pytorch": "torch_default",
    },
    "norm": {"batch_norm": "batch", "layer_norm": "layer", "rms_norm": "rms"},
    "optimizer": {"heavy_ball": "momentum"},
    "clip": {"adaptive": "agc", "clipnorm": "each", "clipvalue": "value", "global_clipnorm": "norm"},
    "precision": {
        "fp32": "float32",
        "fp64": "float64",
        "double": "float64",
        "bf16": "bfloat16",
        "fp16": "float16",
        "half": "float16",
    },
}
