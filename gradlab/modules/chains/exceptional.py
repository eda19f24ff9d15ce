"""Models without one chain of cuts: cells along time, networks in which most goes past a part of the gradient, and
those with a chain for each of several inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn
from torch.autograd.graph import Node

from gradlab.modules.chains.blocks import (
    FEWEST,
    FROM_WEIGHT_TO_WEIGHT,
    MANY,
    MOST_OF,
    REPLAYED,
    Block,
    Chain,
    along_the_chain,
    block_of,
    has_weight,
    parameters_of,
    size_of,
    weights_of,
    without_tables,
)  # fmt: skip
from gradlab.modules.chains.groups import groups_of_class, groups_of_place, largest_and_longest
from gradlab.modules.graph.activations import NORMS
from gradlab.modules.graph.capture import Call, Capture
from gradlab.modules.graph.cuts import Edge, Graph, operation

__all__ = ["hides_most", "in_order", "in_time", "other_chains"]


@dataclass(frozen=True, slots=True)
class _Cell:
    """A module that is called again with what it returned, once for each time step."""

    calls: Sequence[Call]
    states: tuple[Edge, ...]
    """Of each call that output which the next one takes."""
    module: nn.Module
    """Of the step of a replayed layer the layer."""
    parameters: int


def in_time(model: nn.Module, capture: Capture, graph: Graph) -> Chain | None:
    """Return the chain over time of a cell that is called at every step with the state that it left.

    The data enter at every step, so no state is a cut between them and the loss; the chain begins at the first state.
    Of several cells of which none holds half of the parameters, but all together do (a stack of them, an encoder and a
    decoder), it is that of the last one among the large.
    """
    by_module: dict[nn.Module, list[Call]] = {}
    for call in capture.calls:
        by_module.setdefault(call.module, []).append(call)
    repeated = [calls for calls in by_module.values() if len(calls) >= FEWEST]
    cells: list[_Cell] = []
    inside: set[nn.Module] = set()
    half = along_the_chain(model, graph) / 2 if repeated else 0
    for calls in repeated:  # outer modules first
        module = getattr(calls[0].module, REPLAYED, [calls[0].module])[0]
        place = _state_place(calls[0], calls[1], graph)
        if calls[0].module in inside or place is None:
            continue
        if graph.place(calls[0].outputs[place]) is not None:  # shared by the blocks of a chain of cuts
            inside |= {*module.modules()}
        elif (cell := _cell(module, calls, place, graph)) is not None:
            inside |= {*module.modules()}
            cells.append(cell)
            if cell.parameters >= half:
                return _over_time(cell, graph)
    if not cells or parameters_of({cell.module for cell in cells}) < half:
        return None
    largest = max(cell.parameters for cell in cells)
    return _over_time([cell for cell in cells if cell.parameters >= largest / 2][-1], graph)


def _cell(module: nn.Module, calls: Sequence[Call], place: int, graph: Graph) -> _Cell | None:
    states = [call.outputs[place] if place < len(call.outputs) else None for call in calls]
    known = tuple(edge for edge in states if edge is not None)
    parameters = parameters_of({module})
    if not parameters or len(known) < len(states) or not all(map(graph.beginning_at(known[:1]).depends, known)):
        return None
    return _Cell(calls, known, module, parameters)


def _state_place(call: Call, following: Call, graph: Graph) -> int | None:
    """Return which output of a call the next one takes, or takes something that is made of it; None for none."""
    candidates = [place for place, edge in enumerate(call.outputs) if edge is not None and edge.node in graph.order]
    taken = [place for place in candidates if call.outputs[place] in following.inputs]
    if taken or not candidates:
        return next(iter(taken), None)
    lowest = min(graph.order[edge.node] for edge in call.outputs if edge is not None and edge.node in graph.order)
    waiting = [edge.node for edge in following.inputs if edge is not None]
    reached = {*waiting}
    while waiting:
        for child, _ in waiting.pop().next_functions:
            if child is not None and child not in reached and graph.order.get(child, -1) >= lowest:
                reached.add(child)
                waiting.append(child)
    return next((place for place in candidates if (edge := call.outputs[place]) and edge.node in reached), None)


def _over_time(cell: _Cell, graph: Graph) -> Chain:
    blocks = tuple(_state(call, edge) for call, edge in zip(cell.calls, cell.states, strict=True))
    return Chain(blocks, f"every time step of {blocks[0].name}", graph.beginning_at(cell.states[:1]))


def _state(call: Call, edge: Edge) -> Block:
    """Return the block of a time step; of a replayed layer it has the layer's name."""
    layer = getattr(call.module, REPLAYED, [call.module])[0]
    name = call.name.rpartition(".")[0] if layer is not call.module else call.name
    kind = type(layer).__name__
    return Block(name or kind, kind, call.number, edge, is_state=True)


def hides_most(model: nn.Module, capture: Capture, chain: Chain) -> bool:
    """Return whether one block with several matrices holds most of the parameters, as a U-Net does between two cuts; or
    whether they lie above a chain of few blocks, where streams of several inputs mix."""
    graph = chain.graph
    parameters = without_tables(model, graph)
    half = size_of(filter(graph.uses, parameters)) / 2
    fewest = MANY if chain.rule == FROM_WEIGHT_TO_WEIGHT else FEWEST
    if len(chain.blocks) < fewest and half < size_of(p for p in parameters if graph.uses(p, beside=True)) / 4:
        return True
    if chain.of_modules and len(chain.blocks) >= MANY:  # they hold half themselves
        return False
    segment_of = graph.segments([block.edge for block in chain.blocks])
    calls: dict[int, set[nn.Module]] = {}
    for call in capture.calls:
        edges = [edge for edge in call.outputs if edge is not None and edge.node in segment_of]
        if has_weight(call) and edges and edges[0].node not in graph.beside:
            calls.setdefault(segment_of[edges[0].node], set()).add(call.module)
    uses = Counter(module for modules in calls.values() for module in modules)
    # what several segments share hides in none of them
    single = [{module for module in modules if uses[module] == 1} for modules in calls.values()]
    single = [modules for modules in single if len(modules) >= MANY]
    return any(size_of(parameters & {p for m in modules for p in weights_of(m)}) > half for modules in single)


def in_order(model: nn.Module, capture: Capture, graph: Graph) -> Chain:
    """Return the blocks in order of execution, of a model in which most lies beside a path that goes past it.

    A class whose calls end in an add or a concatenation, or the norm of one, is taken before one that makes branches;
    then modules in like places that hold nearly everything, as the items of one list do.
    """
    usable = [call for call in capture.calls if not call.unchanged and any(map(graph.depends, call.outputs))]
    total = along_the_chain(model, graph)
    groups = groups_of_class(usable, lambda calls: calls)
    joining = [group for group in groups if all(_joins(call, graph) for call in group.calls)]
    group = (
        largest_and_longest(joining, lambda _: total / 2)
        or largest_and_longest(groups_of_place(usable, lambda calls: calls), lambda _: MOST_OF * total)
        or largest_and_longest(groups, lambda _: total / 2)
    )
    members = group.calls if group is not None else [call for call in usable if has_weight(call)]
    blocks: dict[Edge, Block] = {}
    for call in sorted(members, key=lambda call: call.ended):
        edge = _output(call, graph)
        blocks.setdefault(edge, block_of(call, edge, is_cut=graph.place(edge) is not None))
    rule = "no chain: most parameters lie beside a path that goes past them; blocks in order of execution"
    return Chain(tuple(blocks.values()), rule, graph)


def _output(call: Call, graph: Graph) -> Edge:
    return next(edge for edge in call.outputs if edge is not None and graph.depends(edge))


def _joins(call: Call, graph: Graph) -> bool:
    """Return whether a call ends in an add or a concatenation, or in the norm of one."""
    node: Node | None = _output(call, graph).node
    if node is not None and operation(node) in NORMS and node.next_functions:
        node = node.next_functions[0][0]
    return node is not None and operation(node) in ("Add", "Cat")


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
