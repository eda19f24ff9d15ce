"""What a graph keeps of activations and attention: slopes, dead and saturated units, entropies.

A node of the graph is its operation's own derivative: asked for the gradient of ones, that of an activation returns the
slope at every element, whatever module or function it came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradlab.modules.graph.cuts import operation
from gradlab.modules.profile import Slopes

__all__ = ["ACTIVATIONS", "NORMS", "UnitCounts", "attention_entropy", "unit_counts"]

ACTIVATIONS: dict[str, float] = {
    "Relu": 1.0, "LeakyRelu": 1.0, "PreluKernel": 1.0, "RreluWithNoise": 1.0, "Threshold": 1.0, "Hardtanh": 1.0,
    "Elu": 1.0, "Celu": 1.0, "Sigmoid": 0.25, "Hardsigmoid": 1 / 6, "LogSigmoid": 1.0, "Tanh": 1.0,
    "Erf": 2 / math.pi**0.5, "Softplus": 1.0, "Gelu": 1.1289, "Silu": 1.0998, "Mish": 1.0885, "Hardswish": 1.5,
    "Sin": 1.0,
}  # fmt: skip
"""Operations that count as activations, with their largest slope."""
NORMS = frozenset({
    "NativeBatchNorm", "NativeLayerNorm", "NativeGroupNorm", "FusedRmsNorm", "CudnnBatchNorm", "MkldnnBatchNorm",
})  # fmt: skip
_SOFTMAX = frozenset({"Softmax", "SafeSoftmax"})
_PRODUCTS = frozenset({"Bmm", "Mm", "Matmul", "Baddbmm", "Addmm"})
_BETWEEN = frozenset({
    "View", "UnsafeView", "Reshape", "ReshapeAlias", "Expand", "Transpose", "Permute", "T", "Squeeze", "Unsqueeze",
    "Alias", "Clone", "ToCopy", "NativeDropout", "Mul", "Div", "MaskedFill", "Where",
})  # fmt: skip
"""What stands between an attention matrix and the values it is multiplied by."""
_FLAT = 1 / 20
"""A unit counts as saturated where its slope is below this share of the activation's largest."""
_CHANNELS_FIRST = ("Convolution", "BatchNorm", "GroupNorm", "Pool", "Mkldnn")
_CHANNELS_LAST = ("Addmm", "Mm", "Bmm", "Linear", "LayerNorm", "RmsNorm", "Matmul")
_LOOK_BELOW = 8
_MOST_SCORES = 10_000_000
"""Numbers of an attention matrix; of larger ones only the first samples are looked at."""


@dataclass(frozen=True, slots=True)
class UnitCounts:
    """Counts over the activations of one block."""

    elements: int
    saturated: int
    """Elements whose slope is below 1/20 of the activation's largest."""
    units: int
    dead: int
    """Units whose slope is exactly zero for every sample and position."""
    slopes: tuple[Slopes, ...] = ()
    """By the kind of the activation, those with most elements first."""

    @property
    def saturated_share(self) -> float:
        return self.saturated / self.elements if self.elements else math.nan

    @property
    def dead_share(self) -> float:
        return self.dead / self.units if self.units else math.nan


def unit_counts(nodes: Iterable[Node]) -> UnitCounts:
    """Return the counts over all activations among `nodes`; call before the graph is freed."""
    elements = saturated = units = dead = 0
    kinds: dict[str, tuple[int, int, float]] = {}
    """Elements, saturated ones (of ReLU6 those at 6: below 0 it is flat by design) and the sum of squared slopes."""
    for node in nodes:
        name = operation(node)
        if name not in ACTIVATIONS:
            continue
        counts = _relu(node) if name == "Relu" else _counted(node, _FLAT * ACTIVATIONS[name])
        if counts is None:
            continue
        size, flat, squares, units_here, flat_units = counts
        elements += size
        saturated += flat
        before = kinds.get(name, (0, 0, 0.0))
        bounded = _at_the_top(node) if name == "Hardtanh" else None
        kinds[name] = (before[0] + size, before[1] + (flat if bounded is None else bounded), before[2] + squares)
        units += units_here
        dead += flat_units
    slopes = [
        Slopes(name, count, math.sqrt(squares / count), flat / count)
        for name, (count, flat, squares) in kinds.items()
        if count
    ]
    return UnitCounts(
        elements, saturated, units, dead, tuple(sorted(slopes, key=lambda kind: kind.elements, reverse=True))
    )


def _counted(node: Node, flat: float) -> tuple[int, int, float, int, int] | None:
    """Return of one activation the number of elements, of those with a slope below `flat`, the sum of the squared
    slopes, the number of units, and of those with a slope of zero everywhere; None where that cannot be told."""
    slope = _slope(node)
    if slope is None or slope.ndim < 2:
        return None
    size = slope.abs()
    axis = _unit_axis(node, size.ndim)
    largest = size.amax([other for other in range(size.ndim) if other != axis])
    below = int((size < flat).count_nonzero())
    squares = float(torch.linalg.vector_norm(size)) ** 2
    return size.numel(), below, squares, len(largest), int((largest == 0).count_nonzero())


def _relu(node: Node) -> tuple[int, int, float, int, int] | None:
    """Return the same of a ReLU from its result alone: its slope is 0 or 1."""
    try:
        result = node._saved_result.detach()  # type: ignore[attr-defined]
    except RuntimeError:  # changed in place since
        return None
    if result.ndim < 2:
        return None
    axis = _unit_axis(node, result.ndim)
    flat = (result <= 0).sum([other for other in range(result.ndim) if other != axis])
    below, of_unit = int(flat.sum()), result.numel() // max(1, len(flat))
    return result.numel(), below, float(result.numel() - below), len(flat), int((flat == of_unit).count_nonzero())


def _at_the_top(node: Node) -> int | None:
    """Return the number of elements at the upper bound of a ReLU6; None for a hardtanh with another lower bound than 0,
    and where that cannot be told."""
    if node._saved_min_val != 0:  # type: ignore[attr-defined]
        return None
    try:
        return int((node._saved_self >= node._saved_max_val).count_nonzero())  # type: ignore[attr-defined]
    except RuntimeError:  # changed in place since
        return None


def _slope(node: Node) -> Tensor | None:
    """Return the slope of an activation at each element; None where the graph no longer has what it takes."""
    (metadata, *_) = node._input_metadata
    cotangent = torch.ones(tuple(metadata.shape), dtype=metadata.dtype, device=metadata.device)
    try:
        with torch.no_grad():
            slope = node(cotangent)  # type: ignore[operator]
    except RuntimeError:  # changed in place since
        return None
    slope = slope[0] if isinstance(slope, tuple) else slope
    return slope if isinstance(slope, Tensor) else None


def _unit_axis(node: Node, dimensions: int) -> int:
    """Return the axis of the units: that of the channels after a convolution, the last one after a matrix."""
    below: Node | None = node
    for _ in range(_LOOK_BELOW):
        below = next((child for child, _ in below.next_functions if child is not None), None) if below else None
        if below is None:
            break
        name = operation(below)
        if any(part in name for part in _CHANNELS_FIRST):
            return 1
        if any(part in name for part in _CHANNELS_LAST):
            return dimensions - 1
    return 1 if dimensions > 3 else dimensions - 1


def attention_entropy(nodes: Iterable[Node]) -> float:
    """Return the mean entropy of the rows of all attention matrices among `nodes`, over ln T of their T columns.

    1: every token attends to all alike; 0: to one. NaN without attention: a softmax that no matrix is multiplied by, as
    one over experts or classes, is none. A row that is masked counts with the tokens that it may attend to.
    """
    names = {node: operation(node) for node in nodes}
    weights = {_below_dropout(child) for node, name in names.items() if name in _PRODUCTS
               for child, _ in node.next_functions if child is not None}  # fmt: skip
    entropies = [
        entropy
        for node, name in names.items()
        if name.startswith("ScaledDotProduct") or (name in _SOFTMAX and node in weights)
        for entropy in _entropies(node)
    ]
    return sum(entropies) / len(entropies) if entropies else math.nan


def _below_dropout(node: Node) -> Node:
    """Return what lies below reshaping, casts and dropout: of an attention matrix its softmax."""
    while operation(node) in _BETWEEN and node.next_functions and node.next_functions[0][0] is not None:
        node = node.next_functions[0][0]
    return node


def _entropies(node: Node) -> Iterable[float]:
    name = operation(node)
    try:
        weights = node._saved_result.detach() if name in _SOFTMAX else _weights_of(node)  # type: ignore[attr-defined]
    except RuntimeError:  # changed in place since
        return
    if weights is None or weights.ndim < 3 or weights.shape[-1] < 2:
        return
    if name in _SOFTMAX and getattr(node, "_saved_dim", -1) not in (-1, 2**64 - 1, weights.ndim - 1):
        return  # over something else than the tokens that a row attends to
    allowed = (weights > 0).sum(-1)
    rows = torch.special.entr(weights).sum(-1) / allowed.clamp(min=2).log()
    rows = rows[allowed > 1]
    if rows.numel():
        yield float(rows.mean())


def _weights_of(node: Node) -> Tensor | None:
    """Return the attention matrix of a fused kernel, which does not keep it."""
    query, key = node._saved_query.detach(), node._saved_key.detach()  # type: ignore[attr-defined]
    rows, columns = query.shape[-2], key.shape[-2]
    samples = max(1, _MOST_SCORES // max(1, query[0].numel() // query.shape[-1] * columns))
    query, key = query[:samples], key[:samples]
    if key.shape[1] != query.shape[1]:
        key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
    scale = getattr(node, "_saved_scale", None) or 1 / math.sqrt(query.shape[-1])
    scores = query @ key.mT * scale
    if getattr(node, "_saved_is_causal", False):
        scores = scores.masked_fill(
            ~torch.ones(rows, columns, dtype=torch.bool, device=scores.device).tril(), -math.inf
        )
    mask = getattr(node, "_saved_attn_mask", None)
    if mask is not None:
        scores = scores + mask[:samples] if mask.dtype != torch.bool else scores.masked_fill(~mask[:samples], -math.inf)
    weights: Tensor = scores.softmax(-1)
    return weights
