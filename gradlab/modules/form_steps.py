"""The parts of a block that theory knows, read off modules and operations one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.utils.parametrize import type_before_parametrizations

from gradlab.modules.capture import Call
from gradlab.modules.graph import Edge, Graph, operation
from gradlab.modules.profile import Step, Taps

__all__ = ["PASSED", "Reader", "UnknownPart", "rms"]

PASSED = frozenset({
    "View", "UnsafeView", "Reshape", "ReshapeAlias", "Transpose", "Permute", "T", "Squeeze", "Unsqueeze", "Clone",
    "ToCopy",
})  # fmt: skip
"""Operations that move numbers and change none, so that the norm of a gradient stays."""
_TAKEN = frozenset({"View", "Select", "Slice", "Split", "SplitWithSizes", "Unbind"})
_ACTIVATIONS: dict[str, str] = {
    "Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Silu": "silu", "Mish": "mish", "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid", "LogSigmoid": "logsigmoid", "Erf": "erf",
}  # fmt: skip
"""Operations without parameters, by the names of their numpy twins."""
_WRITTEN_OUT = {"NewGELUActivation": "gelu_tanh", "FastGELUActivation": "gelu_tanh", "ReluSquared": "relu_squared"}
"""Modules of other packages that are an activation in several operations."""
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_WORDS = {
    "Softmax": "attention", "SafeSoftmax": "attention", "Cat": "a concatenation", "NativeBatchNorm":
    "batch norm of no module", "Mul": "a product", "Div": "a quotient", "Addmm": "a product of two tensors",
    "Mm": "a product of two tensors", "Bmm": "a product of two tensors", "Mean": "a mean",
    # after a ReLU they are positive more often than not: the slopes that a gradient meets are not those of the average
    "MaxPool2d": "max pooling, whose gradient goes where the values are largest",
}  # fmt: skip


class UnknownPart(Exception):
    """What theory does not know, in words."""


class Reader:
    """Reads the parts of one forward pass; to be used before its graph is freed."""

    def __init__(self, graph: Graph, made: Mapping[Edge, Call]) -> None:
        """`made`: by tensor, the innermost module that handed it out."""
        self._graph, self._made = graph, made

    def inputs(self, node: Node) -> list[tuple[int, Edge]]:
        """Return the tensors that an operation took and that depend on the source, with their places."""
        return [(place, Edge(child, output)) for place, (child, output) in enumerate(node.next_functions)
                if child is not None and self._graph.down.get(child)]  # fmt: skip

    def below(self, edge: Edge) -> Edge:
        """Return the tensor that an operation took. Raises UnknownPart for several."""
        inputs = self.inputs(edge.node)
        if len(inputs) != 1:
            raise self.unknown(edge)
        return inputs[0][1]

    def only_moves(self, edge: Edge) -> bool:
        """Return whether an operation changes no number: a view, an expansion or a concatenation of one tensor."""
        if edge.operation in ("Expand", "Cat"):
            inputs = self.inputs(edge.node)
            return len(inputs) == 1 and math.prod(inputs[0][1].shape) == math.prod(edge.shape)
        return edge.operation in PASSED

    def unknown(self, edge: Edge) -> UnknownPart:
        """Return what an edge is, in words, as an exception."""
        call, name = self._made.get(edge), edge.operation
        if call is not None:
            return UnknownPart(_WORDS.get(call.kind, call.kind))
        return UnknownPart("attention" if "Attention" in name else _WORDS.get(name, name))

    def step(self, edge: Edge) -> tuple[Step | None, Edge]:
        """Return what made a tensor, None where it only moved numbers, and what that was made of.

        Raises:
            UnknownPart: theory does not know it.
        """
        call, node, name = self._made.get(edge), edge.node, edge.operation
        step = _of_module(call) if call is not None else None
        if step is not None and call is not None:
            following = call.inputs[0] if call.inputs else None
            if following is None or not self._graph.depends(following):
                raise self.unknown(edge)
            return step, following
        if self.only_moves(edge):
            return None, self.below(edge)
        if name in ("Addmm", "Mm"):
            weight, bias, following = self.matrix(edge)
            return Step("map", rms(weight) * math.sqrt(weight.shape[1]), rms(bias)), following
        if name in ("Mul", "Div"):
            return self._product(edge), self.below(edge)
        if name == "Add":
            return Step("shift", bias=rms(self._added(edge))), self.below(edge)
        step = _activation(node, name) or _norm_of_no_module(node, name) or _pool(edge, self.below(edge))
        if step is None:
            raise self.unknown(edge)
        return step, self.below(edge)

    def matrix(self, edge: Edge) -> tuple[Tensor, Tensor, Edge]:
        """Return `[out, in]`, the bias `[out]` or `[0]`, and the input of what made a tensor by one matrix.

        Raises:
            UnknownPart: it was made otherwise.
        """
        call, node, name = self._made.get(edge), edge.node, edge.operation
        if call is not None and type_before_parametrizations(call.module) is nn.Linear:
            weight, added = call.module.weight, call.module.bias
            assert isinstance(weight, Tensor)
            following = call.inputs[0]
            if following is None or not self._graph.depends(following):
                raise self.unknown(edge)
            return weight.detach(), added.detach() if isinstance(added, Tensor) else weight.new_zeros(0), following
        if name in ("Addmm", "Mm"):
            inputs = self.inputs(node)
            if len(inputs) != 1 or inputs[0][0] != (1 if name == "Addmm" else 0):
                raise self.unknown(edge)
            weight = node._saved_mat2.detach().mT  # type: ignore[attr-defined]
            bias = _leaf(node.next_functions[0][0]) if name == "Addmm" else None
            return weight, bias if bias is not None else weight.new_zeros(0), inputs[0][1]
        raise self.unknown(edge)

    def vector(self, edge: Edge) -> Tensor:
        """Return what an add adds to every position, or what that is a part of. Raises UnknownPart for no vector."""
        added = self._added(edge)
        if added.ndim != 1:
            raise UnknownPart("an added constant")
        return added

    def number(self, edge: Edge) -> float:
        """Return the one number that a product multiplies by. Raises UnknownPart where there are more."""
        factor = self._factor(edge)
        if factor.numel() != 1:
            raise self.unknown(edge)
        return float(factor)

    def _added(self, edge: Edge) -> Tensor:
        self.below(edge)
        others = [
            child for child, _ in edge.node.next_functions if child is not None and not self._graph.down.get(child)
        ]
        added = _leaf(others[0]) if len(others) == 1 else None
        if added is None or getattr(edge.node, "_saved_alpha", 1) != 1:
            raise UnknownPart("an added constant")
        return added

    def _factor(self, edge: Edge) -> Tensor:
        inputs = self.inputs(edge.node)
        if len(inputs) != 1:
            raise self.unknown(edge)
        place = inputs[0][0]
        if edge.operation == "Div" and place != 0:
            raise self.unknown(edge)
        saved = getattr(edge.node, "_saved_self" if place else "_saved_other", None)
        if not isinstance(saved, Tensor | float | int):
            raise self.unknown(edge)
        factor = torch.as_tensor(saved).detach().to(torch.float64)
        return 1 / factor if edge.operation == "Div" else factor

    def _product(self, edge: Edge) -> Step:
        factor = self._factor(edge)
        if math.prod(self.below(edge).shape) != math.prod(edge.shape):
            raise self.unknown(edge)
        largest = float(factor.max())
        if (
            factor.numel() == math.prod(edge.shape)
            and largest > 1
            and bool(((factor == 0) | (factor == largest)).all())
        ):
            return Step("dropout", keep=1 / largest)
        return Step("scale", rms(factor), parameters=(float(factor.mean()),))


def rms(values: Tensor) -> float:
    """Return the root of the mean square; 0 of nothing."""
    return float(torch.linalg.vector_norm(values.detach().double())) / math.sqrt(max(1, values.numel()))


def _leaf(node: Node | None) -> Tensor | None:
    """Return the parameter, or other leaf, that a node accumulates the gradient of, or a part of it that it took."""
    while node is not None and operation(node) in _TAKEN:
        node = node.next_functions[0][0]
    variable = getattr(node, "variable", None)
    return variable.detach() if isinstance(variable, Tensor) else None


def _of_module(call: Call) -> Step | None:
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
        kept = 1 - 2 / numbers  # the gradient loses its mean over a group and what is along the values
        return Step("group", gain, shift, variance=1 / (float(inverse.double().square().mean()) * kept))
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
