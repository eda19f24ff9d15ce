"""What every matrix and kernel of a model does: its fan, its scale, and what its output goes through next."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch.autograd.graph import Node

from gradlab.modules.chains.blocks import has_weight
from gradlab.modules.graph.activations import ACTIVATIONS, NORMS
from gradlab.modules.graph.capture import Call, Capture
from gradlab.modules.graph.cuts import MAPS, Graph, operation
from gradlab.modules.profile import WeightUse

__all__ = ["equal_weights", "weight_uses"]

_PASSED = frozenset({
    "View", "UnsafeView", "Reshape", "ReshapeAlias", "Transpose", "Permute", "T", "Mul", "NativeDropout", "Clone",
    "Contiguous", "Squeeze", "Unsqueeze", "Add", "Expand", "ToCopy", "MaxPool2DWithIndices", "AvgPool2D",
})  # fmt: skip
"""Operations between a map and its activation that leave it one: reshaping, dropout, the add of a bias, pooling."""
_FURTHEST = 12
_LOOKED_AT = 64
"""Values: of so many draws in bfloat16, of eight bits, some sixty differ."""


def weight_uses(capture: Capture, graph: Graph) -> tuple[WeightUse, ...]:
    """Return the modules with a matrix or a kernel in the order of their first calls, of those the loss depends on."""
    consumers: defaultdict[Node, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        for child, _ in node.next_functions:
            if child is not None:
                consumers[child].append(node)
    uses: dict[str, WeightUse] = {}
    for call in capture.calls:
        edges = [edge for edge in call.outputs if graph.depends(edge)]
        # one that is computed of others would be computed anew, and spectral norm changes its vectors at that
        weight = None if "parametrizations" in call.module._modules else getattr(call.module, "weight", None)
        if call.name in uses or not edges or not has_weight(call) or not isinstance(weight, torch.Tensor):
            continue
        if weight.ndim < 2 or not weight.numel() or "Transpose" in call.kind:  # whose fan is not that of its shape
            continue
        values = weight.detach()
        if _transposed(call, values):
            values = values.mT
        fan_in = values[0].numel()
        activation, normed, ends_branch = _what_follows(
            graph, consumers, edges[0].node if edges[0] else graph.nodes[-1]
        )
        uses[call.name] = WeightUse(
            name=call.name,
            kind=call.kind,
            fan_in=fan_in,
            fan_out=values.numel() // max(1, values.shape[1]),
            gain=float(torch.linalg.vector_norm(values.double())) / math.sqrt(values.shape[0]),
            activation=activation,
            normed=normed,
            ends_branch=ends_branch,
        )
    return tuple(uses.values())


def equal_weights(parameters: Mapping[str, torch.Tensor]) -> tuple[tuple[str, ...], ...]:
    """Return the names of different matrices and kernels with the same value in every element, group by group.

    What is not drawn does not count: zeros and ones, a unit matrix, the same numbers in every row are no copy of one
    another. A weight that several modules share is one parameter and none either.
    """
    alike: dict[tuple[object, ...], list[str]] = {}
    for name, tensor in parameters.items():
        if tensor.ndim > 1 and tensor.numel() > 1:
            first = tensor.detach().flatten()[:2].tolist()
            alike.setdefault((*tensor.shape, *first), []).append(name)
    groups: list[list[str]] = []
    for names in alike.values():
        if len(names) < 2 or not _is_drawn(tensor := parameters[names[0]].detach()):
            continue
        equal = [names[0], *(name for name in names[1:] if torch.equal(tensor, parameters[name].detach()))]
        if len(equal) > 1:
            groups.append(equal)
    return tuple(map(tuple, groups))


def _is_drawn(tensor: torch.Tensor) -> bool:
    """Return whether the values look like draws of a continuous distribution: most of them differ."""
    values = tensor.flatten()
    some = values[:: max(1, len(values) // _LOOKED_AT)]
    return 2 * len(set(some.tolist())) > len(some)


def _transposed(call: Call, weight: torch.Tensor) -> bool:
    """Return whether a matrix is stored `[in, out]`, as that of Hugging Face's Conv1D is."""
    features = next((edge.shape[-1] for edge in call.inputs if edge is not None and edge.shape), 0)
    return (weight.ndim == 2 and features == weight.shape[0] != weight.shape[1]) or call.kind == "Conv1D"


def _what_follows(graph: Graph, consumers: dict[Node, list[Node]], node: Node) -> tuple[str, bool, bool]:
    """Return the first activation after a map, whether a norm comes before it, and whether it ends a branch."""
    normed = False
    for _ in range(_FURTHEST):
        below = node
        above = [consumer for consumer in consumers.get(node, []) if graph.down[consumer]]
        active = next((operation(consumer) for consumer in above if operation(consumer) in ACTIVATIONS), "")
        if active:
            return active, normed, False
        if len(above) != 1:
            return "", normed, False
        node = above[0]
        name = operation(node)
        if name == "Add" and sum(bool(child and graph.down[child]) for child, _ in node.next_functions) > 1:
            return "", normed, not _is_projection(graph, node, below)
        if name in NORMS:
            normed = True
        elif name not in _PASSED:
            return "", normed, False
    return "", normed, False


def _is_projection(graph: Graph, add: Node, branch: Node) -> bool:
    """Return whether a branch of an add is a single map beside one with several: a skip that changes the shape."""
    children = [child for child, _ in add.next_functions if child is not None and graph.down[child]]
    maps = {child: _maps_below(graph, child) for child in children}
    return maps[branch] == 1 and max(maps.values()) > 1


def _maps_below(graph: Graph, node: Node) -> int:
    """Return the number of maps that a node depends on, above the last cut that it depends on."""
    cut = graph.cuts[graph.highest_cut[node]].node
    visited, waiting, maps = {node, cut}, [node] if node is not cut else [], 0
    while waiting:
        current = waiting.pop()
        maps += operation(current) in MAPS
        for child, _ in current.next_functions:
            if child is not None and child not in visited and graph.down.get(child):
                visited.add(child)
                waiting.append(child)
    return maps
