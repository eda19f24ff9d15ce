"""Cells to banks: which cells may share a stacked model, and how many make the best bank.

The packing depends on the cells and the kind of device alone: not on their order, not on the machine, not on the
number of workers, not on what is done already.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gradlab.cell import SETTINGS, Cell, cell_id, mixes_activations
from gradlab.planning import cost
from gradlab.planning.cost import Estimate, working_set_bytes

__all__ = ["CPU", "CUDA", "Bank", "Estimate", "Limits", "bank_of", "capacity", "estimate", "pack", "working_set_bytes"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a bank may become on one kind of device. Constants, so that equal grids make equal banks."""

    capacity_bytes: int
    """What a bank may cost, each replica `replica_bytes` and its `working_set_bytes`."""
    replica_bytes: int
    """What a replica costs whatever its size. Not memory: with enough replicas there is no overhead left to share."""
    probe_bytes: int
    """Memory that the float64 activations of one bank's probe may take."""
    share: float
    """The part of the whole grid that one bank should not exceed, so that at the end all workers are busy."""


CPU = Limits(capacity_bytes=48_000_000, replica_bytes=1_000_000, probe_bytes=2**30, share=1 / 6)
"""A core with 1 MiB of L2 and its part of 32 MiB of L3 (2026). R of 11 at 16x128, 22 at 16x64 (batch 64), 42 at 8x32
(batch 32): above, the time of a cell falls by a few per cent more, and the last banks keep one core busy for longer.
With a share of 1/6 small grids keep 2 to 4 workers busy, and lose a tenth with one."""
CUDA = Limits(capacity_bytes=2**32, replica_bytes=2**20, probe_bytes=2**32, share=1.0)
"""A GPU shares its launches among as many replicas as there are. A constant that small ones have room for, and not the
memory that happens to be free; banks that are too large after all are halved by the executor."""

DEARER = 1.25
"""Banks are halved for the sake of their share only if the halves together take at most so much longer."""
SHORT_S = 0.1
"""Seconds up to which a bank is not halved: to hand out another and to keep its part takes some of that."""

_REPLICA = sorted((s for s in SETTINGS.values() if s.per_replica), key=lambda s: s.rank)
_ORDER = tuple(s.attribute for s in _REPLICA)
_SHARED = tuple(f.name for f in dataclasses.fields(Cell) if f.name not in _ORDER)


@dataclass(frozen=True, slots=True)
class Bank:
    """Cells trained together as one stacked model, equal in every field that is not per replica."""

    id: str
    """16 hex digits of a SHA-256 over the ids of its cells in their order."""
    cells: tuple[Cell, ...]


def pack(cells: Iterable[Cell], limits: Limits = CPU) -> tuple[Bank, ...]:
    """Return banks that hold every cell once, groups in the order of their first cell.

    Cells of a group are ordered by activation, optimizer, learning rate, weight decay, clipping and the rest, and cut
    into banks of almost equal size of at most `capacity` replicas. Banks that are more than `limits.share` of the
    whole are halved as long as that costs little.
    """
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((*(getattr(cell, name) for name in _SHARED), _own(cell)), []).append(cell)
    pieces = [piece for group in groups.values() for part in _apart(group, limits) for piece in _cut(part, limits)]
    if limits.share < 1:
        limit_s = limits.share * sum(cost.estimate(piece).seconds for piece in pieces)
        pieces = [part for piece in pieces for part in _halved(piece, limit_s)]
    return tuple(map(bank_of, pieces))


def _own(cell: Cell) -> object:
    """Return the activation of a cell whose bank may hold no other, else None."""
    return None if mixes_activations(cell) else cell.activation


def _apart(group: list[Cell], limits: Limits) -> Iterator[list[Cell]]:
    """Yield the activations that have enough cells for banks of their own, each by itself, and then all others.

    Sharing a bank is worth most for a few replicas and nothing for many, where it only adds calls.
    """
    by_activation: dict[Any, list[Cell]] = {}
    for cell in group:
        by_activation.setdefault(cell.activation, []).append(cell)
    fewest = capacity(group[0], limits) / 2
    yield from (part for part in by_activation.values() if len(part) >= fewest)
    remaining = [cell for part in by_activation.values() if len(part) < fewest for cell in part]
    if remaining:
        yield remaining


def _cut(group: list[Cell], limits: Limits) -> Iterator[tuple[Cell, ...]]:
    ordered = sorted(group, key=_rank)
    count = -(-len(ordered) // capacity(ordered[0], limits))
    for i in range(count):
        yield tuple(ordered[len(ordered) * i // count : len(ordered) * (i + 1) // count])


def _halved(cells: tuple[Cell, ...], limit_s: float) -> Iterator[tuple[Cell, ...]]:
    whole_s = cost.estimate(cells).seconds
    halves = (cells[: len(cells) // 2], cells[len(cells) // 2 :])
    if (
        whole_s <= max(limit_s, SHORT_S)
        or len(cells) == 1
        or sum(cost.estimate(half).seconds for half in halves) > DEARER * whole_s
    ):
        yield cells
    else:
        for half in halves:
            yield from _halved(half, limit_s)


def _rank(cell: Cell) -> tuple[tuple[float, str], ...]:
    values = (getattr(cell, name) for name in _ORDER)
    return tuple((value, "") if isinstance(value, int | float) else (0.0, str(value)) for value in values)


def bank_of(cells: Sequence[Cell]) -> Bank:
    """Return the bank of just these cells, in this order: for what is left of one of `pack`'s, or a half of it."""
    digest = hashlib.sha256("\n".join(map(cell_id, cells)).encode()).hexdigest()
    return Bank(digest[:16], tuple(cells))


def capacity(cell: Cell, limits: Limits = CPU) -> int:
    """Return how many replicas like `cell` make the best bank, at least 1."""
    by_bytes = limits.capacity_bytes / (limits.replica_bytes + working_set_bytes(cell))
    return max(1, int(min(by_bytes, limits.probe_bytes / cost.probe_bytes(cell))))


def estimate(bank: Bank) -> Estimate:
    """Return what `bank` will take on one thread of a CPU, by the rates of `gradlab.planning.cost`."""
    return cost.estimate(bank.cells)
