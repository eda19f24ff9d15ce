"""Which of the tables of a graph are read at the integers that a model was given."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import Node

__all__ = ["looks_up", "looks_up_part", "lookups", "shifts"]


def lookups(nodes: Collection[Node], entries: Collection[Node]) -> list[tuple[Node, list[Tensor]]]:
    """Return the nodes that take rows of a table, with the indices by which they do.

    What takes rows of something that depends on an input is none: the values of the nodes that edges of a graph lead
    to, or the logit of a label. `nodes`: each after what it depends on; `entries`: where floating inputs enter.
    """
    taking = {node: indices for node in nodes if (indices := [*_indices(node)])}
    if not taking:
        return []
    dependent = {*entries}
    tables = []
    for node in nodes:
        if any(child in dependent for child, _ in node.next_functions):
            dependent.add(node)
        elif node in taking:
            tables.append((node, taking[node]))
            dependent.add(node)
    return tables


def looks_up(saved: Sequence[Tensor], indices: Tensor) -> bool:
    """Return whether a node takes rows of a table at these indices, at a view or a copy of them, or at their sum with
    an offset for each column: of one table for all categories."""
    return any(
        index.dtype == indices.dtype
        and index.numel() == indices.numel()
        and (index.data_ptr() == indices.data_ptr() or _equal(index, indices) or _offset(index, indices))
        for index in saved
    )


def looks_up_part(saved: Sequence[Tensor], indices: Tensor) -> bool:
    """Return whether a node takes rows of a table at a part of these indices, a column of a table of categories, say:
    at a view of their memory."""
    return any(
        index.dtype == indices.dtype
        and index.numel() < indices.numel()
        and index.untyped_storage().data_ptr() == indices.untyped_storage().data_ptr()
        for index in saved
    )


def shifts(saved: Sequence[Tensor], labels: Tensor) -> bool:
    """Return whether a node takes rows of a table at these labels, shifted by one step: a decoder that is given no
    input of its own does. Negative labels, which count for no loss, are other indices then."""
    if labels.is_floating_point() or not labels.ndim or labels.shape[-1] < 3:
        return False
    for index in saved:
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


def _offset(index: Tensor, indices: Tensor) -> bool:
    """Return whether two tensors of several rows differ by the same numbers in every row."""
    if index.shape != indices.shape or index.ndim != 2 or len(index) < 2:
        return False
    difference = index - indices
    return bool((difference == difference[:1]).all())
