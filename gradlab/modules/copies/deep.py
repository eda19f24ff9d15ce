"""A deep copy of a model, made as `copy.deepcopy` makes it in a third of the time.

What a copy of a small model costs is not its tensors but the forty attributes of each module, a dozen of them empty
dictionaries of hooks, that `copy.deepcopy` looks at one by one.
"""

from __future__ import annotations

import copy
import copyreg
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["converted", "deep_copy"]

_VALUES = frozenset({type(None), bool, int, float, str, bytes, type, torch.dtype, torch.device, torch.Size})
"""Types whose values are shared by a copy."""
_CONTAINERS = frozenset({dict, OrderedDict, set, list})


def deep_copy(model: nn.Module, dtype: torch.dtype | None) -> nn.Module:
    """Return a deep copy of a model whose parameters, floating buffers and other tensors are of `dtype`; None: of
    their own.

    Parameters have no gradient, and what a forward pass left in an attribute has no graph. A module that says itself
    how it is copied or saved is copied so.

    Raises whatever an attribute of the user raises.
    """
    memo: dict[int, Any] = {}
    copies = [(module, type(module).__new__(type(module))) for module in model.modules() if _is_plain(module)]
    memo.update((id(module), empty) for module, empty in copies)
    for parameter in model.parameters():
        if type(parameter) is nn.Parameter:
            values = _copied(parameter, dtype)
            memo[id(parameter)] = nn.Parameter(values, requires_grad=parameter.requires_grad)
    if dtype is not None:
        for buffer in model.buffers():
            # one that is converted shares its memory with nothing afterwards, so that it can be copied by itself
            if type(buffer) is Tensor and buffer.is_floating_point() and buffer.dtype != dtype and buffer.is_leaf:
                memo[id(buffer)] = _copied(buffer, dtype).requires_grad_(buffer.requires_grad)
    with _OtherTensors(dtype):
        for module, empty in reversed(copies):  # children before those that they are part of, as copy.deepcopy does
            state = {
                name: _attribute(value, memo) if type(value) not in _VALUES else value
                for name, value in module.__getstate__().items()  # type: ignore[no-untyped-call]
            }
            empty.__setstate__(state)  # type: ignore[no-untyped-call]
        copied: nn.Module = copy.deepcopy(model, memo)
    return copied if dtype is None else converted(copied, dtype)


class _OtherTensors(TorchFunctionMode):
    """Copies tensors that are attributes of a module, or of anything it holds: those of a graph without it, which
    `copy.deepcopy` refuses to do, and those that have another dtype than the copied model in that."""

    def __init__(self, dtype: torch.dtype | None) -> None:
        super().__init__()
        self._dtype = dtype

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        if func is Tensor.__deepcopy__ and type(args[0]) is Tensor:
            tensor, memo = args
            if not tensor.is_leaf or tensor.dtype != _like(tensor, self._dtype):
                if id(tensor) not in memo:
                    memo[id(tensor)] = _copied(tensor, self._dtype).requires_grad_(
                        tensor.is_leaf and tensor.requires_grad
                    )
                return memo[id(tensor)]
        return func(*args, **(kwargs or {}))


def converted(model: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Change a model's floating parameters and buffers to `dtype`, its complex ones to pairs of it; return the model.

    `Module.to` would leave nothing of the imaginary parts, of a table of rotations, say.
    """
    tensors = (tensor for module in model.modules() for group in (module._parameters, module._buffers)
           for tensor in group.values())  # fmt: skip
    if any(tensor is not None and tensor.dtype != _like(tensor, dtype) for tensor in tensors):
        model._apply(lambda tensor: tensor.to(_like(tensor, dtype)))  # type: ignore[no-untyped-call]
    return model


def _like(tensor: Tensor, dtype: torch.dtype | None) -> torch.dtype:
    if dtype is None:
        return tensor.dtype
    return dtype if tensor.is_floating_point() else dtype.to_complex() if tensor.is_complex() else tensor.dtype


def _copied(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor.detach().to(_like(tensor, dtype), copy=True)


def _attribute(value: Any, memo: dict[int, Any]) -> Any:
    """Return the copy of an attribute: of an empty container or one of modules and tensors without `copy.deepcopy`."""
    kind = type(value)
    known = memo.get(id(value))
    if known is not None:
        return known
    if kind not in _CONTAINERS or (value and (kind in (set, list) or not all(type(key) is str for key in value))):
        return copy.deepcopy(value, memo)
    memo[id(value)] = copied = kind()
    for name, inner in value.items() if value else ():
        known = memo.get(id(inner))
        if known is None:
            known = inner if type(inner) in _VALUES else copy.deepcopy(inner, memo)
        copied[name] = known
    return copied


_HOW = ("__new__", "__reduce_ex__", "__reduce__", "__getnewargs_ex__", "__getnewargs__", "__slots__")


def _is_plain(module: nn.Module) -> bool:
    """Return whether a module is copied by its attributes, as far as its class says."""
    kind: Any = type(module)
    return "__deepcopy__" not in module.__dict__ and _is_plain_class(kind)


@lru_cache(maxsize=1024)
def _is_plain_class(kind: Any) -> bool:
    if hasattr(kind, "__deepcopy__") or kind in copyreg.dispatch_table:
        return False
    if any(name in vars(part) for part in kind.__mro__[:-1] for name in _HOW):
        return False
    owners = [next(part for part in kind.__mro__ if name in vars(part)) for name in ("__getstate__", "__setstate__")]
    return all(owner.__module__.startswith("torch.nn.modules.") or owner is object for owner in owners)
