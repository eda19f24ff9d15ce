"""A copy of a model to measure, and everything about the model and the process as it was afterwards."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import checkpoint

from gradlab.modules.copies.deep import converted, deep_copy
from gradlab.modules.copies.global_state import default_dtype, random_streams

__all__ = ["Isolated", "isolated", "unwrapped", "without_checkpointing"]


@dataclass(slots=True)
class Isolated:
    """A model that may be measured in any way without anybody noticing."""

    model: nn.Module
    frozen: frozenset[str]
    """Names of the parameters that do not require a gradient in the model of the user."""
    dtypes: dict[str, torch.dtype]
    """The dtype of each parameter in the model of the user."""
    notes: list[str] = field(default_factory=list)
    """What was switched off or done otherwise, for the reader of the profile."""


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the module inside the wrappers of `torch.compile`, DataParallel and DistributedDataParallel."""
    while True:
        if isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        elif isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        else:
            return model


@contextmanager
def isolated(
    model: nn.Module, *, dtype: torch.dtype | None, train: bool | None, seed: int
) -> Generator[Isolated, None, None]:
    """As a context: a copy of `model` in `dtype` with every parameter requiring a gradient.

    Random streams start at `seed`, autocast and activation checkpointing are off, the default dtype is `dtype`; at the
    end all of it is as before. A model that cannot be copied is measured in place: its parameters and buffers get
    other tensors for the time being and then their own again.

    Args:
        model: without wrappers, see `unwrapped`. Its weights, buffers, gradients, hooks and mode are not changed.
        dtype: float64 in general; None: the model's own.
        train: the mode; None: the one that the model is in.
    """
    parameters = dict(model.named_parameters())
    frozen = frozenset(name for name, parameter in parameters.items() if not parameter.requires_grad)
    dtypes = {name: parameter.dtype for name, parameter in parameters.items()}
    notes: list[str] = []
    with ExitStack() as stack:
        stack.enter_context(random_streams(seed))
        try:
            working = deep_copy(model, dtype)
        except Exception as error:  # anything that an attribute of the user raises
            notes.append(f"measured in place, as it cannot be copied: {type(error).__name__}: {_first_line(error)}")
            stack.enter_context(_borrowed(model))
            working = model
            for parameter in working.parameters():
                parameter.grad = None  # it would be converted too
            if dtype is not None:
                converted(working, dtype)
        if dtype is not None:
            stack.enter_context(default_dtype(dtype))
        for parameter in working.parameters():
            if parameter.is_floating_point() or parameter.is_complex():
                parameter.requires_grad_(True)
        if train is not None:
            working.train(train)
        stack.enter_context(_without_autocast())
        stack.enter_context(without_checkpointing(lambda: notes.append(_CHECKPOINTING)))
        stack.enter_context(torch.enable_grad())
        yield Isolated(working, frozen, dtypes, notes)


_CHECKPOINTING = "activation checkpointing was switched off for the measurement"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")[:200]


@contextmanager
def _without_autocast() -> Iterator[None]:
    with ExitStack() as stack:
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        yield


@contextmanager
def without_checkpointing(switched_off: Callable[[], None]) -> Iterator[None]:
    """Run what a forward wants to checkpoint as if it had not asked for it.

    Both ways of `torch.utils.checkpoint` are replaced below its function `checkpoint`, which modules have imported by
    name. The reentrant way would hide the inside of a block from the graph, the other would run hooks twice.
    """
    noted = False

    def note() -> None:
        nonlocal noted
        if not noted:
            switched_off()
        noted = True

    class Reentrant:
        @staticmethod
        def apply(function: Callable[..., Any], _preserve: bool, *arguments: Any) -> Any:
            note()
            return function(*arguments)

    def other(*_: Any, **__: Any) -> Iterator[None]:
        note()
        yield

    stand_ins = {"CheckpointFunction": Reentrant, "_checkpoint_without_reentrant_generator": other}
    before = {name: getattr(checkpoint, name) for name in stand_ins if hasattr(checkpoint, name)}
    for name in before:
        setattr(checkpoint, name, stand_ins[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(checkpoint, name, value)


@contextmanager
def _borrowed(model: nn.Module) -> Iterator[None]:
    """Give parameters and buffers copies for the time being; what they and all other attributes were comes back."""
    parameters = {parameter: (parameter.data, parameter.grad, parameter.requires_grad)
                  for parameter in model.parameters()}  # fmt: skip
    modules = list(model.modules())
    buffers = [(module, dict(module._buffers)) for module in modules]
    attributes = [(module, dict(module.__dict__)) for module in modules]
    copies: dict[int, Tensor] = {}
    for parameter, (data, _, _) in parameters.items():
        parameter.data = data.clone()
    for module, saved in buffers:
        for name, buffer in saved.items():
            if buffer is not None:
                module._buffers[name] = copies.setdefault(id(buffer), buffer.detach().clone())
    try:
        yield
    finally:
        for parameter, (data, grad, requires_grad) in parameters.items():
            parameter.data = data
            parameter.grad = grad
            parameter.requires_grad_(requires_grad)
        for module, saved in buffers:
            module._buffers.clear()
            module._buffers.update(saved)
        for module, saved in attributes:
            module.__dict__.clear()
            module.__dict__.update(saved)
