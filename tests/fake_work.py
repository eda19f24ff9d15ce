"""A work function that trains nothing: records with a known profile, for tests of all that comes after training."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from gradlab.cell import Cell, cell_id
from gradlab.executor import Worked
from gradlab.record import Record

FACTORS = {"sigmoid": 0.25, "relu": 1.0, "tanh": 0.8, "selu": 2.0, "gelu": 0.5}
"""Decay of each activation in the fake: g_l = factor^(L - l), times a seed's own scatter."""


def record(cell: Cell, **changes: Any) -> Record:
    """Return a record whose profile is exactly geometric with the factor of `FACTORS` (seed s: times 1 + s/100)."""
    steps = np.array(sorted({0, 1, cell.steps}))
    shape = (len(steps), cell.depth)
    factor = FACTORS.get(cell.activation.name, 0.9) * (1 + cell.seed / 100)
    distance = cell.depth - np.arange(1, cell.depth + 1)
    log_g = np.broadcast_to(log(factor) * distance - 1.0, shape).copy()
    values: dict[str, Any] = {
        "cell": cell_id(cell),
        "status": "ok",
        "diverged_at": None,
        "steps": cell.steps,
        "in_features": 64,
        "out_features": 10,
        "input_mean_square": 1.0,
        "metric_name": "accuracy",
        "learned": factor**cell.depth > 1e-4,
        "clip_rate": float("nan"),
        "clip_coef_mean": float("nan"),
        "probe_steps": steps,
        "log_grad_norm": log_g,
        "log_weight_grad_norm": log_g - 1,
    }
    for name in ("loss", "metric", "grad_norm_total", "clip_before", "clip_after", "clip_coef"):
        values[name] = np.linspace(2.0, 0.5, len(steps)) + cell.seed
    for name in ("weight_norm", "update_ratio", "act_mean", "act_std", "saturated", "dead", "zero_grad"):
        values[name] = np.full(shape, 0.5)
    return Record(**(values | changes))


def train(cells: Sequence[Cell], device: str) -> Worked:
    """Stand in for `gradlab.worker.train`. The environment can make it count, wait, fail and interrupt.

    ``GRADLAB_FAKE`` holds JSON: `calls` (a file that gets one line per cell), `sleep` (seconds a bank),
    `fail` (an activation whose banks raise), `interrupt` (one whose banks raise KeyboardInterrupt).
    """
    wishes = json.loads(os.environ.get("GRADLAB_FAKE", "{}"))
    names = {cell.activation.name for cell in cells}
    if wishes.get("interrupt") in names:
        raise KeyboardInterrupt
    if wishes.get("fail") in names:
        raise RuntimeError(f"no such luck with {wishes['fail']}")
    time.sleep(wishes.get("sleep", 0))
    if "calls" in wishes:
        with Path(wishes["calls"]).open("a") as file:
            file.writelines(cell_id(cell) + "\n" for cell in cells)
    return Worked([record(cell) for cell in cells], "cpu", "")
