"""Runs whose cells have a known survival, published and compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from fake_work import record
from rich.text import Text

from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Comparison, Question, compare
from gradlab.cell import Cell, Named
from gradlab.record import Record
from gradlab.report.glyphs import UNICODE
from gradlab.report.terminal.comparison import comparison_report
from gradlab.results.directories import open_runs
from gradlab.store import RunDirectory

PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0.1", "torch": "2.0"}
FACTORS = {"sigmoid": 0.25, "relu": 0.9, "selu": 3.0, "tanh": 0.9}
GAINS = {"none": 1.0, "batch": 3.0}


def scatter(cell: Cell) -> float:
    """Return a seed's own part of ln survival: a common one and one of the activation."""
    name = sum(map(ord, cell.activation.name)) + cell.depth
    return float(
        np.random.default_rng(cell.seed).normal(0, 0.2) + np.random.default_rng([cell.seed, name]).normal(0, 0.1)
    )


def made(cell: Cell, **changes: Any) -> Record:
    """Return a record whose ln survival is (depth - 1) ln(factor of activation and norm) plus `scatter`."""
    per_block = log(FACTORS[cell.activation.name] * GAINS[cell.norm.name]) + scatter(cell) / (cell.depth - 1)
    log_g = np.broadcast_to(per_block * np.arange(cell.depth - 1, -1, -1), (3, cell.depth)).copy()
    learned = bool(abs(log_g[0, 0]) < 6)
    metric = np.full(3, 0.1 + 0.8 * learned + 0.001 * cell.seed)
    return record(cell, **{"log_grad_norm": log_g, "learned": learned, "metric": metric} | changes)


def cells_of(
    activations: Sequence[str] = ("sigmoid", "relu", "selu"),
    depths: Sequence[int] = (4, 16),
    seeds: int = 5,
    **fixed: Any,
) -> list[Cell]:
    norms = fixed.pop("norms", ("none", "batch"))
    return [
        Cell(depth=depth, activation=Named(name), norm=Named(norm), lr=0.1, seed=seed, **fixed)
        for name in activations
        for norm in norms
        for depth in depths
        for seed in range(seeds)
    ]


def publish(path: Path, cells: list[Cell], make: Callable[[Cell], Record] = made, **provenance: str) -> RunDirectory:
    directory = RunDirectory(path)
    directory.create()
    half = len(cells) // 2
    for bank, members in (("b0", cells[:half]), ("b1", cells[half:])):
        directory.publish(bank, members, [make(cell) for cell in members], PROVENANCE | provenance)
    return directory


def asked(path: Path, cells: list[Cell], make: Callable[[Cell], Record] = made, **question: Any) -> Comparison:
    publish(path, cells, make)
    return compare(collect(open_runs([path])), Question(**question))


def text_of(found: Comparison, width: int | None = None, *, verbose: bool = False) -> str:
    lines: list[Text] = comparison_report(found, UNICODE, width, verbose=verbose)
    return "\n".join(line.plain for line in lines)
