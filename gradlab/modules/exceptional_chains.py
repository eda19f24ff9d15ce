"""Models without one chain of cuts: cells along time, networks in which most goes past a part of the gradient, and
those with a chain for each of several inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from torch import nn

from gradlab.modules.blocks import (
    CONTAINERS,
    FEWEST,
    MANY,
    REPLAYED,
    Block,
    Chain,
    along_the_chain,
    block_of,
    has_weight,
    longest,
    parameters_of,
)  # fmt: skip
from gradlab.modules.capture import Call, Capture
from gradlab.modules.graph import Edge, Graph

__all__ = ["in_time", "other_chains", "without_chain"]


def in_time(model: nn.Module, capture: Capture, graph: Graph) -> Chain | None:
    """Return the chain over time of a cell that is called at every step with the state that it left.

    The data enter at every step, so no state is a cut between them and the loss; the chain begins at the first state.
    """
    by_module: dict[nn.Module, list[Call]] = {}
    for call in capture.calls:
        by_module.setdefault(call.module, []).append(call)
    if all(len(calls) < FEWEST for calls in by_module.values()):
        return None
    half = along_the_chain(model, graph) / 2
    for module, calls in by_module.items():
        if len(calls) < FEWEST:
            continue
        size = parameters_of({getattr(module, REPLAYED, [module])[0]})
        if not size or size < half or graph.place(calls[0].outputs[0]) is not None:
            continue
        starts = [edge for edge in calls[0].outputs if edge is not None and edge.node in graph.order]
        if not starts:
            continue
        from_first = graph.beginning_at(starts)
        edges = [call.outputs[0] for call in calls]
        if all(from_first.depends(edge) for edge in edges):
            blocks = tuple(_state(call, edge) for call, edge in zip(calls, edges, strict=True) if edge is not None)
            return Chain(blocks, f"every time step of {blocks[0].name}", from_first)
    return None


def _state(call: Call, edge: Edge) -> Block:
    """Return the block of a time step; of a replayed layer it has the layer's name."""
    layer = getattr(call.module, REPLAYED, [call.module])[0]
    name = call.name.rpartition(".")[0] if layer is not call.module else call.name
    kind = type(layer).__name__
    return Block(name or kind, kind, call.number, edge, is_state=True)


def without_chain(model: nn.Module, capture: Capture, chain: Chain) -> Chain | None:
    """Return the blocks in order of execution where a segment with several matrices holds most of the parameters.

    A U-Net has such a segment: between two cuts, with a part of the gradient going past everything inside.
    """
    if len(chain.blocks) >= MANY:
        return None
    graph = chain.graph
    segment_of = graph.segments([block.edge for block in chain.blocks])
    calls: dict[int, set[nn.Module]] = {}
    for call in capture.calls:
        edges = [edge for edge in call.outputs if edge is not None and edge.node in segment_of]
        if has_weight(call) and edges and edges[0].node not in graph.beside:
            calls.setdefault(segment_of[edges[0].node], set()).add(call.module)
    total = along_the_chain(model, graph)
    uses = Counter(module for modules in calls.values() for module in modules)
    # what several segments share hides in none of them
    single = [{module for module in modules if uses[module] == 1} for modules in calls.values()]
    hidden = [modules for modules in single if len(modules) >= MANY and parameters_of(modules) > total / 2]
    if not hidden:
        return None
    ended = [call for call in capture.calls if _usable(call, graph)]
    by_class: dict[type[nn.Module], list[Call]] = {}
    for call in ended:
        if not isinstance(call.module, CONTAINERS) and next(call.module.children(), None) is not None:
            by_class.setdefault(type(call.module), []).append(call)
    modules = {kind: {call.module for call in calls} for kind, calls in by_class.items()}
    candidates = [
        kind for kind, calls in by_class.items() if len(calls) >= FEWEST and parameters_of(modules[kind]) >= total / 2
    ]
    if candidates:
        lengths = {kind: len(by_class[kind]) for kind in candidates}
        members = by_class[longest(candidates, modules, lengths)]
    else:
        members = [call for call in ended if has_weight(call)]
    blocks: dict[Edge, Block] = {}
    for call in sorted(members, key=lambda call: call.ended):
        edge = next(edge for edge in call.outputs if graph.depends(edge))
        if edge is not None:
            blocks.setdefault(edge, block_of(call, edge, is_cut=graph.place(edge) is not None))
    rule = "no chain: most parameters lie beside a path that goes past them; blocks in order of execution"
    return Chain(tuple(blocks.values()), rule, graph)


def other_chains(capture: Capture, graph: Graph, entries: Mapping[str, Sequence[Edge]]) -> tuple[str, ...]:
    """Return the names of the inputs that maps depend on which do not depend on the source: as an encoder and a decoder
    have a chain each. `entries`: where each input besides the source enters the graph."""
    names = []
    for name, edges in entries.items():
        reached = {edge.node for edge in edges}
        if not reached:
            continue
        for node in graph.nodes:
            if any(child in reached for child, _ in node.next_functions):
                reached.add(node)
        beside = {node for node in reached if not graph.down[node]}
        outputs = (output for call in capture.calls if has_weight(call) for output in call.outputs)
        if any(output is not None and output.node in beside for output in outputs):
            names.append(name)
    return tuple(names)


def _usable(call: Call, graph: Graph) -> bool:
    return not call.unchanged and any(graph.depends(edge) for edge in call.outputs)
