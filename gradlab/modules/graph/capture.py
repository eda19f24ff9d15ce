"""One forward pass as it is recorded: which modules were called in which order, and the tensors they took and made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from gradlab.modules.graph.cuts import Edge, edge_of
from gradlab.modules.graph.values import tensors

__all__ = ["Call", "Capture", "Value", "captured"]


@dataclass(slots=True)
class Call:
    """One call of a module."""

    name: str
    module: nn.Module
    number: int
    """1 for the first call of the module, 2 for the second: each is a block of its own."""
    parent: Call | None
    inputs: list[Edge | None]
    outputs: list[Edge | None] = field(default_factory=list)
    """Where the floating tensors it took and made stand in the graph; None for those outside."""
    begun: int = 0
    ended: int = -1
    """Its place among all beginnings and endings of calls; -1 while it runs."""
    direct: bool = False
    """Whether its forward was called, not the module: hooks do not run then."""

    @property
    def kind(self) -> str:
        return type(self.module).__name__

    @property
    def unchanged(self) -> bool:
        """Whether it hands on what it took, as Identity does, and Dropout in evaluation."""
        return bool(self.outputs) and all(output is not None and output in self.inputs for output in self.outputs)


@dataclass(slots=True)
class Value:
    """The value of a tensor of the graph when it was made."""

    tensor: Tensor
    version: int

    @property
    def intact(self) -> bool:
        """Whether no operation in place has written over it since."""
        return _version(self.tensor) == self.version


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was changed in place; tensors of inference mode do not count."""
    return -1 if tensor.is_inference() else tensor._version


class Capture:
    """What one forward pass left."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        """In the order in which they began."""
        self.values: dict[Edge, Value] = {}
        self.last_call: dict[Edge, Call] = {}
        """Of a tensor that no module hands out (an add in a parent's forward): the call that ended last before it."""
        self.detached: list[tuple[str, Call | None]] = []
        """Where a tensor that has a gradient was cut off, in order: by ``detach``, ``no_grad`` or ``inference_mode``,
        in which call."""
        self.uncalled: list[str] = []
        """Names of modules with parameters of their own that were never called."""


class _Recorder(TorchFunctionMode):
    """Notes the tensors that operations make, and of those that are about to be changed in place a copy."""

    def __init__(
        self, capture: Capture, running: list[Call], finished: list[Call], *, attached: bool, dtype: torch.dtype | None
    ) -> None:
        super().__init__()
        self._capture, self._running, self._finished, self._attached = capture, running, finished, attached
        self._dtype = dtype

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if func == _SET_REQUIRES_GRAD and args[0].grad_fn is not None:
            return None  # of what a leaf has become by the gradient of the input, it is true already
        if _in_place(name, kwargs):
            self._keep(args)
        cut_off = self._cuts_off(name, args)
        if cut_off and self._attached:
            with torch.inference_mode(False), torch.enable_grad():
                result = args[0].view_as(args[0]) if name in ("detach", "detach_") else func(*args, **kwargs)
        else:
            result = func(*args, **kwargs)
            if self._dtype is not None and type(result) is Tensor and _is_constant(result, self._dtype, args, kwargs):
                result = result.to(self._dtype)
        if cut_off and isinstance(result, Tensor):
            self._capture.detached.append((cut_off, self._running[-1] if self._running else None))
        if isinstance(result, Tensor) and result.grad_fn is not None:
            self._note(result)
        elif isinstance(result, tuple | list):
            for part in result:
                if isinstance(part, Tensor) and part.grad_fn is not None:
                    self._note(part)
        return result

    def _cuts_off(self, name: str, args: tuple[Any, ...]) -> str:
        """Return what keeps the gradient from going through an operation on a tensor that has one; empty if nothing."""
        if name == "__get__" or not any(isinstance(tensor, Tensor) and tensor.requires_grad for tensor in args):
            return ""
        if name in ("detach", "detach_"):
            return "detach"
        if torch.is_inference_mode_enabled():
            return "inference_mode"
        return "" if torch.is_grad_enabled() else "no_grad"

    def _note(self, tensor: Tensor) -> None:
        edge = edge_of(tensor)
        if edge is not None and edge not in self._capture.values:
            self._capture.values[edge] = Value(tensor.detach(), _version(tensor))
            if self._finished:
                self._capture.last_call[edge] = self._finished[-1]

    def _keep(self, args: tuple[Any, ...]) -> None:
        """Copy the value of what is about to be changed."""
        if args and isinstance(args[0], Tensor) and (edge := edge_of(args[0])) is not None:
            value = self._capture.values.get(edge)
            if value is not None and value.intact:
                copied = value.tensor.clone()
                self._capture.values[edge] = Value(copied, _version(copied))


def _is_constant(result: Tensor, dtype: torch.dtype, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether an operation made floating numbers of another dtype from no floating tensor: positions, say, by
    ``torch.arange(n, dtype=torch.float32)`` or ``float()`` of integers, which fit the weights of the user alone."""
    if result.dtype == dtype or not result.is_floating_point() or "out" in kwargs:
        return False
    # what is read or changed of a tensor itself stays as it is
    return not any(tensor.is_floating_point() or tensor.is_complex() for _, tensor in tensors([args, kwargs]))


_SET_REQUIRES_GRAD = Tensor.requires_grad.__set__  # type: ignore[attr-defined]
_ASSIGNMENTS = {
    f"__{name}__"
    for name in (
        "setitem", "iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow", "imatmul", "iand", "ior", "ixor",
        "ilshift", "irshift",
    )
}  # fmt: skip


def _in_place(name: str, kwargs: dict[str, Any]) -> bool:
    return (
        (name.endswith("_") and not name.endswith("__"))
        or name in _ASSIGNMENTS
        or bool(kwargs.get("inplace"))
        or kwargs.get("out") is not None
    )


def _is_of_the_user(module: nn.Module) -> bool:
    """Return whether a module is of no class of torch, whose parts call each other as modules."""
    return not (type(module).__module__.startswith("torch.") or "forward" in module.__dict__)


@contextmanager
def captured(model: nn.Module, *, attached: bool = False, dtype: torch.dtype | None = None) -> Iterator[Capture]:
    """As a context: record what is called inside `model`, and each floating tensor that has a place in the graph.

    Values are references, not copies, except where an operation in place is about to change them. `attached`: run as
    if nothing inside cut a gradient off, to see the chain that there would be. `dtype`: of a model that was converted
    to it: constants that its forward makes in another one are converted as well. None: everything as it is.
    """
    capture = Capture()
    running: list[Call] = []
    finished: list[Call] = []
    numbers: Counter[nn.Module] = Counter()
    names = {module: name for name, module in reversed([*model.named_modules(remove_duplicate=False)])}
    places = iter(range(10**9))

    def begin(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], *, direct: bool = False) -> None:
        with torch._C.DisableTorchFunction():  # else what is read of a tensor here would be recorded too
            noted(module, args, kwargs, direct)

    def noted(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], direct: bool) -> None:
        numbers[module] += 1
        parent = running[-1] if running else None
        arguments = (*tensors(args), *tensors(kwargs)) if kwargs else tensors(args)
        inputs = [edge_of(tensor) for _, tensor in arguments if tensor.is_floating_point()]
        call = Call(names[module], module, numbers[module], parent, inputs, begun=next(places), direct=direct)
        capture.calls.append(call)
        running.append(call)

    def end(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        while running:  # a call that raised and was caught inside the model has no end
            call = running.pop()
            if call.module is module:
                break
        else:
            return
        call.ended = next(places)
        with torch._C.DisableTorchFunction():
            for _, tensor in tensors(output):
                if tensor.is_floating_point():
                    edge = edge_of(tensor)
                    call.outputs.append(edge)
                    if edge is not None and edge not in capture.values:
                        capture.values[edge] = Value(tensor.detach(), _version(tensor))
        finished.append(call)

    def called_directly(module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        """Return a forward that records a call ``module.forward(x)``, which passes the hooks by."""

        @wraps(forward)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            if running and running[-1].module is module:
                return forward(*args, **kwargs)
            begin(module, args, kwargs, direct=True)
            output = forward(*args, **kwargs)
            end(module, args, kwargs, output)
            return output

        return recorded

    handles: list[RemovableHandle] = []
    wrapped: list[nn.Module] = []
    try:
        for module in model.modules():
            handles.append(module.register_forward_pre_hook(begin, with_kwargs=True))
            handles.append(module.register_forward_hook(end, with_kwargs=True))
            if _is_of_the_user(module):
                module.__dict__["forward"] = called_directly(module, module.forward)
                wrapped.append(module)
        with _Recorder(capture, running, finished, attached=attached, dtype=dtype):
            yield capture
    finally:
        for handle in handles:
            handle.remove()
        for module in wrapped:
            del module.__dict__["forward"]
    capture.uncalled = [
        names[module]
        for module in model.modules()
        if not numbers[module] and next(module.parameters(recurse=False), None) is not None
    ]
