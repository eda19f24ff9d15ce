"""Weights of zero that no gradient gets past: a matrix or kernel, the scale of a norm, a number that multiplies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor
from torch.autograd.graph import Node

from gradlab.modules.graph.activations import NORMS
from gradlab.modules.graph.cuts import Edge, Graph, edge_of, operation

__all__ = ["masking"]

_RESHAPED = frozenset({
    "View", "UnsafeView", "Reshape", "ReshapeAlias", "Unsqueeze", "Squeeze", "Expand", "Repeat", "Alias", "ToCopy",
    "Clone", "T", "Transpose", "Permute",
})  # fmt: skip
"""Operations between a weight and its use that leave it what it is."""


def masking(graph: Graph, parameters: Mapping[str, Tensor], below: Edge, above: Edge | None) -> tuple[str, ...]:
    """Return the names of parameters that are zero in every element, if every path from one tensor down to another is
    multiplied by one of them; none where a path goes past them all, as a skip does.

    `below` and `above` are tensors of the graph, of which nothing need be kept; `above` None stands for the loss.
    """
    zero = {
        edge.node: name
        for name, parameter in parameters.items()
        if parameter.numel() and (edge := edge_of(parameter)) is not None and edge.node in graph.order
        and not parameter.any()
    }  # fmt: skip
    if not zero:
        return ()
    names: dict[str, int] = {}
    waiting = [above.node if above is not None else graph.nodes[-1]]
    visited = set(waiting)
    while waiting:
        node = waiting.pop()
        if node is below.node:
            return ()
        factors = [leaf for factor in _factors(node) if (leaf := _leaf(factor)) in zero]
        if factors:
            names[zero[factors[0]]] = graph.order[node]
            continue
        for child, _ in node.next_functions:
            if child is not None and child not in visited and graph.down.get(child):
                visited.add(child)
                waiting.append(child)
    return tuple(sorted(names, key=lambda name: names[name]))


def _factors(node: Node) -> Iterator[Node]:
    """Yield what an operation multiplies by, of those that have a gradient: not the bias that it adds."""
    name, children = operation(node), [child for child, _ in node.next_functions]
    if name in NORMS or "Conv" in name or name == "Linear":
        children = children[1:2]
    elif name.startswith("Add") and name != "Add":  # a bias and a product: Addmm, Addcmul
        children = children[1:]
    elif name not in ("Mul", "Mm", "Bmm", "Mv", "Dot"):
        return
    yield from (factor for factor in children if factor is not None)


def _leaf(node: Node) -> Node:
    while operation(node) in _RESHAPED and node.next_functions and node.next_functions[0][0] is not None:
        node = node.next_functions[0][0]
    return node
