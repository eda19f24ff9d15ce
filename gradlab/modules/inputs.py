"""What a model is called with, where the data enters its graph, and the number that is differentiated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from gradlab.errors import UsageError
from gradlab.modules.graph import Edge, edge_of
from gradlab.modules.values import mapped, tensors

__all__ = ["COTANGENTS", "Batch", "Loss", "Run", "limited", "objective"]

Batch = Any
"""A tensor; (inputs, targets); a mapping, passed as keywords; or a function of the model that returns its output."""
Loss = str | Callable[[Any, Any], Tensor] | None

COTANGENTS = ("normal", "token", "common")
"""Gradients that stand for a loss: standard normal at the output, drawn for each token, or one draw for all tokens."""
_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": nn.functional.cross_entropy,
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
            choice: the name of an input or a part of it, or its position; None: the first that the graph depends on.

        Raises UsageError where the choice is not an input.
        """
        names = [name for name in self.inputs if choice is not None or not _is_auxiliary(name)] or list(self.inputs)
        if choice is not None:
            names = [name for name in names if choice in (name, name.partition(".")[0])] or [
                name for name in names if choice in name
            ]
            if not names and choice.startswith("decoder"):  # which a model makes of its labels
                names = [name for name, tensor in self.inputs.items() if any(_shifts(node, tensor) for node in nodes)]
            if not names:
                raise UsageError(f"source={choice!r} is no input of the model", f"it takes {', '.join(self.inputs)}")
        entered = self.entered(nodes)
        order = sorted(names, key=lambda name: self.inputs[name].is_floating_point()) if choice is None else names
        return next(((name, entered[name]) for name in order if name in entered), (names[0] if names else "", []))

    def entered(self, nodes: Collection[Node]) -> dict[str, list[Edge]]:
        """Return where each input enters the graph; those that do not are left out."""
        present = set(nodes)
        places = {}
        for name, tensor in self.inputs.items():
            if name in self.leaves:
                edge = edge_of(self.leaves[name])
                if edge is not None and edge.node in present:
                    places[name] = [edge]
            elif looked_up := [Edge(node, 0) for node in nodes if _looks_up(node, tensor) or _shifts(node, tensor)]:
                places[name] = looked_up
        return places


def _is_auxiliary(name: str) -> bool:
    return any(word in name.rpartition(".")[2].lower() for word in _NO_DATA)


def _looks_up(node: Node, indices: Tensor) -> bool:
    """Return whether a node takes rows of a table at these indices, or at a view or a copy of them."""
    return any(
        index.dtype == indices.dtype
        and index.numel() == indices.numel()
        and (index.data_ptr() == indices.data_ptr() or _equal(index, indices))
        for index in _indices(node)
    )


def _shifts(node: Node, labels: Tensor) -> bool:
    """Return whether a node takes rows of a table at these labels, shifted by one step: a decoder that is given no
    input of its own does. Negative labels, which count for no loss, are other indices then."""
    if labels.is_floating_point() or not labels.ndim or labels.shape[-1] < 3:
        return False
    for index in _indices(node):
        if index.dtype == labels.dtype and index.shape == labels.shape:
            before, after = labels[..., :-1], index[..., 1:]
            valid = before >= 0
            if valid.any() and torch.equal(before[valid], after[valid]):
                return True
    return False


def _indices(node: Node) -> Iterator[Tensor]:
    """Yield the indices by which a node takes rows of a table."""
    for name in ("_saved_indices", "_saved_index"):
        try:
            saved = getattr(node, name, None)
        except RuntimeError:  # freed, or changed in place meanwhile
            continue
        yield from (index for index in (saved if isinstance(saved, list | tuple) else [saved])
                    if isinstance(index, Tensor))  # fmt: skip


def _equal(index: Tensor, indices: Tensor) -> bool:
    """Return whether two tensors have the same values in the same order, or transposed."""
    candidates = [indices, indices.mT] if indices.ndim == 2 else [indices]
    return any(torch.equal(index.flatten(), candidate.flatten()) for candidate in candidates)


def _called(model: nn.Module, batch: Batch) -> Any:
    if isinstance(batch, Tensor):
        return model(batch)
    if isinstance(batch, Mapping):
        return model(**batch)
    if isinstance(batch, tuple | list) and batch:
        return model(batch[0]) if not isinstance(batch[0], Mapping) else model(**batch[0])
    if callable(batch):
        return batch(model)
    raise UsageError(
        f"a batch of type {type(batch).__name__} cannot be given to a model",
        "give a tensor, (inputs, targets), a dict of keyword arguments, or a function of the model",
    )


def limited(batch: Batch, samples: int) -> Batch:
    """Return the first `samples` of a batch: of every tensor with as many rows as its first one. A function stays."""
    rows = next((tensor.shape[0] for _, tensor in tensors(batch) if tensor.ndim), 0)
    if rows <= samples:
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
        return _LOSSES[loss](output, target.to(output.dtype) if target.is_floating_point() else target), loss
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
