"""Softmax attention in an autograd graph: its queries, keys and values, and the matrices that made them.

The fused kernel of torch keeps all three; written out it is a product of the values with the result of a softmax,
which has a product of queries and keys below it. From each of the three the way leads down over views, splits and
numbers to one matrix. Which of its rows belong to them follows from a gradient of ones that is handed down that way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gradlab.mean_field.attention import Attention
from gradlab.modules.graph.cuts import Edge
from gradlab.modules.parts import Step, TokenMixing
from gradlab.modules.theory.form_steps import PASSED, Reader
from gradlab.modules.theory.module_steps import UnknownPart, rms

__all__ = ["attention"]

_SOFTMAX = ("Softmax", "SafeSoftmax")
_MOVED = PASSED | {"Expand"}
_SPLIT = frozenset({"Select", "Split", "SplitWithSizes", "Unbind", "Slice"})
_CLIPPED = 1e-12
"""Weights of attention below are those of masked positions."""


@dataclass(frozen=True, slots=True)
class _Scores:
    """What there is between the softmax and the queries and keys."""

    query: Edge
    key: Edge
    value: Edge
    scale: float
    """Factor on the product of queries and keys."""
    keep: float
    masked: str
    """``causal``, or empty. Other masks are not known."""


@dataclass(frozen=True, slots=True)
class _Matrix:
    """The rows of a matrix that made one of the three."""

    gain: float
    """Variance x fan_in."""
    bias: float
    """Mean square."""
    scale: float
    """Product of the numbers on the way."""
    below: Edge


def attention(reader: Reader, edge: Edge) -> tuple[Step, Edge] | None:
    """Return the attention whose mixture of values a tensor is, and its input; None where it is none.

    Raises:
        UnknownPart: it is one that theory does not know.
    """
    scores: _Scores | None
    if edge.operation.startswith("ScaledDotProduct"):
        scores = _fused(reader, edge)
    elif edge.operation == "Bmm":
        scores = _written_out(reader, edge)
    else:
        return None
    if scores is None:
        return None
    query, key, value = (_matrix(reader, start) for start in (scores.query, scores.key, scores.value))
    if not query.below == key.below == value.below:
        raise UnknownPart("attention to another input")
    head_dim = scores.query.shape[-1]
    factor = (scores.scale * query.scale * key.scale) ** 2 * head_dim
    tokens = scores.query.shape[-2]
    samples = math.prod(query.below.shape[:-1]) // tokens
    weights = Attention(
        query.gain * factor, key.gain, value.gain * value.scale**2, 1.0, query.bias * factor,
        value.bias * value.scale**2, keep=scores.keep, head_dim=head_dim, causal=scores.masked == "causal",
    )  # fmt: skip
    return Step("attention", mixing=TokenMixing(weights, samples, tokens)), query.below


def _fused(reader: Reader, edge: Edge) -> _Scores:
    node = edge.node
    inputs = dict(reader.inputs(node))
    if sorted(inputs) != [0, 1, 2]:
        raise UnknownPart("attention with a bias that depends on the data")
    query, key, value = (inputs[place] for place in range(3))
    if key.shape[-2] != query.shape[-2]:
        raise UnknownPart("attention to another input")
    masked = "causal" if getattr(node, "_saved_is_causal", False) else ""
    mask = getattr(node, "_saved_attn_mask", None)
    if mask is None:
        mask = getattr(node, "_saved_attn_bias", None)
    if isinstance(mask, Tensor):
        allowed = mask if mask.dtype == torch.bool else mask == 0
        masked = _mask(allowed) or masked
    scale = getattr(node, "_saved_scale", None) or query.shape[-1] ** -0.5
    return _Scores(query, key, value, float(scale), 1 - float(getattr(node, "_saved_dropout_p", 0.0)), masked)


def _mask(allowed: Tensor) -> str:
    """Return how a mask is called. Raises UnknownPart for one that is neither full nor causal."""
    if bool(allowed.all()):
        return ""
    rows = torch.ones(allowed.shape[-2:], dtype=torch.bool, device=allowed.device).tril()
    if allowed.shape[-2] == allowed.shape[-1] and bool((allowed == rows).all()):
        return "causal"
    raise UnknownPart("attention with a mask or relative positions")


def _written_out(reader: Reader, edge: Edge) -> _Scores | None:
    """Return the parts of softmax(scores) @ values; None for any other product."""
    inputs = reader.inputs(edge.node)
    if [place for place, _ in inputs] != [0, 1]:
        return None
    keep, weights = 1.0, inputs[0][1]
    while weights.operation not in _SOFTMAX:
        if weights.operation in _MOVED:
            weights = reader.below(weights)
        elif weights.operation in ("Mul", "NativeDropout"):
            step, weights = reader.step(weights)
            if step is None or step.kind != "dropout":
                return None
            keep *= step.keep
        else:
            return None
    result = weights.node._saved_result.detach()  # type: ignore[attr-defined]
    if result.shape[-1] != result.shape[-2]:
        raise UnknownPart("attention to another input")
    masked = _mask(result > _CLIPPED)
    scale, scores = 1.0, reader.below(weights)
    while scores.operation not in ("Bmm", "Baddbmm"):
        name = scores.operation
        if name in ("Mul", "Div"):
            scale *= reader.number(scores)
        elif name not in _MOVED and not (masked and name in ("Add", "MaskedFill", "Where")):
            raise UnknownPart(
                "attention with a mask or relative positions" if name == "Add" else f"attention with {name}"
            )
        scores = reader.below(scores)
    pair = [tensor for _, tensor in reader.inputs(scores.node)]
    if len(pair) != 2:
        raise reader.unknown(scores)
    query = pair[0]
    return _Scores(query, pair[1], inputs[1][1], scale, keep, masked)


def _matrix(reader: Reader, start: Edge) -> _Matrix:
    """Return the matrix that made queries, keys or values."""
    scale, bias = 1.0, None
    path: list[tuple[Edge, int]] = []
    edge = start
    while True:
        try:
            weight, own_bias, below = reader.matrix(edge)
            break
        except UnknownPart:
            pass
        name = edge.operation
        if name in ("Mul", "Div"):
            scale *= reader.number(edge)
        elif name == "Add" and bias is None:
            bias = reader.vector(edge)
        elif name not in _MOVED and name not in _SPLIT and not reader.only_moves(edge):
            raise UnknownPart(
                "rotary or relative positions" if name in ("Cat", "Neg", "Add") else f"attention with {name}"
            )
        (place, following), *further = reader.inputs(edge.node)
        if further:
            raise UnknownPart("rotary or relative positions")
        path.append((edge, place))
        edge = following
    rows = _chosen(start, path, edge)
    weight = weight[rows]
    shift = own_bias if bias is None else bias
    shift = shift[rows] if shift.numel() == len(rows) else shift
    return _Matrix(rms(weight) ** 2 * weight.shape[1], rms(shift) ** 2, scale, below)


def _chosen(start: Edge, path: list[tuple[Edge, int]], end: Edge) -> Tensor:
    """Return which outputs of a matrix a tensor is made of, `[out]` of bool."""
    outputs = end.shape[-1]
    if not any(edge.operation in _SPLIT for edge, _ in path):
        return torch.ones(outputs, dtype=torch.bool)
    gradient = torch.ones(start.shape, dtype=start.dtype, device=start.node._input_metadata[start.output].device)
    with torch.no_grad():
        for edge, place in path:
            arguments: list[Tensor | None] = [None] * len(edge.node._input_metadata)
            arguments[edge.output] = gradient
            below = edge.node(*arguments)  # type: ignore[operator]
            gradient = below[place] if isinstance(below, tuple) else below
    return gradient.reshape(-1, outputs).ne(0).any(0).cpu()
