"""The tensors inside what a model takes and gives: tuples, mappings, dataclasses, outputs of Hugging Face."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

__all__ = ["mapped", "tensors"]

_DEEPEST = 8
"""Levels that are looked through; an object of the user may contain itself."""


def tensors(value: Any, depth: int = _DEEPEST) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors inside `value` in order, each with the names that lead to it, joined by dots."""
    if isinstance(value, Tensor):
        yield "", value
        return
    for name, part in _parts(value) if depth else ():
        if isinstance(part, Tensor):  # the usual case, without a generator of its own
            yield name, part
            continue
        for inner, tensor in tensors(part, depth - 1):
            yield f"{name}.{inner}" if inner else name, tensor


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):  # also the outputs of Hugging Face, which are ordered dictionaries and dataclasses
        yield from ((str(name), part) for name, part in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(place), part) for place, part in enumerate(value))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))


def mapped(function: Callable[[Tensor], Tensor], value: Any, depth: int = _DEEPEST) -> Any:
    """Return `value` with `function` applied to every tensor in its tuples, lists, mappings and dataclasses.

    What holds no tensor is handed on as it is; what cannot be made anew is too.
    """
    if isinstance(value, Tensor):
        return function(value)
    if not depth or next(tensors(value, depth), None) is None:
        return value
    if isinstance(value, Mapping):
        parts = {name: mapped(function, part, depth - 1) for name, part in value.items()}
        try:
            return type(value)(parts) if type(value) is not dict else parts  # type: ignore[call-arg]
        except TypeError:
            return parts
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(function, part, depth - 1) for part in value))
    if isinstance(value, list | tuple):
        return type(value)(mapped(function, part, depth - 1) for part in value)
    changes = {field.name: mapped(function, getattr(value, field.name), depth - 1)
               for field in dataclasses.fields(value) if field.init}  # fmt: skip
    return dataclasses.replace(value, **changes)
