"""The reference grid of `runners.py` by the command against a plain loop over cells on the same device."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from math import prod
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from peers.by_gradlab import spec
from peers.loop import batches, train
from peers.setting import AXES, Cell, cells, digits, network
from runners import FULL
from torch import Tensor

from gpu_sections import Context, Results

__all__ = ["measure"]

TINY = FULL | {"depth": [2], "activation": ["tanh", "relu"], "init": ["he_normal"], "seed": [0, 1], "steps": 3}


def measure(context: Context, results: Results) -> None:
    """Time the whole grid by gradlab, and as many cells of the loop as there is time for."""
    grid = TINY if context.tiny else FULL
    number = prod(len(grid[axis]) for axis in AXES)
    results["cells"] = number
    results["gradlab_start_s"] = _gradlab(context, grid | {axis: grid[axis][:1] for axis in AXES} | {"steps": 1})
    results["gradlab_s"] = _gradlab(context, grid)
    # each depth with each activation once, in turn from the least to the deepest: their mean is that of the grid
    every = cells(grid | {"init": grid["init"][:1], "seed": grid["seed"][:1]})
    _loop(context, dataclasses.replace(every[0], steps=min(20, every[0].steps)))  # what the device sets up once
    times: dict[str, float] = {}
    for cell in every:
        if times and context.left < 2 * max(times.values()):
            break
        times[cell.key] = _loop(context, cell)
    if len(times) < len(every):  # the deeper ones take in proportion to their depth
        each = fmean(times[cell.key] / cell.depth for cell in every if cell.key in times)
        mean = each * fmean(cell.depth for cell in every)
    else:
        mean = fmean(times.values())
    results["loop_cells_measured"], results["loop_cells_of_mixture"] = len(times), len(every)
    results["loop_cell_s"], results["loop_s"] = mean, mean * number
    results["times_loop"] = mean * number / results["gradlab_s"]


def _gradlab(context: Context, grid: dict[str, Any]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.yaml"
        path.write_text(spec(grid))
        command = [sys.executable, "-m", "gradlab", "run", str(path), "--out", folder, "--device", context.device]
        begun = time.perf_counter()
        subprocess.run([*command, "--quiet", "--no-plots"], check=True)
        return time.perf_counter() - begun


def _loop(context: Context, cell: Cell) -> float:
    """Return the wall time of one cell with all that gradlab records."""
    device = torch.device(context.device)
    kept = digits()
    data = dataclasses.replace(kept, **{f.name: getattr(kept, f.name).to(device) for f in dataclasses.fields(kept)})
    torch.manual_seed(cell.seed)
    begun = time.perf_counter()
    train(network(cell).to(device), data, _moved(batches(len(kept.x)), device), cell)
    return time.perf_counter() - begun


def _moved(order: Iterator[Tensor], device: torch.device) -> Iterator[Tensor]:
    return (batch.to(device) for batch in order)
