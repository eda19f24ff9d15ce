"""Groups of calls that may be the blocks of a model: of one class, or of several classes in like places.

Names that differ by numbers alone stand for like places: ``stages.0.blocks.1`` and ``stages.3.blocks.0``. Networks that
change the kind of block on their way (convolutions below, attention above) have their blocks there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from torch import nn

from gradlab.modules.chains.blocks import (
    CONTAINERS,
    FEWEST,
    MANY,
    MOST_OF,
    Chain,
    along_the_chain,
    block_of,
    has_weight,
    output_place,
    parameters_of,
    size_of,
    weights_of,
)  # fmt: skip
from gradlab.modules.graph.capture import Call, Capture
from gradlab.modules.graph.cuts import Graph

__all__ = ["Group", "groups_of_class", "groups_of_place", "largest_and_longest", "of_class", "of_places"]

_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True)
class Group:
    """Calls of modules that are alike, in the order in which they ended."""

    calls: tuple[Call, ...]

    @cached_property
    def modules(self) -> frozenset[nn.Module]:
        return frozenset(call.module for call in self.calls)

    @cached_property
    def parameters(self) -> int:
        """Number of different parameters of all modules."""
        return parameters_of(self.modules)

    @property
    def label(self) -> str:
        """The classes; of more than three the pattern that their names have in common."""
        kinds = list(dict.fromkeys(call.kind for call in self.calls))
        if len(kinds) > 3:
            return _NUMBERS.sub("*", self.calls[0].name)
        return " and ".join([", ".join(kinds[:-1]), kinds[-1]] if kinds[1:] else kinds)

    @property
    def is_of_stages(self) -> bool:
        """Whether a module is a list of like modules, as the stages of a network are."""
        return any(
            isinstance(part, CONTAINERS) and _repeats(part) for module in self.modules for part in module.modules()
        )

    def contains(self, other: Group) -> bool:
        """Whether modules of another group are inside of modules of this one."""
        parts = {part for module in self.modules for part in module.modules() if part is not module}
        return not parts.isdisjoint(other.modules)


def _repeats(container: nn.Module) -> bool:
    kinds = Counter(type(child) for child in container.children() if next(child.children(), None) is not None)
    return max(kinds.values(), default=0) > 1


def of_class(model: nn.Module, capture: Capture, graph: Graph) -> Chain | None:
    """Return the chain of the calls of one class, with those of other classes in like places."""
    groups = groups_of_class(capture.calls, partial(_longest_run, graph))
    group = largest_and_longest(groups, partial(_half, model, capture, graph))
    if group is None:
        return None
    places = groups_of_place(capture.calls, partial(_longest_run, graph))
    wider = [other for other in places if group.modules < other.modules]
    return _chain(max(wider, key=lambda other: len(other.calls), default=group), graph)


def of_places(model: nn.Module, capture: Capture, graph: Graph) -> Chain | None:
    """Return the chain of calls in like places, of whatever classes."""
    groups = groups_of_place(capture.calls, partial(_longest_run, graph))
    group = largest_and_longest(groups, partial(_half, model, capture, graph))
    return None if group is None else _chain(group, graph)


def _chain(group: Group, graph: Graph) -> Chain | None:
    """Return the chain of a group; None for a few stages with many joins inside, which say more."""
    if len(group.calls) < MANY and len(graph.joins) >= FEWEST * len(group.calls) and group.is_of_stages:
        return None
    places = [(call, output_place(graph, call)) for call in group.calls]
    blocks = tuple(block_of(call, graph.cuts[place]) for call, place in places if place is not None)
    return Chain(blocks, f"every {group.label}", graph, of_modules=True)


def _longest_run(graph: Graph, calls: Sequence[Call]) -> Sequence[Call]:
    """Return the longest run of calls that all end in a cut, in the order of the cuts, the first call of each.

    Of an encoder and a decoder of one class that is the encoder: inside the decoder there is no cut.
    """
    runs: list[dict[int, Call]] = [{}]
    for call in calls:
        place = output_place(graph, call)
        if place is None:
            runs.append({})
        else:
            runs[-1].setdefault(place, call)
    return [call for _, call in sorted(max(runs, key=len).items())]


def _half(model: nn.Module, capture: Capture, graph: Graph, group: Group) -> float:
    """Return half of the parameters that blocks could hold, without those of a readout of one or two maps: in a small
    network of many classes or words it holds more than all blocks."""
    top = output_place(graph, group.calls[-1])
    assert top is not None
    readout = {
        call.module
        for call in capture.calls
        if has_weight(call) and any(e is not None and graph.highest_cut.get(e.node, -1) > top for e in call.outputs)
    }
    inside = {part for module in group.modules for part in module.modules()}
    readout = {module for module in readout - inside if group.modules.isdisjoint(module.modules())}
    head = {parameter for module in readout for parameter in weights_of(module)}
    return (along_the_chain(model, graph) - (size_of(head) if len(readout) < FEWEST else 0)) / 2


def groups_of_class(calls: Iterable[Call], usable: Callable[[Sequence[Call]], Sequence[Call]]) -> list[Group]:
    """Return the groups of at least `FEWEST` calls of modules of one class.

    Modules without children and containers (Sequential, ModuleList) belong to none. `usable`: of the calls of a group
    those that can be blocks.
    """
    return _groups(calls, lambda call: type(call.module), usable)


def groups_of_place(calls: Iterable[Call], usable: Callable[[Sequence[Call]], Sequence[Call]]) -> list[Group]:
    """Return those of modules with parameters whose names differ by numbers alone, see `groups_of_class`."""
    with_parameters = [call for call in calls if next(call.module.parameters(), None) is not None]
    return _groups(with_parameters, lambda call: _NUMBERS.sub("*", call.name), usable)


def _groups(
    calls: Iterable[Call], key: Callable[[Call], Any], usable: Callable[[Sequence[Call]], Sequence[Call]]
) -> list[Group]:
    by_key: dict[Any, list[Call]] = {}
    for call in sorted(calls, key=lambda call: call.ended):
        if not (isinstance(call.module, CONTAINERS) or call.unchanged or not _has_parts(call.module)):
            by_key.setdefault(key(call), []).append(call)
    groups = (Group(tuple(usable(calls))) for calls in by_key.values())
    return [group for group in groups if len(group.calls) >= FEWEST]


def _has_parts(module: nn.Module) -> bool:
    """Return whether a module has others inside that do more than compute its weight."""
    return any(name != "parametrizations" for name, _ in module.named_children())


def largest_and_longest(
    groups: Sequence[Group], least: Callable[[Group], float], share: float = MOST_OF
) -> Group | None:
    """Return of the groups that hold at least as many parameters as `least` says, and at least a `share` of what any
    group holds, the one with most calls, on a tie the containing one; None where there is none."""
    most = max((group.parameters for group in groups), default=0)
    large = [group for group in groups if group.parameters >= max(1, least(group), share * most)]
    longest = max((len(group.calls) for group in large), default=0)
    candidates = [group for group in large if len(group.calls) == longest]
    outermost = (group for group in candidates if not any(other.contains(group) for other in candidates))
    return next(outermost, candidates[0] if candidates else None)
