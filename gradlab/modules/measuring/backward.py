"""Going back through a graph once, with the gradient at each block read and rescaled at the cuts.

At a cut all of the gradient is in one tensor, so everything below scales with it: there the gradient is multiplied by a
power of two when it leaves the middle of float64's range, which is exact, and the exponent is added back to every
logarithm below. An exact zero in a profile is a network without gradient, never underflow.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradlab.modules.graph.cuts import Edge, Graph, edge_of
from gradlab.modules.measuring.token_numbers import accumulator, normed_products
from gradlab.record import Floats

__all__ = ["BlockGradient", "Gradients", "go_back"]

_RESCALE_BEYOND = 300
"""Binary exponents; float64 ends at -1022 and 1023, and what is between two cuts must stay within."""
_LEAST, _MOST = 2.0**-250, 2.0**250
_LN2 = math.log(2)


@dataclass(frozen=True, slots=True)
class BlockGradient:
    """The gradient of the loss with respect to one block's output."""

    log_norm: float
    """Natural logarithm; -inf for exactly zero, NaN for what is not finite."""
    zero_share: float
    nonfinite_share: float
    common_share: float
    """‖mean over tokens‖² T / ‖g‖² of a gradient `[batch, tokens, features]`: 1 where all tokens have the same. NaN
    elsewhere."""
    underflow_share: float = 0.0
    """Of elements that are not zero, yet below the smallest magnitude that was asked for."""
    products: Floats | None = None
    """Mean products of the elements of two tokens over the mean square, `[tokens, tokens]`; where asked for."""


@dataclass(frozen=True, slots=True)
class Gradients:
    """What came back from the loss."""

    blocks: dict[Edge, BlockGradient]
    """Of the tensors that any gradient arrived at."""
    parameters: dict[str, float]
    """Natural logarithms of the norms of the gradients by name; -inf for zero. Left out where blocks on both sides of a
    rescaled cut share a parameter, as their sum is not known then, and where no gradient arrived."""


def go_back(
    loss: Tensor, graph: Graph, edges: Sequence[Edge], parameters: Mapping[str, Tensor], sources: Sequence[Tensor] = (),
    smallest: float = 0.0, *, products: bool = False,
) -> Gradients:  # fmt: skip
    """Differentiate `loss` once and return the gradients at `edges` and of `parameters`. The graph is freed.

    `sources` are leaves of the data, which autograd is to reach as well; elements below `smallest` in size underflow.
    `products`: whether to keep the products of tokens.
    """
    cuts = {edge.node: edge.output for edge in graph.cuts}
    edges_of: defaultdict[Node, list[Edge]] = defaultdict(list)
    for edge in edges:
        edges_of[edge.node].append(edge)
    blocks: dict[Edge, BlockGradient] = {}
    shifts: dict[Node, int] = {}

    def visit(node: Node, coming: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...] | None:
        exponent, shift = sum(shifts.values()), 0
        norms: dict[int, float] = {}
        if node in cuts and (gradient := coming[cuts[node]]) is not None:
            norms[cuts[node]] = _norm(gradient)
            shift = _shift(gradient, norms[cuts[node]])
        scaled = coming
        if shift:
            norms = {}
            scaled = tuple(part if part is None else part * 2.0**-shift for part in coming)
        for edge in edges_of[node]:
            if (gradient := scaled[edge.output]) is not None:
                norm = norms[edge.output] if edge.output in norms else _norm(gradient)
                blocks[edge] = _block_gradient(gradient, norm, exponent + shift, smallest, products=products)
        if not shift:
            return None
        shifts[node] = shift
        return scaled

    with_gradient = {name: tensor for name, tensor in parameters.items() if tensor.requires_grad}
    handles = [node.register_prehook(partial(visit, node)) for node in {*edges_of, *cuts}]
    ends = [*with_gradient.values()]
    # of a leaf no hook runs, but autograd hands its gradient out
    inputs = [edge if edge in edges else None for edge in map(edge_of, sources)]
    if any(inputs) or not _reaches(graph, ends, edges_of):
        ends += sources
    try:
        arrived = torch.autograd.grad(loss, ends, allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    exponents = _exponents(graph, shifts)
    logs = {}
    for (name, tensor), gradient in zip(with_gradient.items(), arrived, strict=False):
        place = edge_of(tensor)
        exponent = exponents.get(place.node) if place is not None else None
        if gradient is not None and exponent is not None:
            logs[name] = _log(_norm(gradient)) + exponent * _LN2
    for leaf, gradient in zip(inputs, arrived[len(with_gradient) :], strict=False):
        if leaf is not None and gradient is not None and (exponent := exponents.get(leaf.node)) is not None:
            blocks[leaf] = _block_gradient(gradient, _norm(gradient), exponent, smallest, products=products)
    return Gradients(blocks, logs)


def _reaches(graph: Graph, ends: Sequence[Tensor], targets: Collection[Node]) -> bool:
    """Return whether autograd goes through all nodes of `targets` on its way to `ends`.

    Where it does, the gradient of the data itself, which no number is made of, is not computed.
    """
    passed = {edge.node for edge in map(edge_of, ends) if edge is not None}
    for node in graph.nodes:
        if node not in passed and any(child in passed for child, _ in node.next_functions):
            passed.add(node)
    return passed.issuperset(targets)


def _shift(gradient: Tensor, norm: float) -> int:
    """Return the binary exponent of the largest element where it is far from 0, else 0."""
    if _LEAST < norm < _MOST:  # a bound of the largest element, and within √n of it
        return 0
    largest = float(gradient.abs().amax()) if gradient.numel() else 0.0
    if largest == 0 or not math.isfinite(largest):
        return 0
    exponent = math.frexp(largest)[1]
    # 2^-exponent must be a number: what is left of a larger one is dealt with at the next cut
    return max(-1000, min(1000, exponent)) if abs(exponent) > _RESCALE_BEYOND else 0


def _exponents(graph: Graph, shifts: Mapping[Node, int]) -> dict[Node, int | None]:
    """Return by which power of two what arrived at each node was divided; None where it was by different ones."""
    exponents: dict[Node, int | None] = {graph.nodes[-1]: 0}
    for node in reversed(graph.nodes):
        arrived = exponents[node]
        exponent = None if arrived is None else arrived + shifts.get(node, 0)
        for child, _ in node.next_functions:
            if child is not None:
                exponents[child] = exponent if exponents.get(child, exponent) == exponent else None
    return exponents


def _block_gradient(gradient: Tensor, norm: float, exponent: int, smallest: float, *, products: bool) -> BlockGradient:
    count = max(1, gradient.numel())
    zero = count - int(gradient.count_nonzero())
    # the norm is finite only where every element is
    nonfinite = 0 if math.isfinite(norm) else count - int(gradient.isfinite().count_nonzero())
    return BlockGradient(
        log_norm=_log(norm) + exponent * _LN2,
        zero_share=zero / count,
        nonfinite_share=nonfinite / count,
        common_share=_common(gradient),
        underflow_share=max(0.0, _below(gradient, smallest, exponent) - zero / count) if smallest else 0.0,
        products=normed_products(gradient) if products else None,
    )


def _below(gradient: Tensor, smallest: float, exponent: int) -> float:
    """Return the share of elements below `smallest` where the true gradient is this one times 2^exponent."""
    try:
        bound = math.ldexp(smallest, -exponent)
    except OverflowError:
        bound = math.inf
    return int((gradient.abs() < bound).count_nonzero()) / max(1, gradient.numel()) if bound else 0.0


def _norm(gradient: Tensor) -> float:
    return float(torch.linalg.vector_norm(gradient, dtype=accumulator(gradient)))


def _log(norm: float) -> float:
    if not math.isfinite(norm):
        return math.nan
    return math.log(norm) if norm else -math.inf


def _common(gradient: Tensor) -> float:
    if gradient.ndim != 3 or gradient.shape[1] < 2:
        return math.nan
    total = float(gradient.square().sum())
    mean = float(gradient.mean(1).square().sum()) * gradient.shape[1]
    return mean / total if total > 0 and math.isfinite(total) else math.nan
