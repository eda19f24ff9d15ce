"""A work function that trains nothing: records with a known profile, for tests of all that comes after training."""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from gradlab.cell import Cell, cell_id
from gradlab.columns import field_names
from gradlab.errors import UsageError
from gradlab.execution.base import BankResult, Job
from gradlab.record import Record

FACTORS = {"sigmoid": 0.25, "relu": 1.0, "tanh": 0.8, "selu": 2.0, "gelu": 0.5}
"""Decay of each activation in the fake: g_l = factor^(L - l), times a seed's own scatter."""


def record(cell: Cell, **changes: Any) -> Record:
    """Return a record whose profile is exactly geometric with the factor of `FACTORS` (seed s: times 1 + s/100)."""
    steps = np.array(sorted({0, 1, cell.steps}))
    shape = (len(steps), cell.blocks)
    factor = FACTORS.get(cell.activation.name, 0.9) * (1 + cell.seed / 100)
    distance = cell.blocks - np.arange(1, cell.blocks + 1)
    log_g = np.broadcast_to(log(factor) * distance - 1.0, shape).copy()
    values: dict[str, Any] = {
        "cell": cell_id(cell),
        "status": "ok",
        "diverged_at": None,
        "steps": cell.steps,
        "in_features": 64,
        "out_features": 10,
        "input_mean_square": 1.0,
        "loss_last_finite": 0.5,
        "target_mean_square": float("nan"),
        "train_loss_q3": 0.7,
        "train_loss_q4": 0.5,
        "train_loss_se": 0.01,
        "metric_name": "accuracy",
        "learned": factor**cell.blocks > 1e-4,
        "test_learned": factor**cell.blocks > 1e-4,
        "clip_rate": float("nan"),
        "clip_coef_mean": float("nan"),
        "probe_steps": steps,
        "log_grad_norm": log_g,
        "log_weight_grad_norm": log_g - 1,
    }
    for name in field_names("step"):
        values[name] = np.linspace(2.0, 0.5, len(steps)) + cell.seed
    if cell.seq_len is None:
        values |= dict.fromkeys(("spectral_radius", "recurrent_norm"), np.full(len(steps), np.nan))
    for name in field_names("layer")[2:]:
        values[name] = np.full(shape, {"underflow": 0.0, "log_cell_grad_norm": np.nan}.get(name, 0.5))
    return Record(**(values | changes))


def train(job: Job) -> BankResult:
    """Stand in for `execution.worker.train`. The environment can make it count, wait, and come to any end there is.

    ``GRADLAB_FAKE`` holds JSON: `calls` (a file that gets one line per cell), `sleep` (seconds a bank), `gate` (a file
    that banks wait for; the first `free` that begin do not, and `GATE.begun` gets a line for each), `say` (a text to
    print), and what is to befall banks, each with the activation, task or depth of those it befalls: `fail` and
    `interrupt` (exceptions), `usage` (one for the user), `quit` (sys.exit), `leave` (os._exit), `segv`, `kill`,
    `hang`, `hold` (a hang that keeps Python's lock), `memory` (too little for more than one cell), `exhaust` (too
    little for a cell of seed 0, for real). `once` is a directory: a bank that has left a file there meets nothing more.
    """
    wishes = json.loads(os.environ.get("GRADLAB_FAKE", "{}"))
    cells = job.cells
    if "say" in wishes:
        print(wishes["say"], flush=True)
    befall(wishes, cells)
    if "gate" in wishes:
        wait_at(Path(wishes["gate"]), wishes.get("free", 0))
    time.sleep(wishes.get("sleep", 0))
    if "calls" in wishes:
        with Path(wishes["calls"]).open("a") as file:
            file.write("".join(cell_id(cell) + "\n" for cell in cells))
    return BankResult([record(cell) for cell in cells], "cpu", "")


def wait_at(gate: Path, free: int) -> None:
    line = b"bank\n"
    descriptor = os.open(gate.with_suffix(".begun"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(descriptor, line)
    begun = os.lseek(descriptor, 0, os.SEEK_CUR) // len(line)  # up to this one, however many have begun by now
    os.close(descriptor)
    if begun > free:
        while not gate.exists():
            time.sleep(0.005)


def befall(wishes: dict[str, Any], cells: tuple[Cell, ...]) -> None:
    there = {named.name for cell in cells for named in (cell.activation, cell.task)} | {cell.depth for cell in cells}
    fate = next((name for name in FATES if wishes.get(name) in there), None)
    if fate is None:
        return
    if "once" in wishes:
        mark = Path(wishes["once"]) / cell_id(cells[0])
        if mark.exists():
            return
        mark.touch()
    FATES[fate](cells, wishes[fate])


def _fail(cells: tuple[Cell, ...], wish: Any) -> None:
    raise RuntimeError(f"no such luck with {wish}")


def _interrupt(cells: tuple[Cell, ...], wish: Any) -> None:
    raise KeyboardInterrupt


def _usage(cells: tuple[Cell, ...], wish: Any) -> None:
    raise UsageError("there is no such device", "take another")


def _memory(cells: tuple[Cell, ...], wish: Any) -> None:
    if len(cells) > 1:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


def _exhaust(cells: tuple[Cell, ...], wish: Any) -> None:
    if any(cell.seed == 0 for cell in cells):
        np.empty(2**50)


def _hang(cells: tuple[Cell, ...], wish: Any) -> None:
    while True:
        time.sleep(60)


FATES: dict[str, Callable[[tuple[Cell, ...], Any], Any]] = {
    "fail": _fail,
    "interrupt": _interrupt,
    "usage": _usage,
    "quit": lambda *_: sys.exit("enough"),
    "leave": lambda *_: os._exit(7),
    "segv": lambda *_: faulthandler._sigsegv(),  # type: ignore[attr-defined]
    "kill": lambda *_: os.kill(os.getpid(), signal.SIGKILL),
    "hang": _hang,
    "hold": lambda *_: ctypes.PyDLL(None).sleep(1000),
    "memory": _memory,
    "exhaust": _exhaust,
}
