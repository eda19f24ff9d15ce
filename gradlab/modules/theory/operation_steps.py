"""The part of a block that an operation is, whatever module or function it came from."""

from __future__ import annotations

import math

from torch import Tensor
from torch.autograd.graph import Node

from gradlab.modules.graph.cuts import Edge
from gradlab.modules.parts import Step, Taps
from gradlab.modules.theory.module_steps import UnknownPart, rms

__all__ = ["of_operation"]

_ACTIVATIONS: dict[str, str] = {
    "Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Silu": "silu", "Mish": "mish", "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid", "LogSigmoid": "logsigmoid", "Erf": "erf",
}  # fmt: skip
"""Operations without parameters, by the names of their numpy twins."""


def of_operation(edge: Edge, below: Edge) -> Step | None:
    """Return the activation, norm, dropout or pooling that made a tensor of the one below; None for what is none.

    Raises:
        UnknownPart: it is one that theory does not know.
    """
    node, name = edge.node, edge.operation
    return _activation(node, name) or _norm_of_no_module(node, name) or _pool(edge, below)


def _norm_of_no_module(node: Node, name: str) -> Step | None:
    """Return a layer or group norm that was called as a function; its ε is what it added to the variance."""

    def saved(parameter: str) -> Tensor | None:
        value = getattr(node, f"_saved_{parameter}", None)
        return value.detach() if isinstance(value, Tensor) else None

    weight, bias = saved("weight"), saved("bias")
    gain, shift = 1.0 if weight is None else rms(weight), 0.0 if bias is None else rms(bias)
    inverse = saved("result2")
    if inverse is None:
        return None
    if name == "NativeGroupNorm":
        numbers = math.prod(node._input_metadata[0].shape) / inverse.numel()
        share = 1 - 2 / numbers  # the gradient loses its mean over a group and what is along the values
        return Step("group", gain, shift, variance=1 / (float(inverse.double().square().mean()) * share))
    value = saved("input")
    if name != "NativeLayerNorm" or value is None or len(node._saved_normalized_shape) > 1:  # type: ignore[attr-defined]
        return None
    added = inverse.double().flatten() ** -2 - value.double().var(-1, correction=0).flatten()
    return Step("layer", gain, shift, max(0.0, float(added.median())))


def _pool(edge: Edge, below: Edge) -> Step | None:
    """Return an average pooling without overlaps and padding: the mean of k numbers passes on 1/k of the square."""
    node = edge.node
    if edge.operation != "AvgPool2D":
        return None
    kernel, stride, padding = (tuple(getattr(node, f"_saved_{name}")) for name in ("kernel_size", "stride", "padding"))
    if (stride and stride != kernel) or any(padding) or getattr(node, "_saved_ceil_mode", False):
        raise UnknownPart("pooling with overlaps or padding")
    taps = tuple(
        Taps(inside, outside, size, size, 0, 1)
        for inside, outside, size in zip(below.shape[2:], edge.shape[2:], kernel, strict=True)
    )
    return Step("pool", math.prod(kernel) ** -0.5, taps=taps)


def _activation(node: Node, name: str) -> Step | None:
    """Return the activation that an operation is, by the name and the parameters of its numpy twin."""

    def saved(*names: str) -> tuple[float, ...]:
        return tuple(float(getattr(node, f"_saved_{parameter}")) for parameter in names)

    if name in _ACTIVATIONS:
        return Step("activation", activation=_ACTIVATIONS[name])
    if name == "Gelu":
        tanh = getattr(node, "_saved_approximate", "none") == "tanh"
        return Step("activation", activation="gelu_tanh" if tanh else "gelu")
    if name == "LeakyRelu":
        return Step("activation", activation="leaky_relu", parameters=saved("negative_slope"))
    if name == "Hardtanh":
        return Step("activation", activation="hardtanh", parameters=saved("min_val", "max_val"))
    if name == "Celu":
        return Step("activation", activation="celu", parameters=saved("alpha"))
    if name == "Softplus":
        return Step("activation", activation="softplus", parameters=saved("beta"))
    if name == "Elu":
        alpha, scale, inner = saved("alpha", "scale", "input_scale")
        if scale == inner == 1:
            return Step("activation", activation="elu", parameters=(alpha,))
        if inner == 1 and abs(scale - 1.0507009873554805) < 1e-9 and abs(alpha - 1.6732632423543772) < 1e-9:
            return Step("activation", activation="selu")
    if name == "NativeDropout":
        return Step("dropout", keep=1 - float(node._saved_p))  # type: ignore[attr-defined]
    return None
