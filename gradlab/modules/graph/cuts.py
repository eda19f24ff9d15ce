"""The autograd graph of a forward pass and its cuts: tensors through which every path to the loss runs.

With down(v) the number of paths from a node v to the source and up(v) the number of paths from the loss to v, a tensor
is a cut exactly where down(v) * up(v) = down(loss). Only at a cut is all of the gradient in one tensor. The numbers are
Python's integers, exact at any size; the count is linear in the edges of the graph.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import Node

__all__ = ["MAPS", "Edge", "Graph", "edge_of", "operation", "walk"]


MAPS = frozenset({"Addmm", "Mm", "Bmm", "Baddbmm", "Convolution"})
"""Operations that are products with a matrix or a kernel."""
_LOOK_UPS = {"Embedding", "EmbeddingBag", "IndexSelect", "Index"}


class Edge(NamedTuple):
    """A tensor of the graph: the node that made it, and which of the node's outputs it is."""

    node: Node
    output: int

    @property
    def operation(self) -> str:
        """The name of what made the tensor: ``Add`` of ``AddBackward0``."""
        return operation(self.node)

    @property
    def is_leaf(self) -> bool:
        """Whether it is a parameter or an input, which nothing made."""
        return not self.node.next_functions

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.node._input_metadata[self.output].shape)

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.node._input_metadata[self.output].dtype
        return dtype


def operation(node: Node) -> str:
    """Return the name of a node's operation: ``Add`` of ``AddBackward0``."""
    return node.name().rpartition("::")[2].rstrip("0123456789").removesuffix("Backward")


def edge_of(tensor: Tensor) -> Edge | None:
    """Return where a tensor stands in the graph: for a leaf the node that accumulates its gradient; None outside."""
    if not tensor.requires_grad:
        return None
    node = tensor.grad_fn
    if node is not None:
        return Edge(node, tensor.output_nr)
    with torch.inference_mode(False), torch.enable_grad():  # a leaf may be asked for its node where no graph is made
        view = tensor.view_as(tensor).grad_fn
    below, output = view.next_functions[0] if view is not None else (None, 0)
    # a view that ``no_grad`` took of a leaf says that it requires a gradient, and has no node: none goes through it
    return Edge(below, output) if below is not None else None


def walk(root: Node) -> list[Node]:
    """Return all nodes below `root`, each after everything that it depends on; `root` is the last."""
    order: list[Node] = []
    visited = {root}
    stack: list[tuple[Node, Iterator[tuple[Node | None, int]]]] = [(root, iter(root.next_functions))]
    while stack:
        node, children = stack[-1]
        for child, _ in children:
            if child is not None and child not in visited:
                visited.add(child)
                stack.append((child, iter(child.next_functions)))
                break
        else:
            order.append(node)
            stack.pop()
    return order


class Graph:
    """What lies between a loss and the source of its inputs."""

    def __init__(
        self, loss: Tensor, nodes: Sequence[Node], sources: Collection[Edge], other_sources: Collection[Edge] = ()
    ) -> None:
        """`nodes` are those below the loss, see `walk`; `sources` the tensors that the data enters by,
        `other_sources` those by which other inputs enter."""
        top = edge_of(loss)
        assert top is not None
        self.along: int | None = None
        """Number of the parameters that blocks could hold, once it was counted."""
        self._leaves: dict[Tensor, Edge | None] = {}
        self.loss, self.nodes, self._other_sources = loss, nodes, other_sources
        """Every node that the loss depends on, sources first."""
        self.order = {node: place for place, node in enumerate(self.nodes)}
        ends = {source.node for source in sources}
        self.down: dict[Node, int] = {}
        """Paths from a node to the source."""
        up: defaultdict[Node, dict[int, int]] = defaultdict(dict)
        for node in self.nodes:
            inner = sum(self.down[child] for child, _ in node.next_functions if child is not None)
            self.down[node] = 1 if node in ends else inner
        up[top.node][top.output] = 1
        for node in reversed(self.nodes):
            paths = sum(up[node].values())
            for child, output in node.next_functions if node not in ends else ():
                if child is not None and self.down[child]:
                    up[child][output] = up[child].get(output, 0) + paths
        total = self.down[top.node]
        self.cuts: list[Edge] = [
            Edge(node, output)
            for node in self.nodes
            if self.down[node]
            for output, paths in up[node].items()
            if self.down[node] * paths == total
        ]
        """All cuts from the source to the loss, both included where they are cuts."""
        self._cut_at = {cut: place for place, cut in enumerate(self.cuts)}
        self.highest_cut: dict[Node, int] = {}
        """Of each node the place of the last cut that it is or depends on; -1 where there is none."""
        for node in self.nodes:
            cut_here = max((self._cut_at.get(Edge(node, output), -1) for output in up[node]), default=-1)
            below = [self.highest_cut[child] for child, _ in node.next_functions if child is not None]
            self.highest_cut[node] = max([cut_here, *below])

    @cached_property
    def beside(self) -> frozenset[Node]:
        """The nodes that depend on another input by a path without a cut: in a decoder all that comes after the
        cross-attention, in a block with a condition what the branch makes of it, up to the add that is a cut again."""
        cuts = {cut.node for cut in self.cuts}
        reached = {edge.node for edge in self._other_sources}
        for node in self.nodes:
            if node not in cuts and any(child in reached for child, _ in node.next_functions):
                reached.add(node)
        return frozenset(reached & self.order.keys())

    def uses(self, parameter: Tensor, *, beside: bool = False) -> bool:
        """Return whether the loss depends on a parameter; unless `beside` not only by what depends on another input."""
        edge = self._leaf(parameter)
        return edge is not None and edge.node in self.order and (beside or edge.node not in self._only_beside)

    def _leaf(self, parameter: Tensor) -> Edge | None:
        """Return where a parameter stands, asked for once: torch makes a view of it for that."""
        if parameter not in self._leaves:
            self._leaves[parameter] = edge_of(parameter)
        return self._leaves[parameter]

    @cached_property
    def _only_beside(self) -> frozenset[Node]:
        if not self.beside:
            return frozenset()
        needed: set[Node] = set()
        for node in reversed(self.nodes):
            if node in self.beside:
                continue
            if node in needed or self.down[node]:
                needed |= {node, *(child for child, _ in node.next_functions if child is not None)}
        return frozenset(node for node in self.nodes if node not in needed)

    def is_table(self, parameter: Tensor) -> bool:
        """Return whether a parameter is looked up by indices, and used by nothing else: an embedding of any class."""
        edge = self._leaf(parameter)
        return edge is not None and edge.node in self._tables

    @cached_property
    def _tables(self) -> frozenset[Node]:
        users: defaultdict[Node, set[str]] = defaultdict(set)
        for node in self.nodes:
            for child, _ in node.next_functions:
                if child is not None and not child.next_functions:
                    users[child].add(operation(node))
        return frozenset(node for node, operations in users.items() if operations <= _LOOK_UPS)

    def beginning_at(self, sources: Collection[Edge]) -> Graph:
        """Return the same graph with other sources."""
        return Graph(self.loss, self.nodes, sources, self._other_sources)

    @property
    def connected(self) -> bool:
        """Whether there is a path from the loss to a source."""
        return bool(self.cuts)

    def depends(self, edge: Edge | None) -> bool:
        """Return whether the loss depends on a tensor, and that on the source."""
        return edge is not None and bool(self.down.get(edge.node))

    def place(self, edge: Edge | None) -> int | None:
        """Return the place of a cut among `cuts`; None for what is none."""
        return None if edge is None else self._cut_at.get(edge)

    @cached_property
    def joins(self) -> tuple[int, ...]:
        """The places of the cuts with several paths down to the cut below: one path in a plain stack, more around a
        skip."""
        paths = [self.down[cut.node] for cut in self.cuts]
        return tuple(place for place in range(1, len(paths)) if paths[place] > paths[place - 1])

    def segments(self, edges: Sequence[Edge]) -> dict[Node, int]:
        """Return for each node between which of some tensors it lies: up to the first 0, up to the second 1, and so on.

        A node that several segments use (a shared parameter) belongs to the lowest; a tensor's own node to the segment
        that it ends.
        """
        ends = {edge.node: segment for segment, edge in enumerate(edges)}
        segment_of: dict[Node, int] = {}
        for node in reversed(self.nodes):
            segment = min(segment_of.get(node, len(edges)), ends.get(node, len(edges)))
            segment_of[node] = segment
            for child, _ in node.next_functions:
                if child is not None:
                    segment_of[child] = min(segment_of.get(child, len(edges)), segment)
        return segment_of
