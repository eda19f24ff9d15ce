"""The tensors inside what a model takes and gives: tuples, mappings, dataclasses, graphs, outputs of Hugging Face."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from torch import Tensor, nn

__all__ = ["is_graph", "is_record", "mapped", "tensors"]

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
    elif stores := _stores(value):
        for prefix, store in stores:
            yield from ((f"{prefix}{name}", part) for name, part in store.items())
    elif is_record(value):
        yield from vars(value).items()


def is_graph(value: Any) -> bool:
    """Return whether a value is a graph of torch_geometric, which can be called, and has rows that belong together."""
    return bool(_stores(value))


def _stores(value: Any) -> list[tuple[str, MutableMapping[str, Any]]]:
    """Return the parts of a graph of torch_geometric, those of a kind of nodes or edges each with its name."""
    stores = getattr(value, "stores", None)
    if not isinstance(stores, list) or not all(isinstance(store, MutableMapping) for store in stores):
        return []
    kinds = (getattr(store, "_key", None) for store in stores)
    names = ("" if kind is None else f"{'.'.join(kind) if isinstance(kind, tuple) else kind}." for kind in kinds)
    return [*zip(names, stores, strict=True)]


def is_record(value: Any) -> bool:
    """Return whether a value is an object of any class, no module, with tensors among its attributes."""
    if isinstance(value, nn.Module | type):
        return False
    attributes = getattr(value, "__dict__", None)
    return isinstance(attributes, dict) and any(isinstance(part, Tensor) for part in attributes.values())


def mapped(function: Callable[[Tensor], Tensor], value: Any, depth: int = _DEEPEST) -> Any:
    """Return `value` with `function` applied to every tensor in its tuples, lists, mappings and objects.

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
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {field.name: mapped(function, getattr(value, field.name), depth - 1)
                   for field in dataclasses.fields(value) if field.init}  # fmt: skip
        return dataclasses.replace(value, **changes)
    copied = copy.copy(value)
    attributes: list[MutableMapping[str, Any]] = [store for _, store in _stores(copied)] or [vars(copied)]
    for group in attributes:
        for name, part in [*group.items()]:
            group[name] = mapped(function, part, depth - 1)
    return copied
