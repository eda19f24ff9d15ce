"""The numbers of every block: of its gradient, its output, its activations and its parameters."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradlab.modules.chains.blocks import Block
from gradlab.modules.copies.isolation import Isolated
from gradlab.modules.graph.activations import NORMS, attention_entropy, unit_counts
from gradlab.modules.graph.capture import Capture
from gradlab.modules.graph.cuts import Edge, Graph, edge_of, operation
from gradlab.modules.graph.skips import has_skip
from gradlab.modules.measuring.backward import BlockGradient, go_back
from gradlab.modules.measuring.masking import masking
from gradlab.modules.measuring.token_numbers import cosine_spread, size_ratio, token_cosine, token_products
from gradlab.modules.parts import Form
from gradlab.modules.profile import BlockNumbers, Head, Slopes
from gradlab.modules.theory.forms import Forms

__all__ = ["joint", "numbers_of"]

_NO_GRADIENT = BlockGradient(-math.inf, 1.0, 0.0, math.nan)
_DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""From the least precise to the most."""


def numbers_of(
    copy: Isolated, capture: Capture, graph: Graph | None, blocks: Sequence[tuple[Block, Edge | None]], loss: Tensor,
    leaves: Sequence[Tensor], smallest: float = 0.0,
) -> tuple[tuple[BlockNumbers, ...], Head, dict[str, float]]:  # fmt: skip
    """Return the numbers of every block, the head, and ln of the norms of the parameters' gradients by name.

    `blocks`: each with the tensor of its output in `graph`; None where the loss does not depend on it. `graph` is None
    where the loss depends on nothing, and freed otherwise. `smallest`: see `backward.go_back`.
    """
    parameters = dict(copy.model.named_parameters())
    edges = [edge for _, edge in blocks if edge is not None]
    if graph is None:
        nothing = tuple(
            _block(block, None, _Segment(), _NO_GRADIENT, capture, copy.frozen, {}, {}) for block, _ in blocks
        )
        return nothing, Head(0, (), ()), {}
    segments, above = _segments(graph, edges, parameters, capture)
    causal = any(
        step.mixing is not None and step.mixing.weights.causal
        for segment in segments.values()
        for step in segment.form.steps
    )
    gradients = go_back(loss, graph, edges, parameters, leaves, smallest, products=causal)
    numbers = []
    kinds = [{step.kind for step in segments[edge].form.steps} for edge in edges]
    before = dict(zip(edges, kinds[1:], strict=False))
    for block, edge in blocks:
        segment = segments[edge] if edge is not None else _Segment()
        gradient = gradients.blocks.get(edge, _NO_GRADIENT) if edge is not None else _NO_GRADIENT
        numbers.append(
            _block(
                block,
                edge,
                segment,
                gradient,
                capture,
                copy.frozen,
                parameters,
                gradients.parameters,
                above=before.get(edge, frozenset()) if edge is not None else frozenset(),
                causal=causal,
            )
        )
    head = {name: parameters[name] for name in above}
    weights = [name for name, tensor in head.items() if tensor.ndim > 1]
    size = sum(tensor.numel() for tensor in head.values())
    zero_weights: tuple[str, ...] = ()
    zero = [place for place, block in enumerate(numbers) if block.connected and block.log_grad_norm == -math.inf]
    if zero and (below := blocks[zero[-1]][1]) is not None:
        following = zero[-1] + 1
        edge = blocks[following][1] if following < len(blocks) else None
        names = masking(graph, parameters, below, edge)
        if following < len(blocks):
            numbers[following] = replace(numbers[following], zero_weights=names)
        else:
            zero_weights = names
    return tuple(numbers), Head(size, tuple(weights), zero_weights), gradients.parameters


_DETACHED = Form(unknown="no path leads from the loss to it")


@dataclass(frozen=True, slots=True)
class _Segment:
    """What lies between the output of one block and that of the block below."""

    parameters: tuple[str, ...] = ()
    dtype: torch.dtype | None = None
    saturated: float = math.nan
    dead: float = math.nan
    attention_entropy: float = math.nan
    joined: bool = False
    slopes: tuple[Slopes, ...] = ()
    norms: tuple[str, ...] = ()
    batch_values: int = 0
    untouched_statistics: tuple[str, ...] = ()
    form: Form = _DETACHED


def _segments(
    graph: Graph, edges: Sequence[Edge], parameters: dict[str, nn.Parameter], capture: Capture
) -> tuple[dict[Edge, _Segment], list[str]]:
    """Return the segment that each tensor ends, and the names of the parameters above them all.

    To be called before the graph is freed.
    """
    segment_of = graph.segments(edges)
    nodes: defaultdict[int, list[Node]] = defaultdict(list)
    for node, segment in segment_of.items():
        nodes[segment].append(node)
    names: defaultdict[int, list[str]] = defaultdict(list)
    for name, parameter in parameters.items():
        edge = edge_of(parameter)
        if edge is not None and edge.node in segment_of:
            names[segment_of[edge.node]].append(name)
    untouched: defaultdict[int, list[str]] = defaultdict(list)
    for call in capture.calls:
        if call.outputs and call.outputs[0] is not None and _untouched(call.module):
            untouched[segment_of.get(call.outputs[0].node, -1)].append(call.name)
    forms = Forms(capture, graph)
    segments = {}
    for place, edge in enumerate(edges):
        counts = unit_counts(nodes[place])
        segments[edge] = _Segment(
            tuple(names[place]), _lowest_precision(nodes[place]), counts.saturated_share, counts.dead_share,
            attention_entropy(nodes[place]),
            joined=has_skip(graph, edges[place - 1] if place else None, edge, set(nodes[place])),
            slopes=counts.slopes,
            norms=tuple(operation(node) for node in nodes[place] if operation(node) in NORMS),
            batch_values=_batch_values(nodes[place]),
            untouched_statistics=tuple(untouched[place]),
            form=forms.between(edges[place - 1] if place else None, edge),
        )  # fmt: skip
    return segments, names[len(edges)]


def _batch_values(nodes: Sequence[Node]) -> int:
    """Return the fewest values of one feature that a batch norm averages over; 0 where none does."""
    normed = [node for node in nodes if "BatchNorm" in operation(node) and getattr(node, "_saved_training", False)]
    shapes = [tuple(node._input_metadata[0].shape) for node in normed]
    return min((math.prod(shape) // max(1, shape[1]) for shape in shapes if len(shape) > 1), default=0)


def _untouched(module: nn.Module) -> bool:
    """Return whether a norm normalises by running statistics that are as it was built with: mean 0, variance 1."""
    mean, variance = module._buffers.get("running_mean"), module._buffers.get("running_var")
    if module.training or mean is None or variance is None:
        return False
    return not mean.any() and bool((variance == 1).all())


def _lowest_precision(nodes: Sequence[Node]) -> torch.dtype | None:
    dtypes = {metadata.dtype for node in nodes for metadata in node._input_metadata if metadata is not None}
    return next((dtype for dtype in _DTYPES if dtype in dtypes), None)


def _block(
    block: Block, edge: Edge | None, segment: _Segment, gradient: BlockGradient, capture: Capture,
    frozen: frozenset[str], all_parameters: Mapping[str, Tensor], parameter_grads: dict[str, float], *,
    above: Collection[str] = (), causal: bool = False,
) -> BlockNumbers:  # fmt: skip
    """Return the numbers of one block; `above`: kinds of steps of the next one; `causal`: of attention in the chain."""
    parameters = {name: all_parameters[name].detach() for name in segment.parameters}
    weights = {name: tensor for name, tensor in parameters.items() if tensor.ndim > 1}
    output = capture.values.get(edge) if edge is not None else None
    value = output.tensor if output is not None and output.intact else None
    rms, spread = _size(value) if value is not None and value.numel() else (math.nan, math.nan)
    logs = [parameter_grads[name] for name in weights if name in parameter_grads]
    complete = bool(weights) and len(logs) == len(weights)
    dtype = segment.dtype or (edge.dtype if edge is not None else None)
    return BlockNumbers(
        name=block.name,
        kind=block.kind,
        call=block.call,
        shape=edge.shape if edge is not None else (),
        dtype=str(dtype).removeprefix("torch.") if dtype else "",
        is_cut=block.is_cut,
        connected=edge is not None,
        parameters=sum(tensor.numel() for tensor in parameters.values()),
        frozen=bool(parameters) and parameters.keys() <= frozen,
        log_grad_norm=gradient.log_norm,
        zero_grad=gradient.zero_share,
        nonfinite=gradient.nonfinite_share,
        underflow=gradient.underflow_share,
        common=math.nan if block.is_state else gradient.common_share,
        act_mean=float(value.mean()) if value is not None and value.numel() else math.nan,
        act_rms=rms,
        token_cosine=token_cosine(value) if value is not None and not block.is_state else math.nan,
        attention_entropy=segment.attention_entropy,
        saturated=segment.saturated,
        dead=segment.dead,
        log_weight_grad_norm=joint(logs) if complete else math.nan,
        weight_norm=math.hypot(*(float(torch.linalg.vector_norm(tensor)) for tensor in weights.values()))
        if weights
        else math.nan,
        weights=tuple(weights),
        zero_weights=(),
        operation=edge.operation if edge is not None else "",
        joined=segment.joined and block.is_cut,
        slopes=segment.slopes,
        norms=segment.norms,
        batch_values=segment.batch_values,
        untouched_statistics=segment.untouched_statistics,
        batch_variance=_batch_variance(value, rms) if value is not None and "batch" in above else math.nan,
        token_products=token_products(value) if value is not None and causal else None,
        gradient_products=gradient.products,
        size_ratio=size_ratio(value) if value is not None and "attention" in above else math.nan,
        cosine_spread=cosine_spread(value) if value is not None and "attention" in above else math.nan,
        sample_spread=spread,
        form=segment.form,
        nonfinite_values=0.0 if math.isfinite(rms) else _nonfinite(value) if value is not None else math.nan,
    )


def _size(value: Tensor) -> tuple[float, float]:
    """Return the rms, and how the mean squares of samples scatter: the deviation over the mean."""
    rows = value.flatten(0, 1) if value.ndim == 3 else value.flatten(1) if value.ndim > 1 else value.reshape(1, -1)
    norms = torch.linalg.vector_norm(rows, dim=1).double()
    squares = norms.square()
    total = float(torch.linalg.vector_norm(norms))
    mean = float(squares.mean())
    spread = float(squares.std(correction=0)) / mean if 0 < mean < math.inf else math.nan
    return total / math.sqrt(value.numel()), spread


def _batch_variance(value: Tensor, rms: float) -> float:
    """Return the variance over samples and positions, the mean over the features: the second axis."""
    if value.ndim < 2 or not value.is_floating_point():
        return math.nan
    # as a difference of mean squares, which is several times as fast as torch's variance
    means = value.mean([axis for axis in range(value.ndim) if axis != 1])
    return max(0.0, rms**2 - float(means.square().mean()))


def _nonfinite(value: Tensor) -> float:
    return 1 - int(value.isfinite().count_nonzero()) / max(1, value.numel())


def joint(logs: Sequence[float]) -> float:
    """Return ln sqrt(sum exp(2 x)) of natural logarithms, NaN where one is."""
    if any(math.isnan(value) for value in logs):
        return math.nan
    largest = max(logs)
    if largest == -math.inf:
        return largest
    return largest + math.log(sum(math.exp(2 * (value - largest)) for value in logs)) / 2
