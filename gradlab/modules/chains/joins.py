"""Blocks that end where paths join: residual adds and concatenations, which no module may hand out; and all cuts."""

from __future__ import annotations

from torch.autograd.graph import Node

from gradlab.modules.chains.blocks import Block, Chain, block_of, has_weight, output_place, reached_place
from gradlab.modules.graph.capture import Call, Capture
from gradlab.modules.graph.cuts import Edge, Graph

__all__ = ["every_cut", "joins"]


def joins(capture: Capture, graph: Graph, fewest: int) -> Chain | None:
    inside = _inside_leaves(capture, graph)
    last = _last_with_weight(capture, graph)
    places = [
        _visible(capture, graph, place)
        for place in graph.joins
        if place <= last and graph.cuts[place].shape and graph.cuts[place].node not in inside
    ]
    if len(places) < fewest:
        return None
    names = _Names(capture, graph)
    return Chain(tuple(names.block(place) for place in places), "the joins of several paths", graph)


def _last_with_weight(capture: Capture, graph: Graph) -> int:
    """Return the place of the last cut that ends a block: what joins above the last matrix is of the loss."""
    calls = [call for call in capture.calls if has_weight(call) and any(map(graph.depends, call.outputs))]
    if not calls:
        return len(graph.cuts)
    reached = max(reached_place(graph, call) for call in calls)
    inside = all(output_place(graph, call) is None for call in calls if reached_place(graph, call) == reached)
    return min((place for place in graph.joins if place > reached), default=reached) if inside else reached


def _visible(capture: Capture, graph: Graph, place: int) -> int:
    """Return the place of the tensor that a join is seen by: of a write in place to a view not the base but the view,
    which is the next cut."""
    if graph.cuts[place] in capture.values or place + 1 == len(graph.cuts):
        return place
    below = [child for child, _ in graph.cuts[place + 1].node.next_functions]
    return place + 1 if below == [graph.cuts[place].node] and graph.cuts[place + 1] in capture.values else place


def _inside_leaves(capture: Capture, graph: Graph) -> set[Node]:
    """Return the nodes between what a module without children takes and makes: circular padding joins paths there."""
    inside: set[Node] = set()
    for call in capture.calls:
        if next(call.module.children(), None) is not None or call.unchanged:
            continue
        ends = {edge.node for edge in (*call.inputs, *call.outputs) if edge is not None}
        waiting = [edge.node for edge in call.outputs if edge is not None and graph.depends(edge)]
        while waiting:
            for child, _ in waiting.pop().next_functions:
                if child is not None and child not in ends and child not in inside and graph.down.get(child):
                    inside.add(child)
                    waiting.append(child)
    return inside


def _owners(capture: Capture) -> dict[Edge, Call]:
    """Return for each tensor the innermost call that made it and handed it out."""
    owners: dict[Edge, Call] = {}
    for call in sorted(capture.calls, key=lambda call: call.ended):
        for output in call.outputs if not call.unchanged else ():
            if output is not None and output not in call.inputs:
                owners.setdefault(output, call)
    return owners


class _Names:
    """Names the tensors that no module hands out."""

    def __init__(self, capture: Capture, graph: Graph) -> None:
        self._capture, self._graph, self._owners = capture, graph, _owners(capture)
        self._ranges: list[tuple[int, int, Call]] = []
        """Of each call the places of the cuts that it takes and reaches."""
        for call in capture.calls:
            taken = [place for edge in call.inputs if (place := graph.place(edge)) is not None]
            if taken:
                self._ranges.append((min(taken), reached_place(graph, call), call))

    def __contains__(self, edge: Edge) -> bool:
        return edge in self._owners or edge in self._capture.values

    def block(self, place: int) -> Block:
        """Return the block of a cut: named by the module that handed it out, else by the last module before it or, if
        that began later, the innermost one that it was made in."""
        edge = self._graph.cuts[place]
        if edge in self._owners:
            return block_of(self._owners[edge], edge)
        around = [call for taken, reached, call in self._ranges if taken < place <= reached]
        innermost = max(around, key=lambda call: call.begun, default=None)
        last = self._capture.last_call.get(edge)
        nearest = innermost if last is None or (innermost and innermost.begun > last.ended) else last
        kind = edge.operation
        if nearest is None:
            return Block(kind, kind, 1, edge)
        return Block(f"{nearest.name or nearest.kind}+", kind, nearest.number, edge)


def every_cut(capture: Capture, graph: Graph) -> Chain:
    names = _Names(capture, graph)
    places = [place for place, cut in enumerate(graph.cuts) if cut in names and not cut.is_leaf]
    return Chain(tuple(names.block(place) for place in places), "every cut of the graph", graph)
