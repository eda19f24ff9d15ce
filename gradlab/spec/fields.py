"""One value of a setting, from a document to the canonical value that a `Cell` holds."""

from __future__ import annotations

import types
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError

from gradlab.cell import SETTINGS
from gradlab.components import nearest
from gradlab.query import ranges
from gradlab.spec import components
from gradlab.spec.node import Node, Problems, ScalarNode, SequenceNode, show

__all__ = ["holds_list", "is_range", "parse", "spread"]

_NONE_IS_ZERO = frozenset({"bias_std", "dropout", "l1", "l2", "weight_decay", "train.warmup"})
"""Numbers that switch something off at 0, for which `none` is another way to write 0."""


def holds_list(key: str) -> bool:
    """Whether one value of the setting may be a list (`probe.at`)."""
    return any(get_origin(kind) is tuple for kind in _alternatives(SETTINGS[key].annotation))


def spread(key: str, node: Node, problems: Problems) -> list[Node]:
    """Return the values that `node` lists for a setting: itself, the items of a list, the numbers of ranges."""
    listed = node.items if isinstance(node, SequenceNode) else (node,)
    if holds_list(key):  # a range is one value there
        return list(listed)
    return [one for item in listed for one in _ranged(key, item, problems)]


def _ranged(key: str, node: Node, problems: Problems) -> list[Node]:
    if not is_range(key, node):
        return [node]
    assert isinstance(node, ScalarNode)
    try:
        found = ranges.parse(node.text).values()
    except ranges.RangeError as error:
        problems.add(node.mark, str(error), error.hint)
        return []
    return [ScalarNode(node.mark, repr(value), value) for value in found]


def is_range(key: str, node: Node) -> bool:
    """Whether `node` means to be a range of numbers for this setting."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        return False
    return not SETTINGS[key].is_component and ranges.is_range(node.text)


def parse(key: str, node: Node, base: Path, problems: Problems, *, pattern: bool = False) -> Any:
    """Return the canonical value of a setting, or None after adding to `problems` why there is none.

    A component comes as `ParsedComponent`. Paths are relative to `base`; in a `pattern` a bare name stands for
    every form of a component.
    """
    if SETTINGS[key].is_component:
        return components.parse(key, node, base, problems, pattern=pattern)
    if holds_list(key) and (isinstance(node, SequenceNode) or is_range(key, node)):
        return _list(key, node, problems)
    value = _plain(key, node)
    if isinstance(value, float) and not isfinite(value):
        problems.add(node.mark, f"{_title(key)} must be finite, found {show(node)}")
        return None
    try:
        found = None if value is None else _adapter(key).validate_python(value)
    except ValidationError:
        found = None
    if found is None:
        problems.add(node.mark, _refusal(key, node), _hint(key, node))
    return found + 0.0 if isinstance(found, float) else found  # -0.0 becomes 0.0


def _plain(key: str, node: Node) -> float | str | None:
    """Return what a single value means for this setting, in the type it wants; None where it means nothing."""
    if not isinstance(node, ScalarNode) or node.empty or isinstance(node.value, bool):
        return None
    kinds = _alternatives(SETTINGS[key].annotation)
    value = 0 if node.value is None and key in _NONE_IS_ZERO else node.value
    if isinstance(value, float) and value.is_integer() and float not in kinds:
        return int(value)
    if isinstance(value, int) and float in kinds:
        return float(value)
    return value


def _list(key: str, node: Node, problems: Problems) -> tuple[int, ...] | None:
    """Return the whole numbers of a list or range, ascending and each once; None after adding to `problems`."""
    listed = node.items if isinstance(node, SequenceNode) else (node,)
    ranged = [_ranged(key, item, problems) for item in listed]
    if not listed:
        problems.add(node.mark, f"{key} is an empty list")
    found = set()
    for item in (one for some in ranged for one in some):
        value = item.value if isinstance(item, ScalarNode) and not isinstance(item.value, bool) else None
        if not isinstance(value, int) or value < 0:
            problems.add(item.mark, f"a step of {key} must be a whole number of at least 0, found {show(item)}")
            return None
        found.add(value)
    return tuple(sorted(found)) if all(ranged) and found else None


@lru_cache
def _adapter(key: str) -> TypeAdapter[Any]:
    annotation = SETTINGS[key].annotation
    return TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False))


def _title(key: str) -> str:
    return "a seed" if key == "seed" else key


def _refusal(key: str, node: Node) -> str:
    if isinstance(node, ScalarNode) and node.empty:
        return f"{_title(key)} has no value"
    return f"{_title(key)} must be {_expected(SETTINGS[key].annotation)}, found {show(node)}"


def _hint(key: str, node: Node) -> str:
    if isinstance(node, SequenceNode):
        return f"to vary it, write it under grid: as {key}: [...]"
    if not isinstance(node, ScalarNode):
        return ""
    if node.quoted and not isinstance(ScalarNode.plain(node.mark, node.text).value, str):
        return "remove the quotes"
    words = [
        w for kind in _alternatives(SETTINGS[key].annotation) if get_origin(kind) is Literal for w in get_args(kind)
    ]
    if isinstance(node.value, str) and (close := nearest(node.value, words)):
        return f"did you mean '{close}'?"
    return f"write [{node.text}]" if holds_list(key) and isinstance(node.value, int) else ""


@lru_cache(maxsize=256)
def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return what a value may be, without bounds and without None: float, int, Literal, tuple."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(kind for one in get_args(annotation) for kind in _alternatives(one))
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    return () if annotation is type(None) else (annotation,)


def _expected(annotation: Any, plural: bool = False) -> str:
    """Return what a type admits, in words."""
    origin = get_origin(annotation)
    args = get_args(annotation)
    if origin in (Union, types.UnionType):
        *first, last = [part for one in args if one is not type(None) for part in _expected(one).split(", ")]
        return f"{', '.join(first)} or {last}" if first else last
    if origin is Literal:
        return ", ".join(map(str, args))
    if origin is tuple:
        return f"a list of {_expected(args[0], plural=True)}"
    bounds = []
    if origin is Annotated:
        annotation, *limits = args
        for limit in limits:
            if isinstance(limit, Ge):
                bounds.append(f"of at least {limit.ge}")
            elif isinstance(limit, Gt):
                bounds.append(f"above {limit.gt}")
            elif isinstance(limit, Lt):
                bounds.append(f"below {limit.lt}")
    kind = "whole number" if annotation is int else "number"
    return " ".join(filter(None, [f"{kind}s" if plural else f"a {kind}", " and ".join(bounds)]))
