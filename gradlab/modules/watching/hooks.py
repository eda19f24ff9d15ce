"""Hooks that read one step of a training loop: outputs in the forward, gradients inside the user's own backward."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from gradlab.modules.graph.cuts import edge_of, operation
from gradlab.modules.graph.values import tensors
from gradlab.modules.watching.chain import Site, WatchedChain
from gradlab.modules.watching.norms import Number, norm

__all__ = ["ForwardRead", "Reading", "TensorRead"]


@dataclass(slots=True, eq=False)
class TensorRead:
    """What was read of a block's tensor in one forward and its backward."""

    value_norm: Number
    elements: int
    shape: tuple[int, ...]
    attached: bool
    """Whether the tensor has a gradient."""
    gradient_norms: list[Number] = field(default_factory=list)
    """One for each backward pass through this forward."""


@dataclass(slots=True, eq=False)
class ForwardRead:
    """One forward of the model."""

    in_update: bool
    """Whether it ran inside the optimizer's step, in a closure."""
    reads: dict[int, TensorRead] = field(default_factory=dict)
    """By the place of the block."""
    begun: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    """Calls by module."""
    after: dict[str, Counter[tuple[str, tuple[int, int]]]] = field(default_factory=dict)
    """Of modules whose following operations matter, the operations since their last end."""
    mode: TorchFunctionMode | None = None
    answered: bool = False
    """Whether a gradient came back."""
    loss: Tensor | None = None
    """That the model returned."""
    loss_weight: Tensor | None = None
    """The gradient that came back to it: its share of what is differentiated, times the scale."""
    scale: Number = 1.0
    """Of the gradient scaler, when the gradient came back."""


class _Hook:
    """A hook that a copy of the module, or a saved module, does not take along."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __deepcopy__(self, memo: dict[int, Any]) -> Callable[..., None]:
        return _nothing

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing_to_call, ()


def _nothing(*_: Any) -> None:
    return None


def _nothing_to_call() -> Callable[..., None]:
    return _nothing


class _Operations(TorchFunctionMode):
    """Looks for the results of operations after the ends of calls."""

    def __init__(self, reading: Reading, forward: ForwardRead) -> None:
        super().__init__()
        self._reading, self._forward = reading, forward

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.grad_fn is not None:
            self._reading.operated(self._forward, result)
        return result


class Reading:
    """The hooks that stand on a model during one step, and what they have read."""

    def __init__(
        self, model: nn.Module, chain: Callable[[tuple[Any, ...], Mapping[str, Any]], WatchedChain],
        came_back: Callable[[ForwardRead], None], went_back: Callable[[], None], *, twice: bool,
    ) -> None:  # fmt: skip
        """Set the hooks.

        Args:
            model: without wrappers.
            chain: returns the blocks, given what the model is called with.
            came_back: called when the first gradient of a forward arrives.
            went_back: called at the end of each backward pass, when the parameters have their gradients.
            twice: wait for what else is done at the end of a backward, as by DistributedDataParallel.
        """
        self.forwards: list[ForwardRead] = []
        self.in_update = False
        self._model, self._find, self._came_back, self._went_back = model, chain, came_back, went_back
        self._twice = twice
        self._chain: WatchedChain | None = None
        self._closed = False
        self._sites: dict[str, defaultdict[str, list[tuple[int, Site]]]] = {}
        self._hidden: defaultdict[tuple[str, str], list[tuple[ForwardRead, TensorRead, Site]]] = defaultdict(list)
        """Tensors of a checkpointed forward without a graph, by module and side: their gradient comes to the tensor of
        the recomputation."""
        self._current = threading.local()  # replicas of DataParallel run in threads
        self._lock = threading.Lock()
        self._tasks: set[int] = set()
        begin = model.register_forward_pre_hook(_Hook(self._begin), with_kwargs=True)
        self._end_handle = model.register_forward_hook(_Hook(self._end), always_call=True)
        self._handles: list[RemovableHandle] = [begin]

    def close(self) -> None:
        """Remove the hooks."""
        self._closed = True
        self._leave(getattr(self._current, "forward", None))
        for handle in (*self._handles, self._end_handle):
            handle.remove()

    # forward

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        busy = getattr(self._current, "busy", False) or getattr(self._current, "forward", None) is not None
        if busy or self._closed or not torch.is_grad_enabled():
            return
        self._current.busy = True  # a model that cannot be copied is called itself to find its blocks
        try:
            with self._lock:
                if self._chain is None:
                    self._chain = self._find(args, kwargs)
                    if self._closed:
                        return
                    self._place_hooks(self._chain)
        finally:
            self._current.busy = False
        forward = self._current.forward = ForwardRead(self.in_update)
        self.forwards.append(forward)
        if after := self._sites["after"]:
            forward.after = {name: Counter() for name in after}
            forward.mode = _Operations(self, forward)
            forward.mode.__enter__()  # type: ignore[no-untyped-call]

    def _place_hooks(self, chain: WatchedChain) -> None:
        self._sites = {side: defaultdict(list) for side in ("output", "input", "after")}
        for place, block in enumerate(chain.blocks):
            if block.site is not None:
                self._sites[block.site.side][block.site.module].append((place, block.site))
        for name in self._sites["input"]:
            hook = _Hook(partial(self._taken, name))
            self._handles.append(self._model.get_submodule(name).register_forward_pre_hook(hook, with_kwargs=True))
        for name in {**self._sites["output"], **self._sites["after"]}:
            hook = _Hook(partial(self._made, name))
            self._handles.append(self._model.get_submodule(name).register_forward_hook(hook))
        self._end_handle.remove()  # and set again: it must be the last of the model's own
        self._end_handle = self._model.register_forward_hook(_Hook(self._end), always_call=True)

    def _end(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        forward: ForwardRead | None = getattr(self._current, "forward", None)
        if forward is None or getattr(self._current, "busy", False):
            return
        self._leave(forward)
        with torch._C.DisableTorchFunction():
            for name, tensor in tensors(output):
                edge = edge_of(tensor) if tensor.is_floating_point() else None
                if edge is not None:
                    edge.node.register_prehook(partial(self._reached, forward))
                if name == "loss" and tensor.numel() == 1 and edge is not None:
                    forward.loss = tensor.detach().clone()
                    edge.node.register_prehook(partial(self._weighed, forward, edge.output))

    def _leave(self, forward: ForwardRead | None) -> None:
        self._current.forward = None
        if forward is not None and forward.mode is not None:
            forward.mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            forward.mode = None

    def _taken(self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        with torch._C.DisableTorchFunction():
            self._called(name, "input", (args, kwargs))

    def _made(self, name: str, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        with torch._C.DisableTorchFunction():
            self._called(name, "output", output)

    def _called(self, name: str, side: str, value: Any) -> None:
        forward: ForwardRead | None = getattr(self._current, "forward", None)
        if self._closed or getattr(self._current, "busy", False):
            return
        if forward is None:
            self._recomputed(name, side, value)
            return
        calls = forward.ended if side == "output" else forward.begun
        calls[name] += 1
        if side == "output" and name in forward.after:
            forward.after[name].clear()
        for place, site in self._sites[side][name]:
            if site.call == calls[name] and (tensor := _floating(value, site.index)) is not None:
                tensor_read = self._read(forward, place, tensor)
                if not tensor.requires_grad and not torch.is_grad_enabled():
                    self._hidden[name, side].append((forward, tensor_read, site))

    def _recomputed(self, name: str, side: str, value: Any) -> None:
        """Take the gradient of a tensor that a reentrant checkpoint has made anew in the backward."""
        if torch._C._current_graph_task_id() < 0 or not (hidden := self._hidden.get((name, side))):
            return
        forward, tensor_read, site = hidden.pop()
        tensor = _floating(value, site.index)
        if tensor is not None and tensor.requires_grad:
            tensor_read.attached = True
            self._await(forward, tensor_read, tensor)

    def operated(self, forward: ForwardRead, result: Tensor) -> None:
        """Take the result of an operation in the forward, if it is the tensor of a block."""
        with torch._C.DisableTorchFunction():
            if not forward.after or not result.ndim or result.grad_fn is None:
                return
            kind = operation(result.grad_fn), (result.ndim, result.shape[-1])
            for name, counts in forward.after.items():
                for place, site in self._sites["after"][name]:
                    is_site = (site.operation, site.like) == kind and site.call == forward.ended[name]
                    if is_site and site.index == counts[kind] and place not in forward.reads:
                        self._read(forward, place, result)
                counts[kind] += 1

    def _read(self, forward: ForwardRead, place: int, tensor: Tensor) -> TensorRead:
        tensor_read = TensorRead(norm(tensor), tensor.numel(), tuple(tensor.shape), tensor.requires_grad)
        forward.reads[place] = tensor_read
        if tensor.requires_grad:
            self._await(forward, tensor_read, tensor)
        return tensor_read

    # backward

    def _await(self, forward: ForwardRead, tensor_read: TensorRead, tensor: Tensor) -> None:
        edge = edge_of(tensor)
        assert edge is not None
        edge.node.register_prehook(partial(self._arrived, forward, tensor_read, edge.output))

    def _arrived(
        self, forward: ForwardRead, tensor_read: TensorRead, output: int, coming: tuple[Tensor | None, ...]
    ) -> None:
        gradient = coming[output]
        if self._closed or gradient is None:
            return
        tensor_read.gradient_norms.append(norm(gradient))
        self._reached(forward, coming)

    def _weighed(self, forward: ForwardRead, output: int, coming: tuple[Tensor | None, ...]) -> None:
        gradient = coming[output]
        if not self._closed and gradient is not None:
            forward.loss_weight = gradient.detach().clone()

    def _reached(self, forward: ForwardRead, _: tuple[Tensor | None, ...]) -> None:
        if self._closed:
            return
        if not forward.answered:
            forward.answered = True
            self._came_back(forward)
        task = torch._C._current_graph_task_id()
        if task not in self._tasks:
            self._tasks.add(task)
            _at_the_end_of_backward(self._ended if not self._twice else lambda: _at_the_end_of_backward(self._ended))

    def _ended(self) -> None:
        if not self._closed:
            self._went_back()


def _at_the_end_of_backward(function: Callable[[], None]) -> None:
    torch.autograd.Variable._execution_engine.queue_callback(function)


def _floating(value: Any, index: int) -> Tensor | None:
    """Return the floating tensor of a place among those in `value`."""
    with suppress(StopIteration):
        floating = (tensor for _, tensor in tensors(value) if tensor.is_floating_point())
        for _ in range(index):
            next(floating)
        return next(floating)
    return None
