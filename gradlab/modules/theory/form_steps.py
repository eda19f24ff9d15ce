"""The parts of a block that theory knows, read off modules and operations one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.utils.parametrize import type_before_parametrizations

from gradlab.modules.chains.blocks import REPLAYED
from gradlab.modules.graph.capture import Call
from gradlab.modules.graph.cuts import Edge, Graph, operation
from gradlab.modules.parts import Step
from gradlab.modules.theory.module_steps import UnknownPart, of_module, rms
from gradlab.modules.theory.operation_steps import of_operation

__all__ = ["PASSED", "Reader"]

PASSED = frozenset({
    "View", "UnsafeView", "Reshape", "ReshapeAlias", "Transpose", "Permute", "T", "Squeeze", "Unsqueeze", "Clone",
    "ToCopy",
})  # fmt: skip
"""Operations that move numbers and change none, so that the norm of a gradient stays."""
_TAKEN = frozenset({"View", "Select", "Slice", "Split", "SplitWithSizes", "Unbind"})
_WORDS = {
    "Softmax": "attention", "SafeSoftmax": "attention", "Cat": "a concatenation", "NativeBatchNorm":
    "batch norm of no module", "Mul": "a product", "Div": "a quotient", "Addmm": "a product of two tensors",
    "Mm": "a product of two tensors", "Bmm": "a product of two tensors", "Mean": "a mean", "Sum": "a sum over an axis",
    "Sub": "a difference", "Stack": "a stack of tensors", "Select": "a part of a tensor", "Slice": "a part of a tensor",
    "ScatterAdd": "a sum at indices", "IndexAdd": "a sum at indices",
    "AccumulateGrad": "a path that does not come from the block below",
    # after a ReLU they are positive more often than not: the slopes that a gradient meets are not those of the average
    "MaxPool2d": "max pooling, whose gradient goes where the values are largest",
}  # fmt: skip


class Reader:
    """Reads the parts of one forward pass; to be used before its graph is freed."""

    def __init__(self, graph: Graph, producers: Mapping[Edge, Call]) -> None:
        """`producers`: by tensor, the innermost module that handed it out."""
        self._graph, self._producers = graph, producers

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
        call, name = self._producers.get(edge), edge.operation
        if call is not None:
            replayed = getattr(call.module, REPLAYED, None)
            if replayed is not None:
                return UnknownPart(f"a time step of {type(replayed[0]).__name__}")
            return UnknownPart(_WORDS.get(call.kind, call.kind))
        return UnknownPart("attention" if "Attention" in name else _WORDS.get(name, name))

    def step(self, edge: Edge) -> tuple[Step | None, Edge]:
        """Return what made a tensor, None where it only moved numbers, and what that was made of.

        Raises:
            UnknownPart: theory does not know it.
        """
        call, name = self._producers.get(edge), edge.operation
        step = of_module(call) if call is not None else None
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
        step = of_operation(edge, self.below(edge))
        if step is None:
            raise self.unknown(edge)
        return step, self.below(edge)

    def matrix(self, edge: Edge) -> tuple[Tensor, Tensor, Edge]:
        """Return `[out, in]`, the bias `[out]` or `[0]`, and the input of what made a tensor by one matrix.

        Raises:
            UnknownPart: it was made otherwise.
        """
        call, node, name = self._producers.get(edge), edge.node, edge.operation
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
        constants = [
            child for child, _ in edge.node.next_functions if child is not None and not self._graph.down.get(child)
        ]
        added = _leaf(constants[0]) if len(constants) == 1 else None
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


def _leaf(node: Node | None) -> Tensor | None:
    """Return the parameter, or other leaf, that a node accumulates the gradient of, or a part of it that it took."""
    while node is not None and operation(node) in _TAKEN:
        node = node.next_functions[0][0]
    variable = getattr(node, "variable", None)
    return variable.detach() if isinstance(variable, Tensor) else None
