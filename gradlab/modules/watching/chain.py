"""The blocks that a watched model has, and where a later forward shows the tensor of each.

A probe of the first batch on a copy finds the blocks; the user's own forward passes are told apart from it only by the
names of modules, the numbers of their calls and the order of operations, which stay the same from step to step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from gradlab.errors import GradlabError, UsageError
from gradlab.modules.chains.blocks import Chain
from gradlab.modules.chains.choice import Blocks, choose
from gradlab.modules.copies.isolation import isolated
from gradlab.modules.graph.capture import Capture
from gradlab.modules.graph.cuts import Edge, Graph, edge_of
from gradlab.modules.measuring.forward import Request, forward_pass
from gradlab.modules.measuring.probe import names_of

__all__ = ["Site", "WatchedBlock", "WatchedChain", "watched_chain"]


@dataclass(frozen=True, slots=True)
class Site:
    """Where a forward shows a tensor: what the call of a module took or made, or an operation after that call."""

    module: str
    call: int
    side: Literal["output", "input", "after"]
    index: int
    """Among the floating tensors that the call took or made; of an operation: among the like ones after the call."""
    operation: str = ""
    like: tuple[int, int] = (0, 0)
    """Of an operation: dimensions and last size of its result."""


@dataclass(frozen=True, slots=True)
class WatchedBlock:
    """A block as it was in the first watched forward."""

    name: str
    kind: str
    call: int
    shape: tuple[int, ...]
    is_cut: bool
    parameters: tuple[str, ...]
    """Names of the parameters between the block below and its own output."""
    site: Site | None
    """None where no later forward shows its tensor."""


@dataclass(frozen=True, slots=True)
class WatchedChain:
    blocks: tuple[WatchedBlock, ...]
    head: tuple[str, ...]
    """Names of the parameters above the last block."""
    rule: str
    notes: tuple[str, ...] = ()


_FUSED = "no profile over the time steps of {} in a training loop: gl.probe has it"


def watched_chain(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], blocks: Blocks) -> WatchedChain:
    """Return the blocks of a model that is called with `args` and `kwargs`, from one forward of a copy.

    Raises UsageError where `blocks` fits nothing, or where the copy cannot be run.
    """
    named = names_of(model, blocks)
    with isolated(model, dtype=None, train=None, seed=0) as copy:
        request = Request(lambda module: module(*args, **kwargs), None, named, None, 0)
        try:
            forward = forward_pass(copy.model, request, None, replay=False)
            if forward.graph is None or not forward.graph.connected:
                forward = forward_pass(copy.model, request, None, attached=True, replay=False)
        except GradlabError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
            raise UsageError(
                f"the blocks of the model cannot be found: a second forward with the first batch failed: {reason}",
                "make the forward one that can be called twice with the same arguments",
            ) from error
        graph = forward.graph
        if graph is None or not graph.connected:
            raise UsageError("the output of the model does not depend on its input", "watch the part that is trained")
        chain = choose(copy.model, forward.capture, graph, named)
        if not chain.blocks:
            raise UsageError(
                "the model has no block: no module with a matrix or a kernel comes before its output",
                'name the blocks: blocks="cuts", or a class, or modules',
            )
        return _described(copy.model, forward.capture, chain)


def _described(model: nn.Module, capture: Capture, chain: Chain) -> WatchedChain:
    edges = [block.edge for block in chain.blocks]
    segments: list[list[str]] = _parameters(model, chain.graph, edges)
    blocks = tuple(
        WatchedBlock(
            block.name, block.kind, block.call, block.edge.shape, block.is_cut, tuple(names), _site(capture, block.edge)
        )
        for block, names in zip(chain.blocks, segments[:-1], strict=True)
    )
    fused = dict.fromkeys(call.name or call.kind for call in capture.calls if isinstance(call.module, nn.RNNBase))
    return WatchedChain(blocks, tuple(segments[-1]), chain.rule, tuple(_FUSED.format(name) for name in fused))


def _parameters(model: nn.Module, graph: Graph, edges: Sequence[Edge]) -> list[list[str]]:
    """Return the names of the parameters of each segment, the last above all `edges`."""
    segment_of = graph.segments(edges)
    names: list[list[str]] = [[] for _ in range(len(edges) + 1)]
    for name, parameter in model.named_parameters():
        edge = edge_of(parameter)
        if edge is not None and edge.node in segment_of:
            names[segment_of[edge.node]].append(name)
    return names


def _site(capture: Capture, edge: Edge) -> Site | None:
    seen = [call for call in capture.calls if not call.direct]
    for call in sorted(seen, key=lambda call: call.ended):
        if edge in call.outputs and call.ended >= 0:
            return Site(call.name, call.number, "output", call.outputs.index(edge))
    for call in seen:
        if edge in call.inputs:
            return Site(call.name, call.number, "input", call.inputs.index(edge))
    before = capture.last_call.get(edge)
    if before is None or before.direct or not edge.shape:
        return None
    like = _likeness(edge)
    alike = [
        other
        for other, call in capture.last_call.items()
        if call is before and other.operation == edge.operation and other.shape and _likeness(other) == like
    ]
    return Site(before.name, before.number, "after", alike.index(edge), edge.operation, like)


def _likeness(edge: Edge) -> tuple[int, int]:
    return len(edge.shape), edge.shape[-1]
