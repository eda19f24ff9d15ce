"""What a block is made of, where it is made of maps, norms, activations and adds that theory knows."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.utils.parametrize import type_before_parametrizations

from gradlab.modules.capture import Call, Capture
from gradlab.modules.graph import Edge, Graph
from gradlab.modules.profile import Form, Step, Taps

__all__ = ["Forms"]

_PASSED = frozenset({
    "View", "UnsafeView", "Reshape", "ReshapeAlias", "Transpose", "Permute", "T", "Squeeze", "Unsqueeze", "Clone",
})  # fmt: skip
"""Operations that move numbers and change none, so that the norm of a gradient stays."""
_ACTIVATIONS: dict[str, str] = {
    "Relu": "relu", "Tanh": "tanh", "Sigmoid": "sigmoid", "Silu": "silu", "Mish": "mish", "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid", "LogSigmoid": "logsigmoid", "Erf": "erf",
}  # fmt: skip
"""Operations without parameters, by the names of their numpy twins."""
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_WORDS = {
    "Softmax": "attention", "SafeSoftmax": "attention", "NativeGroupNorm": "group norm", "Cat": "a concatenation",
    "NativeDropout": "dropout", "NativeBatchNorm": "batch norm of no module", "Mul": "a product",
    "Addmm": "a matrix of no module", "Mm": "a matrix of no module", "Bmm": "a product of two tensors",
}  # fmt: skip


class _Unknown(Exception):
    """What theory does not know, in words."""


class Forms:
    """The forms of the blocks of one forward pass."""

    def __init__(self, capture: Capture, graph: Graph) -> None:
        self._graph = graph
        self._made: dict[Edge, Call] = {}
        for call in capture.calls:
            inner = [name for name, _ in call.module.named_children() if name != "parametrizations"]
            if not inner and not call.unchanged and call.outputs and call.outputs[0]:
                self._made.setdefault(call.outputs[0], call)

    def between(self, below: Edge | None, edge: Edge) -> Form:
        """Return the form of the block between two cuts; to be called before the graph is freed."""
        if below is None:
            return Form(unknown="the first block has no factor: it ends at the data")
        try:
            after, reached = self._trace(edge, below)
            if reached == below:
                return Form((after,))
            inner = [Edge(child, output) for child, output in reached.node.next_functions
                     if child is not None and self._graph.down.get(child)]  # fmt: skip
            if len(inner) < 2:
                raise _Unknown("an added constant")
            if getattr(reached.node, "_saved_alpha", 1) != 1:
                raise _Unknown("a scaled add")
            branches = []
            for start in inner:
                steps, end = self._trace(start, below)
                if end != below:
                    raise _Unknown("several adds in one block")
                branches.append(steps)
            return Form(tuple(branches), after)
        except _Unknown as unknown:
            return Form(unknown=str(unknown))

    def _trace(self, edge: Edge, below: Edge) -> tuple[tuple[Step, ...], Edge]:
        """Return the steps on the way down to `below` or an add, the lowest first, and which of the two it is."""
        steps: list[Step] = []
        while edge != below:
            name = edge.operation
            call = self._made.get(edge)
            step = _of_module(call) if call is not None else None
            if step is not None and call is not None:
                steps.append(step)
                following = call.inputs[0] if call.inputs else None
            elif (step := _activation(edge.node, name)) is not None:
                steps.append(step)
                following = self._below(edge.node)
            elif name in _PASSED:
                following = self._below(edge.node)
            elif name == "Add":
                return tuple(reversed(steps)), edge
            else:
                raise _Unknown(_kind(call, name))
            if following is None or not self._graph.depends(following):
                raise _Unknown(_kind(call, name))
            edge = following
        return tuple(reversed(steps)), edge

    def _below(self, node: Node) -> Edge | None:
        inner = [Edge(child, output) for child, output in node.next_functions
                 if child is not None and self._graph.down.get(child)]  # fmt: skip
        return inner[0] if len(inner) == 1 else None


def _kind(call: Call | None, name: str) -> str:
    """Return in words what theory does not know."""
    if call is not None:
        return call.kind
    return "attention" if "Attention" in name else _WORDS.get(name, name)


def _of_module(call: Call) -> Step | None:
    """Return what a module does; None for one that is known by its operation. Raises _Unknown."""
    module = call.module
    kind = type_before_parametrizations(module)
    if kind is nn.Linear or kind in _CONVOLUTIONS:
        return _map(module, call)
    if kind in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        if not module.training and module.running_mean is not None:
            raise _Unknown("batch norm by running statistics")
        return _norm("batch", module)
    if isinstance(module, nn.LayerNorm) and kind is nn.LayerNorm:
        if len(module.normalized_shape) > 1:
            raise _Unknown("layer norm over positions")
        return _norm("layer", module)
    if kind is nn.RMSNorm:
        return _norm("rms", module)
    if isinstance(module, nn.GroupNorm):
        raise _Unknown("group norm")
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
        raise _Unknown(f"{module.padding_mode} padding")
    gain = _rms(weight) * math.sqrt(weight[0].numel())
    return Step("map", gain, _rms(bias) if isinstance(bias, Tensor) else 0.0, taps=taps)


def _padding(module: nn.Conv1d | nn.Conv2d | nn.Conv3d, axis: int) -> int:
    if module.padding == "same":
        return module.dilation[axis] * (module.kernel_size[axis] - 1) // 2
    return 0 if isinstance(module.padding, str) else module.padding[axis]


def _norm(kind: str, module: nn.Module) -> Step:
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    eps = getattr(module, "eps", 0.0) or 0.0
    return Step(
        kind, _rms(weight) if isinstance(weight, Tensor) else 1.0, _rms(bias) if isinstance(bias, Tensor) else 0.0, eps
    )


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
    return None


def _rms(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values.detach().double())) / math.sqrt(max(1, values.numel()))
