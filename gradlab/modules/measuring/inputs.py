"""What a model is called with, where the data enters its graph, and the number that is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradlab.errors import UsageError
from gradlab.modules.graph.cuts import Edge, edge_of
from gradlab.modules.graph.values import is_graph, is_record, mapped, tensors
from gradlab.modules.measuring.lookups import looks_up, looks_up_part, lookups, shifts

__all__ = ["COTANGENTS", "Batch", "Loss", "Run", "limited", "objective"]

Batch = Any
"""A tensor; an object with tensors, as a graph of torch_geometric; (inputs, targets); a mapping, passed as keywords; or
a function of the model that returns its output."""
Loss = str | Callable[[Any, Any], Tensor] | None

COTANGENTS = ("normal", "token", "common")
"""Gradients that stand for a loss: standard normal at the output, drawn for each token, or one draw for all tokens."""


def _cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Return torch's, also of an output `[batch, tokens, classes]` whose targets are `[batch, tokens]`."""
    classes_last = target.shape == output.shape[:-1] != (output.shape[0], *output.shape[2:])
    return nn.functional.cross_entropy(output.movedim(-1, 1) if classes_last else output, target)


_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": _cross_entropy,
    "mse": nn.functional.mse_loss,
}
_NO_DATA = ("mask", "label", "target", "bias", "weight", "length")
"""Words in the names of inputs that are not the data themselves."""


@dataclass(slots=True)
class Run:
    """One call of a model with a batch."""

    inputs: dict[str, Tensor] = field(default_factory=dict)
    """The tensors it took by name (position or keyword), as they were given."""
    leaves: dict[str, Tensor] = field(default_factory=dict)
    """The floating ones, as leaves of the graph."""
    output: Any = None

    @classmethod
    def of(cls, model: nn.Module, batch: Batch, dtype: torch.dtype | None) -> Run:
        """Call `model` with `batch`: floating inputs in `dtype` (None: their own), as leaves that have a gradient.

        Raises what the model raises; UsageError for a batch that is none.
        """
        run = cls()

        def enter(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            if run.inputs:  # a later call inside a batch that is a function
                return args, kwargs
            arguments = [*tensors(args), *tensors(kwargs)]
            run.inputs = dict(arguments)
            names = (name for name, _ in arguments)  # one tensor may be given twice

            def leaf(tensor: Tensor) -> Tensor:
                name = next(names)
                if not tensor.is_floating_point():
                    return tensor
                run.leaves[name] = tensor.detach().to(dtype or tensor.dtype, copy=True).requires_grad_()
                return run.leaves[name]

            with torch._C.DisableTorchFunction():
                return mapped(leaf, args), mapped(leaf, kwargs)

        handle = model.register_forward_pre_hook(enter, with_kwargs=True, prepend=True)
        try:
            run.output = _called(model, batch)
        finally:
            handle.remove()
        return run

    def sources(self, nodes: Collection[Node], choice: str | None) -> tuple[str, list[Edge]]:
        """Return where the data enters: a floating input, or what looks up the vectors of integer inputs.

        Args:
            nodes: of the graph.
            choice: the name of an input or a part of it, or its position; None: the first on which half as much of the
                graph depends as on any.

        Raises UsageError where the choice is not an input.
        """
        names = [name for name in self.inputs if choice is not None or not _is_auxiliary(name)] or list(self.inputs)
        if choice is not None:
            names = [name for name in names if choice in (name, name.partition(".")[0])] or [
                name for name in names if choice in name
            ]
            if not names and choice.startswith("decoder"):  # which a model makes of its labels
                tables = lookups(nodes, self._entries())
                names = [name for name, tensor in self.inputs.items()
                         if any(shifts(indices, tensor) for _, indices in tables)]  # fmt: skip
            if not names:
                raise UsageError(f"source={choice!r} is no input of the model", f"it takes {', '.join(self.inputs)}")
        entered = self.entered(nodes)
        candidates = [name for name in names if name in entered]
        if choice is None and len(candidates) > 1:
            dependent = {name: _dependent(nodes, entered[name]) for name in candidates}
            most = max(dependent.values())
            candidates = [name for name in candidates if 2 * dependent[name] >= most]
        return next(((name, entered[name]) for name in candidates), (names[0] if names else "", []))

    def _entries(self) -> list[Node]:
        """Return the nodes of the floating inputs."""
        edges = (edge_of(leaf) for leaf in self.leaves.values() if leaf.requires_grad)
        return [edge.node for edge in edges if edge is not None]

    def entered(self, nodes: Collection[Node]) -> dict[str, list[Edge]]:
        """Return where each input enters the graph; those that do not are left out."""
        present = set(nodes)
        tables = lookups(nodes, self._entries())
        places: dict[str, list[Edge]] = {}
        for name, tensor in self.inputs.items():
            if name in self.leaves:
                edge = edge_of(self.leaves[name])
                if edge is not None and edge.node in present:
                    places[name] = [edge]
            elif looked_up := [Edge(node, 0) for node, indices in tables
                               if looks_up(indices, tensor) or shifts(indices, tensor)]:  # fmt: skip
                places[name] = looked_up
        used = {edge.node for edges in places.values() for edge in edges}
        for name, tensor in self.inputs.items():
            parts = [Edge(node, 0) for node, indices in tables if node not in used and looks_up_part(indices, tensor)]
            if parts and name not in self.leaves:
                places[name] = [*places.get(name, ()), *parts]
        return {name: places[name] for name in self.inputs if name in places}


def _dependent(nodes: Collection[Node], edges: Sequence[Edge]) -> int:
    """Return how many nodes depend on some tensors. `nodes`: each after what it depends on."""
    dependent = {edge.node for edge in edges}
    for node in nodes:
        if any(child in dependent for child, _ in node.next_functions):
            dependent.add(node)
    return len(dependent)


def _is_auxiliary(name: str) -> bool:
    return any(word in name.rpartition(".")[2].lower() for word in _NO_DATA)


def _called(model: nn.Module, batch: Batch) -> Any:
    if isinstance(batch, Tensor):
        return model(batch)
    if isinstance(batch, Mapping):
        return model(**batch)
    if isinstance(batch, tuple | list) and batch:
        return model(batch[0]) if not isinstance(batch[0], Mapping) else model(**batch[0])
    if is_graph(batch) or (is_record(batch) and not callable(batch)):
        return model(batch)
    if callable(batch):
        return batch(model)
    raise UsageError(
        f"a batch of type {type(batch).__name__} cannot be given to a model",
        "give a tensor, (inputs, targets), an object with tensors, a dict of keywords, or a function of the model",
    )


def limited(batch: Batch, samples: int) -> Batch:
    """Return the first `samples` of a batch: of every tensor with as many rows as its first one. A function and a graph
    stay."""
    rows = next((tensor.shape[0] for _, tensor in tensors(batch) if tensor.ndim), 0)
    if rows <= samples or is_graph(batch):
        return batch
    return mapped(lambda tensor: tensor[:samples] if tensor.ndim and tensor.shape[0] == rows else tensor, batch)


def objective(run: Run, batch: Batch, loss: Loss, seed: int) -> tuple[Tensor, str]:
    """Return the scalar to be differentiated and what it is, in words.

    Raises UsageError where there is nothing to differentiate, or a loss that is none; what a loss of the user raises.
    """
    if callable(loss):
        value = loss(run.output, batch)
        if not isinstance(value, Tensor) or value.numel() != 1:
            kind = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise UsageError(f"the loss returned {kind}", "return one number, a tensor of shape ()")
        return value.reshape(()), "the given loss"
    output = _main_output(run.output)
    if loss in _LOSSES:
        if not (isinstance(batch, tuple | list) and len(batch) == 2 and isinstance(batch[1], Tensor)):
            raise UsageError(f"loss={loss!r} needs targets", "give the batch as (inputs, targets)")
        target = batch[1]
        target = target.to(output.dtype) if target.is_floating_point() else target
        try:
            return _LOSSES[loss](output, target), loss
        except (RuntimeError, ValueError, IndexError) as error:
            shapes = f"an output {list(output.shape)} and targets {list(target.shape)}"
            reason = next(iter(str(error).splitlines()), "")
            raise UsageError(f"loss={loss!r} of {shapes}: {reason}", "give a function (output, batch)") from error
    if loss is None:
        losses = [tensor for name, tensor in tensors(run.output) if name == "loss" and tensor.numel() == 1]
        if losses:
            return losses[0].reshape(()), "the model's own loss"
        if output.numel() == 1:
            return output.reshape(()), "the model's output, a scalar"
        loss = "normal"
    if loss not in COTANGENTS:
        known = ", ".join([*_LOSSES, *COTANGENTS])
        raise UsageError(f"loss={loss!r} is not known", f"choose from {known}, or give a function (output, batch)")
    return (output * _cotangent(output, loss, seed)).sum(), _COTANGENT_WORDS[loss]


_COTANGENT_WORDS = {
    "normal": "no loss: a standard normal gradient at the output",
    "token": "no loss: a standard normal gradient for each token",
    "common": "no loss: one standard normal gradient for all tokens",
}


def _cotangent(output: Tensor, kind: str, seed: int) -> Tensor:
    if kind != "normal" and output.ndim != 3:
        raise UsageError(
            f"loss={kind!r} needs an output [batch, tokens, features], not {list(output.shape)}", 'use loss="normal"'
        )
    shape = (output.shape[0], 1, output.shape[2]) if kind == "common" else tuple(output.shape)
    draws = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return draws.to(output.device, output.dtype).expand(output.shape)


def _main_output(output: Any) -> Tensor:
    """Return the first floating tensor of an output that has a gradient; of several, the one the model is made for."""
    floating = [(name, tensor) for name, tensor in tensors(output) if tensor.is_floating_point()]
    if not floating:
        raise UsageError("the model's output holds no floating tensor", "give a loss: loss=lambda output, batch: …")
    with_gradient = [(name, tensor) for name, tensor in floating if tensor.requires_grad and name != "loss"]
    main = (with_gradient or floating)[0][1]
    if not main.numel():
        raise UsageError(f"the model's output is empty, of shape {list(main.shape)}", "give a batch with samples")
    return main
