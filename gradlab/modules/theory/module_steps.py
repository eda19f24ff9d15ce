"""The part of a block that a module of torch is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations

from gradlab.modules.graph.capture import Call
from gradlab.modules.parts import Step, Taps

__all__ = ["UnknownPart", "of_module", "rms"]

_WRITTEN_OUT = {"NewGELUActivation": "gelu_tanh", "FastGELUActivation": "gelu_tanh", "ReluSquared": "relu_squared"}
"""Modules of other packages that are an activation in several operations."""
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


class UnknownPart(Exception):
    """What theory does not know, in words."""


def rms(values: Tensor) -> float:
    """Return the root of the mean square; 0 of nothing."""
    return float(torch.linalg.vector_norm(values.detach().double())) / math.sqrt(max(1, values.numel()))


def of_module(call: Call) -> Step | None:
    """Return what a module does; None for one that is known by its operation. Raises UnknownPart."""
    module = call.module
    kind = type_before_parametrizations(module)
    if kind is nn.Linear or kind in _CONVOLUTIONS:
        return _map(module, call)
    if kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        if not module.training and module.running_mean is not None:
            raise UnknownPart("batch norm by running statistics")
        return _norm("batch", module)
    if isinstance(module, nn.LayerNorm) and kind is nn.LayerNorm:
        if len(module.normalized_shape) > 1:
            raise UnknownPart("layer norm over positions")
        return _norm("layer", module)
    if kind is nn.RMSNorm:
        return _norm("rms", module)
    if kind is nn.Dropout:
        assert isinstance(module, nn.Dropout)
        return Step("dropout", keep=1 - module.p) if module.p < 1 else None
    if call.kind in _WRITTEN_OUT:
        return Step("activation", activation=_WRITTEN_OUT[call.kind])
    return None


def _map(module: nn.Module, call: Call) -> Step:
    weight, bias = module.weight, module.bias
    assert isinstance(weight, Tensor)
    taps: tuple[Taps, ...] = ()
    if isinstance(module, _CONVOLUTIONS) and module.padding_mode == "zeros" and call.inputs[0] and call.outputs[0]:
        sizes = zip(call.inputs[0].shape[2:], call.outputs[0].shape[2:], strict=True)
        taps = tuple(
            Taps(below, above, module.kernel_size[axis], module.stride[axis], _padding(module, axis),
                 module.dilation[axis])
            for axis, (below, above) in enumerate(sizes)
        )  # fmt: skip
    elif isinstance(module, _CONVOLUTIONS) and module.padding_mode != "circular":
        raise UnknownPart(f"{module.padding_mode} padding")
    gain = rms(weight) * math.sqrt(weight[0].numel())
    return Step("map", gain, rms(bias) if isinstance(bias, Tensor) else 0.0, taps=taps)


def _padding(module: nn.Conv1d | nn.Conv2d | nn.Conv3d, axis: int) -> int:
    if module.padding == "same":
        return module.dilation[axis] * (module.kernel_size[axis] - 1) // 2
    return 0 if isinstance(module.padding, str) else module.padding[axis]


def _norm(kind: str, module: nn.Module) -> Step:
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    eps = getattr(module, "eps", 0.0) or 0.0
    return Step(
        kind, rms(weight) if isinstance(weight, Tensor) else 1.0, rms(bias) if isinstance(bias, Tensor) else 0.0, eps
    )
