"""The same grid by the command `gradlab run`, with two workers; without pictures, which the others do not draw."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from peers.setting import AXES, BATCH, LR, PROBE, WIDTH, cells

__all__ = ["run", "spec"]


def spec(grid: dict[str, Any]) -> str:
    """Return the spec of a grid."""
    axes = "".join(f"  {axis}: [{', '.join(map(str, grid[axis]))}]\n" for axis in AXES if axis != "seed")
    return f"""name: reference
width: {WIDTH}
optimizer: {{name: sgd, lr: {LR}}}
clip: {"none" if grid["clip"] is None else f"{{norm: {grid['clip']}}}"}
train: {{steps: {grid["steps"]}, batch_size: {BATCH}}}
probe: {{at: log, batch_size: {PROBE}, record: {grid["record"]}}}
seeds: [{", ".join(map(str, grid["seed"]))}]
grid:
{axes}"""


def run(grid: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Return of each cell the survival before training and the loss after it, in the form of the others' numbers."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.yaml"
        path.write_text(spec(grid))
        command = [sys.executable, "-m", "gradlab", "run", str(path), "--out", folder, "--workers", "2"]
        ended = subprocess.run([*command, "--device", "cpu", "--quiet", "--no-plots"], capture_output=True, text=True)
        if ended.returncode:
            raise SystemExit(ended.stderr)
        with (Path(folder) / "reference" / "cells.csv").open(newline="") as file:
            rows = {tuple(row[axis] for axis in AXES): row for row in csv.DictReader(file)}
    chosen = [rows[tuple(str(getattr(cell, axis)) for axis in AXES)] for cell in cells(grid)]
    return [
        [{"grad_norm": [10 ** float(row["log10_survival"]), 1.0]}, {"loss": float(row["loss"] or "nan")}]
        for row in chosen
    ]  # fmt: skip
