"""What a chain cannot show of a model: what goes past it, and what runs inside a block without a graph or a module."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from torch import nn
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from gradlab.modules.causes.record import listed
from gradlab.modules.chains.blocks import FEWEST, MANY, has_weight
from gradlab.modules.graph.capture import Call, Capture
from gradlab.modules.graph.cuts import Edge, Graph, edge_of

__all__ = ["norms_of_one_value", "past_the_input", "unseen"]

_MOST = 0.8
"""Of the maps, that a chain which does not begin at the input must hold."""


def past_the_input(capture: Capture, graph: Graph) -> Call | None:
    """Return the first map of a model whose input also goes past all others, if its output begins a chain; else None.

    A normalisation that is undone at the output, a skip from the input to the output, or an input that is concatenated
    again further up leave no cut between input and loss, though the maps stand in a chain. Of a cell that is called at
    every step the data enter at every step.
    """
    maps = [call for call in capture.calls if has_weight(call) and any(map(graph.depends, call.outputs))]
    if len(maps) <= FEWEST or any(call.number >= FEWEST for call in maps):
        return None
    first_map = maps[0]
    ends = [edge for edge in first_map.outputs if edge is not None and graph.depends(edge)]
    if any(graph.place(edge) is not None for edge in ends):
        return None
    from_first_map = graph.beginning_at(ends)
    remaining = [call for call in maps if any(map(from_first_map.depends, call.outputs))]
    places = _places(remaining, from_first_map)
    if len(places) - len(_places(maps, graph)) < FEWEST or len(remaining) < _MOST * len(maps):
        return None
    # where most maps lie between two cuts, as those of all stacks but the first of N-BEATS, it is no chain either
    return first_map if max(places.values()) <= len(remaining) / 2 else None


def _places(maps: Sequence[Call], graph: Graph) -> Counter[int]:
    """Return how many maps end in, or come next after, each cut."""
    ends = (max(graph.highest_cut.get(edge.node, -1) for edge in call.outputs if edge is not None) for call in maps)
    return Counter(ends)


def unseen(model: nn.Module, capture: Capture, graph: Graph | None, blocks: Sequence[Edge]) -> tuple[str, ...]:
    """Return what the blocks do not show, one note each; `blocks`: their tensors."""
    if graph is None:
        return ()
    return (*_functions(capture, graph), *_fused(capture, graph), *_repeated(model, graph, blocks))


def norms_of_one_value(capture: Capture) -> tuple[str, ...]:
    """Return the norms that subtract from each value its own mean: what they hand out is a constant."""
    names: dict[str, None] = {}
    for call in capture.calls:
        module, edge = call.module, call.outputs[0] if call.outputs else None
        if isinstance(module, nn.LayerNorm):
            alone = math.prod(module.normalized_shape) == 1
        elif isinstance(module, nn.GroupNorm) and edge is not None:
            alone = math.prod(edge.shape) == edge.shape[0] * module.num_groups
        else:
            continue
        if alone:
            names[call.name] = None
    return tuple(names)


def _functions(capture: Capture, graph: Graph) -> Iterator[str]:
    """Yield the functions with a gradient of their own that modules with weights run inside of."""
    names = dict.fromkeys(type(node).__name__ for node in graph.nodes if isinstance(node, BackwardCFunction))
    hidden: dict[str, None] = {}
    for call in capture.calls if names else ():
        if has_weight(call) and _outside(call, graph):
            while call.parent is not None and _outside(call.parent, graph):
                call = call.parent
            hidden[call.name] = None
    if hidden:
        functions = listed([name.removesuffix("Backward") for name in names])
        yield (
            f"{listed([*hidden])} may run inside {functions}, a torch.autograd.Function with a backward of its own: "
            "there is no graph inside it, and no block is seen there"
        )


def _outside(call: Call, graph: Graph) -> bool:
    return bool(call.outputs) and not any(edge and edge.node in graph.order for edge in call.outputs)


def _fused(capture: Capture, graph: Graph) -> Iterator[str]:
    for module in dict.fromkeys(call.module for call in capture.calls if any(map(graph.depends, call.outputs))):
        if isinstance(module, nn.RNN | nn.LSTM | nn.GRU) and (module.bidirectional or module.proj_size):
            name = next(call.name for call in capture.calls if call.module is module) or type(module).__name__
            why = "it runs in both directions" if module.bidirectional else "its state is projected"
            yield f"no profile over the time steps of {name}: {why}"


def _repeated(model: nn.Module, graph: Graph, blocks: Sequence[Edge]) -> Iterator[str]:
    """Yield the weight that is used most often inside one block, each time on what came of it before."""
    if len(blocks) >= MANY:
        return
    fused = {weight for module in model.modules() if isinstance(module, nn.RNNBase) for weight in module.parameters()}
    segment_of = graph.segments(blocks)
    users: dict[Node, list[Node]] = {}
    for node in graph.nodes:
        if graph.depends(Edge(node, 0)):
            for child in _leaves(graph, node):
                users.setdefault(child, []).append(node)
    longest, repeated = 0, ""
    for name, parameter in model.named_parameters():
        edge = edge_of(parameter) if parameter.ndim > 1 and parameter not in fused else None
        nodes = users.get(edge.node, []) if edge is not None else []
        if len(nodes) < FEWEST:
            continue
        by_segment: dict[int, set[Node]] = {}
        for node in nodes:
            by_segment.setdefault(segment_of.get(node, -1), set()).add(node)
        for inside in by_segment.values():
            if len(inside) > max(longest, FEWEST - 1) and (length := _in_a_row(graph, inside)) > max(longest, 2):
                longest, repeated = length, name
    if repeated:
        yield (
            f"{repeated} is used {longest} times in a row inside one block: with a step in a module of its own, called "
            "with what it returned, the profile has a block for each"
        )


def _leaves(graph: Graph, node: Node) -> Iterator[Node]:
    """Yield the nodes of leaves that an operation takes, also transposed."""
    for child, _ in node.next_functions:
        if child is not None and not child.next_functions:
            yield child
        elif child is not None and len(child.next_functions) == 1 and not graph.depends(Edge(child, 0)):
            inner = child.next_functions[0][0]
            if inner is not None and not inner.next_functions:
                yield inner


def _in_a_row(graph: Graph, nodes: set[Node]) -> int:
    """Return the length of the longest chain of some nodes in which each depends on the one before."""
    lengths: dict[Node, int] = {}
    for node in graph.nodes:
        below = max((lengths.get(child, 0) for child, _ in node.next_functions if child is not None), default=0)
        if length := below + (node in nodes):
            lengths[node] = length
    return max(lengths.values(), default=0)
