"""Cells that tests publish into a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fake_work import record

from gradlab.cell import Cell, Named
from gradlab.store import RunDirectory

PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0.1", "torch": "2.0"}

CELLS = (
    Cell(depth=2, lr=0.1),
    Cell(depth=5, lr=0.1, activation=Named("leaky_relu", (("negative_slope", 0.2),)), probe_at=(0, 3, 9)),
    Cell(depth=1, lr=1e-3, residual_scale="1/sqrt(depth)", bias_std=0.5, seed=7),
)


def publish(directory: RunDirectory, bank: str, cells: tuple[Cell, ...] = CELLS, **changes: Any) -> Path:
    return directory.publish(bank, cells, [record(cell, **changes) for cell in cells], PROVENANCE)
