"""Processor time of one cell in one process and thread, by the plain loop, as one of an ensemble, and in a bank."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch

from gradlab.cell import Cell as Setting
from gradlab.components import Named
from gradlab.training.loop import train_bank
from peers import ensemble, loop
from peers.setting import BATCH, LR, PROBE, WIDTH, Cell

__all__ = ["rows"]

MEMBERS = 8
"""Networks of an ensemble and of a bank."""


def _bank(cells: list[Cell]) -> None:
    train_bank([
        Setting(
            depth=cell.depth, width=WIDTH, activation=Named(cell.activation), init=Named(cell.init), seed=cell.seed,
            lr=LR, steps=cell.steps, batch_size=BATCH, probe_batch_size=PROBE, probe_record=cell.record,  # type: ignore
        )
        for cell in cells
    ])  # fmt: skip


def _milliseconds(run: Callable[[], object], cells: int) -> float:
    begun = time.process_time()
    run()
    return 1e3 * (time.process_time() - begun) / cells


def rows(rounds: int, steps: int) -> list[str]:
    """Return a table in Markdown: milliseconds of a cell, medians of rounds that go through the three ways in turn."""
    torch.set_num_threads(1)
    lines = ["| depth | activation | recorded | loop | vmap | bank | loop / bank | vmap / bank |", "|" + " --- |" * 8]
    loop.run(Cell(2, "tanh", "he_normal", 0, 1, None, "all"))  # what torch loads at its first use
    for depth in (4, 8, 16, 32):
        for activation in ("tanh", "relu"):
            for record in ("all", "profile"):
                cells = [Cell(depth, activation, "he_normal", seed, steps, None, record) for seed in range(MEMBERS)]
                ways: list[tuple[Callable[[], object], int]] = [
                    (lambda own=cells: loop.run(own[0]), 1),
                    (lambda own=cells: ensemble.run(own), MEMBERS),
                    (lambda own=cells: _bank(own), MEMBERS),
                ]  # fmt: skip
                times = [[_milliseconds(run, count) for run, count in ways] for _ in range(rounds)]
                own = [f"{median(column):.0f}" for column in zip(*times, strict=True)]
                ratios = [f"{median(each[way] / each[2] for each in times):.2f}" for way in (0, 1)]
                lines.append(f"| {depth} | {activation} | {record} | {' | '.join([*own, *ratios])} |")
    return lines
