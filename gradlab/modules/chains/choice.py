"""Which cuts of a graph are the blocks of the profile, and what they are called.

``auto`` takes the first that applies:

0. the steps of a cell that holds half of all parameters and is called again with what it returned: a profile over time;
1. the calls of one class with children (not Sequential, ModuleList) of which three or more end in a cut, that hold half
   of all parameters and at least 80 % of what any such class holds; of these the class with most cuts, on a tie the
   containing one; with it the modules of other classes in like places (names that differ by numbers alone), which may
   also make up a chain without one such class;
2. the joins: cuts with more than one path down to the cut below, that is residual adds and concatenations;
3. from weight to weight: the last cut at or before the tensor that enters the next module with a matrix or a kernel, so
   that norm, activation and pooling belong to the block.

A rule whose chain has one block with most of the parameters is passed over; where that leaves none, the model has no
chain, and its blocks come in order of execution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise

from torch import nn

from gradlab.errors import UsageError
from gradlab.modules.chains.blocks import (
    FEWEST,
    FROM_WEIGHT_TO_WEIGHT,
    Block,
    Chain,
    block_of,
    has_weight,
    output_place,
    reached_place,
)  # fmt: skip
from gradlab.modules.chains.exceptional import hides_most, in_order, in_time
from gradlab.modules.chains.groups import of_class, of_places
from gradlab.modules.chains.joins import every_cut, joins
from gradlab.modules.graph.activations import ACTIVATIONS, NORMS
from gradlab.modules.graph.capture import Call, Capture
from gradlab.modules.graph.cuts import Edge, Graph

__all__ = ["Blocks", "choose"]

Blocks = str | type[nn.Module] | Sequence[str | nn.Module]
"""``auto``, ``cuts``, ``joins``, ``weights``; a class or its name; a pattern of module names; a list of modules."""


def choose(model: nn.Module, capture: Capture, graph: Graph, blocks: Blocks) -> Chain:
    """Return the chain of a model.

    Raises UsageError where what the user asks for names nothing that was called, or nothing that the loss depends on.
    """
    if not isinstance(blocks, str):
        return _of_modules(capture, graph, blocks)
    if blocks == "auto":
        return _automatic(model, capture, graph)
    if blocks == "cuts":
        return every_cut(capture, graph)
    if blocks == "joins":
        chain = joins(capture, graph, 1)
        if chain is None:
            raise UsageError('blocks="joins": nothing is added or concatenated between two cuts', 'use blocks="auto"')
        return chain
    if blocks == "weights":
        return _weights(capture, graph)
    return _of_modules(capture, graph, [blocks])


def _automatic(model: nn.Module, capture: Capture, graph: Graph) -> Chain:
    rules: Sequence[Callable[[], Chain | None]] = (
        lambda: in_time(model, capture, graph),
        lambda: of_class(model, capture, graph),
        lambda: of_places(model, capture, graph),
        lambda: joins(capture, graph, FEWEST),
        lambda: _weights(capture, graph),
    )
    chains = (chain for rule in rules if (chain := rule()) is not None and chain.blocks)
    return next((c for c in chains if not hides_most(model, capture, c)), None) or in_order(model, capture, graph)


def _weights(capture: Capture, graph: Graph) -> Chain:
    calls = [call for call in capture.calls if has_weight(call) and any(o is not None for o in call.outputs)]
    calls.sort(key=lambda call: call.ended)
    named_by: dict[int, Call] = {}
    for call, following in pairwise(calls):
        inputs = [graph.highest_cut[edge.node] for edge in following.inputs if edge and edge.node in graph.highest_cut]
        below, place = reached_place(graph, call), max(inputs, default=-1)
        # a call inside a branch ends in no cut: the block is the first one above it, not the one that it came from
        inside = output_place(graph, call) is None
        if below >= 0 and place >= below + inside:
            named_by[place] = call  # of several modules between two cuts the last one names the block
    if calls:
        end, top = reached_place(graph, calls[-1]), _output_of_model(capture, graph)
        above = {cut.operation for cut in graph.cuts[end + 1 : top + 1]}
        if end >= 0 and above & (ACTIVATIONS.keys() | NORMS):  # the model ends in no readout
            named_by[top] = calls[-1]
        elif not named_by and end >= 0:
            named_by[end] = calls[-1]
    return Chain(
        tuple(
            block_of(named_by[place], graph.cuts[place])
            for place in sorted(named_by)
            if not graph.cuts[place].is_leaf  # the input itself, which several maps read
        ),
        FROM_WEIGHT_TO_WEIGHT,
        graph,
    )


def _output_of_model(capture: Capture, graph: Graph) -> int:
    """Return the place of the highest cut that the outermost call hands out."""
    return max((reached_place(graph, call) for call in capture.calls if call.parent is None), default=-1)


def _of_modules(capture: Capture, graph: Graph, selection: type[nn.Module] | Sequence[str | nn.Module]) -> Chain:
    if isinstance(selection, type):
        calls = [call for call in capture.calls if isinstance(call.module, selection)]
        description = selection.__name__
    else:
        matches: list[Call] = []
        for item in selection:
            matching = [call for call in capture.calls if _matches(call, item)]
            if not matching:
                name = item if isinstance(item, str) else type(item).__name__
                classes = ", ".join(dict.fromkeys(call.kind for call in capture.calls[:40]))
                raise UsageError(
                    f"blocks: no module {name!r} was called", f"give names or a pattern of them, or a class: {classes}"
                )
            matches += matching
        calls = matches
        description = ", ".join(item if isinstance(item, str) else type(item).__name__ for item in selection)
    blocks: dict[Edge, Block] = {}
    for call in sorted(calls, key=lambda call: call.ended):
        edges = [edge for edge in call.outputs if edge is not None and edge.node in graph.highest_cut]
        if edges:
            cuts = [edge for edge in edges if graph.place(edge) is not None]
            blocks.setdefault((cuts or edges)[0], block_of(call, (cuts or edges)[0], is_cut=bool(cuts)))
    if not blocks:
        raise UsageError(f"blocks: the loss depends on no output of {description}", 'use blocks="auto"')
    return Chain(tuple(blocks.values()), f"as asked: {description}", graph)


def _matches(call: Call, item: str | nn.Module) -> bool:
    return isinstance(item, str) and (call.kind == item or fnmatchcase(call.name, item))
