"""Whether a path goes past all matrices of a block."""

from __future__ import annotations

from collections.abc import Collection

from torch.autograd.graph import Node

from gradlab.modules.graph.cuts import MAPS, Edge, Graph, operation

__all__ = ["has_skip"]


def has_skip(graph: Graph, below: Edge | None, edge: Edge, inside: Collection[Node]) -> bool:
    """Return whether a path from one cut up to another, of several, goes through no product with a matrix or a kernel;
    from the source where there is none below. `inside`: the nodes between the two, and that of the upper one."""
    paths = graph.down.get(edge.node, 0)
    if paths // max(1, graph.down.get(below.node, 1) if below is not None else 1) <= 1:
        return False
    waiting, visited = [edge.node], {edge.node}
    while waiting:
        node = waiting.pop()
        if below is not None and node is below.node:
            return True
        if operation(node) in MAPS:
            continue
        children = [child for child, _ in node.next_functions if child is not None and graph.down.get(child)]
        if below is None and not children:
            return True
        for child in children:
            if child not in visited and (child in inside or (below is not None and child is below.node)):
                visited.add(child)
                waiting.append(child)
    return False
