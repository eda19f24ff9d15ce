"""Cells to banks: which cells may share a stacked model, how many fit the cache, and what a bank will cost.

The packing depends on the cells alone: not on their order, not on the machine, not on the number of workers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gradlab.cell import SETTINGS, Cell, cell_id, probe_steps

__all__ = ["CAPACITY_BYTES", "Bank", "Estimate", "capacity", "estimate", "pack", "working_set_bytes"]

CAPACITY_BYTES = 30_000_000
"""Cost of a bank at which training is fastest, in the bytes of `working_set_bytes`. Fitted on 2 CPU cores with
1 MiB of L2 each and 32 MiB of L3 (2026): R of 8 at 16x128, 16 at 16x64 (batch 64), 32 at 8x32 (batch 32)."""

REPLICA_BYTES = 800_000
"""What a replica costs whatever its size. Not memory: beyond some 32 replicas there is no overhead left to share."""

PROBE_BYTES = 2**30
"""Memory that the float64 activations of one bank's probe may take."""

# Fitted to `train.train_bank` with tanh and sgd on one thread of a 2-core AMD EPYC (2026), depths 2 to 100, widths
# 16 to 128, R from 1 to 64: within a factor of 2. Whoever runs banks corrects them by how long the first ones took.
FLOPS = 45e9
"""Floating-point operations a second in the matrix products, float32 and float64 alike."""
STEP_SECONDS = 400e-6
"""A step apart from its blocks: batches, loss, optimizer."""
BLOCK_SECONDS = 35e-6
"""The calls of one block in one training step, however small it is."""
UNIT_SECONDS = 3e-9
"""One unit of one sample in training: what is done element by element."""
PROBE_BLOCK_SECONDS = 200e-6
PROBE_UNIT_SECONDS = 30e-9
BANK_SECONDS = 0.05
"""Data, initial weights, publishing."""


@dataclass(frozen=True, slots=True)
class Bank:
    """Cells trained together as one stacked model, equal in every field that is not per replica."""

    id: str
    """16 hex digits of a SHA-256 over the ids of its cells in their order."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a bank will take, roughly: for a progress bar and a dry run."""

    seconds: float
    memory_bytes: int
    """At its largest, during a probe."""
    disk_bytes: int
    """The bank's part and its share of the tables."""


_SHARED = (*(f.attribute for f in SETTINGS.values() if not f.per_replica), "data_digest")
_FIRST = ("optimizer", "lr", "weight_decay", "clip", "l1", "l2")
"""Equal optimizer settings are to be contiguous, as each run of them is one param_group of torch.optim."""
_ORDER = _FIRST + tuple(f.attribute for f in SETTINGS.values() if f.per_replica and f.attribute not in _FIRST)


def pack(cells: Iterable[Cell], *, capacity_bytes: int = CAPACITY_BYTES) -> tuple[Bank, ...]:
    """Return banks that hold every cell once, groups in the order of their first cell.

    Cells of a group are ordered by optimizer, learning rate, weight decay, clipping and the rest, and cut into
    banks of almost equal size of at most `capacity` replicas.
    """
    groups: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(tuple(getattr(cell, name) for name in _SHARED), []).append(cell)
    return tuple(bank for group in groups.values() for bank in _cut(group, capacity_bytes))


def _cut(group: list[Cell], capacity_bytes: int) -> Iterator[Bank]:
    ordered = sorted(group, key=_rank)
    count = -(-len(ordered) // capacity(ordered[0], capacity_bytes))
    for i in range(count):
        yield _bank(ordered[len(ordered) * i // count : len(ordered) * (i + 1) // count])


def _rank(cell: Cell) -> tuple[tuple[float, str], ...]:
    values = (getattr(cell, name) for name in _ORDER)
    return tuple((value, "") if isinstance(value, int | float) else (0.0, str(value)) for value in values)


def _bank(cells: Sequence[Cell]) -> Bank:
    digest = hashlib.sha256("\n".join(map(cell_id, cells)).encode()).hexdigest()
    return Bank(digest[:16], tuple(cells))


def capacity(cell: Cell, capacity_bytes: int = CAPACITY_BYTES) -> int:
    """Return how many replicas like `cell` make the best bank, at least 1."""
    by_cache = capacity_bytes / (REPLICA_BYTES + working_set_bytes(cell))
    return max(1, int(min(by_cache, PROBE_BYTES / _probe_bytes(cell))))


def working_set_bytes(cell: Cell) -> int:
    """Return the bytes that one training step of one replica goes through.

    Parameters and their gradients, and of every block the pre-activation and the output of the batch:
    ``itemsize * (2 P + 2 N L O)`` with P parameters, batch N, L blocks of O units.
    """
    itemsize = 8 if cell.precision.name == "float64" else 4
    return itemsize * 2 * (_parameters(cell) + cell.batch_size * cell.depth * cell.width)


def _parameters(cell: Cell) -> int:
    """Return about how many parameters one replica has: inputs and outputs are taken for as many as units."""
    return (cell.depth + 1) * cell.width * (cell.width + 1)


def _probe_bytes(cell: Cell) -> int:
    """Return the float64 activations and gradients that a probe of one replica holds at once: 4 of every block."""
    return 8 * 4 * cell.probe_batch_size * cell.depth * cell.width


def estimate(bank: Bank) -> Estimate:
    """Return what `bank` will take on one thread of a CPU, by the rates at the top of this module."""
    cell, replicas = bank.cells[0], len(bank.cells)
    probes = len(probe_steps(cell.steps, cell.probe_at))
    flops = 6 * _parameters(cell) * replicas  # a sample: 2 a parameter forward, 4 backward
    units = cell.depth * cell.width * replicas
    step = STEP_SECONDS + cell.depth * BLOCK_SECONDS + cell.batch_size * (flops / FLOPS + units * UNIT_SECONDS)
    probe = STEP_SECONDS + cell.depth * PROBE_BLOCK_SECONDS
    probe += cell.probe_batch_size * (flops / FLOPS + units * PROBE_UNIT_SECONDS)
    seconds = BANK_SECONDS + cell.steps * step + probes * probe
    return Estimate(seconds, _memory_bytes(cell) * replicas, _disk_bytes(cell, probes) * replicas)


def _memory_bytes(cell: Cell) -> int:
    """Return the memory of one replica: training with two optimizer states beside the float64 probe."""
    return 3 * working_set_bytes(cell) + 8 * 3 * _parameters(cell) + _probe_bytes(cell)


def _disk_bytes(cell: Cell, probes: int) -> int:
    """Return the disk of one cell: a part's profiles (9 numbers a block and probe), and its rows in the tables."""
    return 1500 + probes * (100 + cell.depth * (9 * 7 + 130))
