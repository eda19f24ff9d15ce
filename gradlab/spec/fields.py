"""One value of a setting, from a document to the canonical value that a `Cell` holds."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradlab.cell import SETTINGS, parameters_of
from gradlab.query import notations, ranges
from gradlab.spec import components, parameters
from gradlab.spec.node import Node, Problems, ScalarNode, SequenceNode, items_of

__all__ = ["holds_list", "is_range", "is_several", "parse", "spread"]


def holds_list(key: str) -> bool:
    """Whether one value of the setting may be a list (`probe.at`)."""
    return key in SETTINGS and SETTINGS[key].param.many


def spread(key: str, node: Node, problems: Problems) -> list[Node]:
    """Return the values that `node` lists for a setting: itself, the items of a list, the numbers of ranges."""
    if holds_list(key):  # a range is one value there
        return list(items_of(node))
    return [value for item in items_of(node) for value in _ranged(key, item, problems)]


def _ranged(key: str, node: Node, problems: Problems) -> list[Node]:
    if not is_several(key, node):
        return [node]
    assert isinstance(node, ScalarNode)
    try:
        if not ranges.is_range(node.text):
            return [
                ScalarNode.plain(node.mark, number)
                for number in notations.numbers_of(node.text, whole=_kinds(key) == {int})
            ]
        numbers = ranges.parse(node.text).values()
    except ranges.RangeError as error:
        problems.add(node.mark, str(error), error.hint)
        return []
    return [ScalarNode(node.mark, repr(value), value) for value in numbers]


def is_several(key: str, node: Node) -> bool:
    """Whether `node` means to be several numbers for this setting: a range, or what other tools write for one."""
    if is_range(key, node):
        return True
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        return False
    return _is_numeric(key) and notations.is_notation(node.text)


def is_range(key: str, node: Node) -> bool:
    """Whether `node` means to be a range of numbers for this setting."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        return False
    return _is_numeric(key) and ranges.is_range(node.text)


def _is_numeric(key: str) -> bool:
    """Whether a setting, or a parameter of some component under its dotted key, can be a number."""
    return not _kinds(key).isdisjoint((int, float))


def _kinds(key: str) -> set[type]:
    return {SETTINGS[key].param.kind} if key in SETTINGS else {param.kind for param in parameters_of(key)}


def parse(
    key: str, node: Node, base: Path, problems: Problems, *, pattern: bool = False, elsewhere: Collection[str] = ()
) -> Any:
    """Return the canonical value of a setting, or None after adding to `problems` why there is none.

    A component comes as `ParsedComponent`. Paths are relative to `base`; in a `pattern` a bare name stands for
    every form of a component. Parameters given `elsewhere` may be missing.
    """
    if SETTINGS[key].is_component:
        return components.parse(key, node, base, problems, pattern=pattern, elsewhere=elsewhere)
    if holds_list(key) and (isinstance(node, SequenceNode) or is_several(key, node)):
        return _list(key, node, problems)
    hint = ""
    if isinstance(node, SequenceNode):
        hint = f"to vary it, write it under grid: as {key}: [...]"
    elif holds_list(key) and isinstance(node, ScalarNode) and isinstance(node.value, int):
        hint = f"write [{node.text}]"
    return parameters.read("a seed" if key == "seed" else key, SETTINGS[key].param, node, problems, hint)


def _list(key: str, node: Node, problems: Problems) -> tuple[int, ...] | None:
    """Return the whole numbers of a list or range, ascending and each once; None after adding to `problems`."""
    spread_out = [_ranged(key, item, problems) for item in items_of(node)]
    if not spread_out:
        problems.add(node.mark, f"{key} is an empty list")
    item_param = replace(SETTINGS[key].param, many=False, choices=())
    numbers = set()
    for item in (item for items in spread_out for item in items):
        number = parameters.read(f"a step of {key}", item_param, item, problems)
        if number is None:
            return None
        numbers.add(number)
    return tuple(sorted(numbers)) if all(spread_out) and numbers else None
