"""One forward pass of a model with its graph, and the chain of its blocks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradlab.errors import UsageError
from gradlab.modules.chains.blocks import Block, Chain, has_weight
from gradlab.modules.chains.choice import Blocks, choose
from gradlab.modules.chains.exceptional import in_order, other_chains
from gradlab.modules.chains.unseen import past_the_input, unseen
from gradlab.modules.graph.capture import Call, Capture, captured
from gradlab.modules.graph.cuts import Edge, Graph, walk
from gradlab.modules.measuring.inputs import Batch, Loss, Run, objective
from gradlab.modules.measuring.recurrent import Gates, replayed

__all__ = ["ForwardPass", "Request", "chain_of", "forward_pass"]

_NO_MAP = "no module with a matrix or a kernel comes before the loss"


@dataclass(frozen=True, slots=True)
class Request:
    """What is measured, whatever the model and its precision."""

    batch: Batch
    loss: Loss
    blocks: Blocks
    source: str | None
    seed: int


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """One forward pass."""

    run: Run
    capture: Capture
    loss: Tensor
    objective: str
    source: str
    graph: Graph | None
    """None where the loss depends on nothing that has a gradient."""
    gates: Gates = field(default_factory=dict)
    other_sources: tuple[str, ...] = ()
    """Inputs that other chains begin at."""
    goes_past: str = ""
    """The input that also goes past the chain, which begins at the first map therefore."""


def forward_pass(
    model: nn.Module, request: Request, dtype: torch.dtype | None, *, attached: bool = False, replay: bool = True
) -> ForwardPass:
    """Run a model forward and record its graph. `attached`: see `captured`; `replay`: fused recurrent layers step by
    step."""
    with ExitStack() as stack:
        gates = stack.enter_context(replayed(model)) if replay else {}
        capture = stack.enter_context(captured(model, attached=attached, dtype=dtype))
        run = Run.of(model, request.batch, dtype)
    loss, words = objective(run, request.batch, request.loss, request.seed)
    if loss.grad_fn is None:
        return ForwardPass(run, capture, loss, words, next(iter(run.inputs), ""), None)
    nodes = walk(loss.grad_fn)
    source, edges = run.sources(nodes, request.source)
    if not edges and not run.leaves:  # integers that no table of embeddings looks up: as if their first map were one
        first_map = next((call for call in capture.calls if _enters(call, nodes)), None)
        if first_map is not None:
            source, edges = f"the output of {first_map.name}", [edge for edge in first_map.outputs if edge is not None]
    other_inputs: dict[str, list[Edge]] = {}
    sources = {*edges}
    for name, place in run.entered(nodes).items():  # one tensor may be given by two names
        other_inputs[name] = [edge for edge in place if edge not in sources]
        sources.update(place)
    graph = Graph(loss, nodes, edges, [edge for place in other_inputs.values() for edge in place])
    if request.source is None and (first_map := _first_map(capture, graph, nodes)) is not None:
        source, graph = (
            f"the output of {first_map.name}",
            graph.beginning_at([edge for edge in first_map.outputs if edge]),
        )
    others = other_chains(capture, graph, other_inputs)
    goes_past = ""
    if request.source is None and (first_map := past_the_input(capture, graph)) is not None:
        goes_past, source = source, f"the output of {first_map.name}"
        graph = graph.beginning_at([edge for edge in first_map.outputs if edge is not None])
    return ForwardPass(run, capture, loss, words, source, graph, gates, others, goes_past)


def _first_map(capture: Capture, graph: Graph, nodes: Collection[Node]) -> Call | None:
    """Return the first map where none depends on the source: of a model that takes its targets alone, as a field of
    coordinates of its own that is fitted to an image. None elsewhere."""
    maps = [call for call in capture.calls if has_weight(call)]
    if not graph.connected or any(graph.depends(edge) for call in maps for edge in call.outputs):
        return None
    return next((call for call in maps if any(edge and edge.node in nodes for edge in call.outputs)), None)


def _enters(call: Call, nodes: Collection[Node]) -> bool:
    inner = next(call.module.children(), None) is not None
    return not inner and any(edge is not None and edge.node in nodes for edge in call.outputs)


def chain_of(
    model: nn.Module, request: Request, dtype: torch.dtype | None, forward: ForwardPass
) -> tuple[Chain, list[tuple[Block, Edge | None]], Graph | None]:
    """Return the chain of a forward, each block with its tensor in the graph (None: the loss does not depend on
    it), and the graph.

    Raises UsageError for a model without a block.
    """
    if forward.graph is not None and forward.graph.connected:
        chain = choose(model, forward.capture, forward.graph, request.blocks)
        if not chain.blocks and request.blocks == "auto":  # nothing but the output is a cut
            chain = in_order(model, forward.capture, forward.graph)
        blocks: list[tuple[Block, Edge | None]] = [(block, block.edge) for block in chain.blocks]
        graph: Graph | None = chain.graph
    else:
        chain, blocks = _as_if_attached(model, request, dtype, forward)
        graph = forward.graph
    if not blocks:
        reasons = unseen(model, forward.capture, graph, ())
        raise UsageError(
            f"the model has no block: {reasons[0] if reasons else _NO_MAP}",
            'name the blocks: blocks="cuts", or a class, or modules',
        )
    return chain, blocks, graph


def _as_if_attached(
    model: nn.Module, request: Request, dtype: torch.dtype | None, forward: ForwardPass
) -> tuple[Chain, list[tuple[Block, Edge | None]]]:
    """Return the chain that there would be if nothing inside cut the gradient off, with what there is of it."""
    attached = forward_pass(model, request, dtype, attached=True)
    if attached.graph is None or not attached.graph.connected:
        leaves = (call for call in attached.capture.calls if next(call.module.children(), None) is None)
        # the last of them: those before may take constants, as for positions
        starts = [call for call in leaves if call.inputs and not any(call.inputs)]
        words = ": what {} takes has no gradient, as after a cast to integers"
        place = words.format(starts[-1].name or starts[-1].kind) if starts else ""
        raise UsageError(
            f"the loss does not depend on the model's input{place}",
            "give another batch, a loss of the model's output, or source=… to name where the data enters",
        )
    chain = choose(model, attached.capture, attached.graph, request.blocks)
    return chain, [(block, _same(block, forward)) for block in chain.blocks]


def _same(block: Block, forward: ForwardPass) -> Edge | None:
    """Return the tensor of a block in a graph whose chain is broken; None where the loss does not depend on it."""
    if forward.graph is None:
        return None
    candidates: Sequence[Edge | None] = [
        output
        for call in forward.capture.calls
        if (call.name or call.kind, call.number) == (block.name, block.call)
        for output in call.outputs
    ] or [
        edge
        for edge, call in forward.capture.last_call.items()
        if (f"{call.name}+", call.number, edge.operation) == (block.name, block.call, block.kind)
    ]
    return next((edge for edge in candidates if edge is not None and edge.node in forward.graph.order), None)
