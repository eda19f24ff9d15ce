"""How long `gradlab compare` takes on many cells: start-up, then loading and comparing, in a process of its own.

    python benchmarks/compare_scale.py [--cells 10000] [--banks 200]

The results are synthetic (random profiles, eleven probed steps, depths 4 to 32), published through the store, so that
what is read is what a run leaves behind.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import subprocess
import sys
import tempfile
import time
from math import log
from pathlib import Path

import numpy as np

from gradlab.cell import Cell, Named, cell_id, probe_steps
from gradlab.columns import field_names
from gradlab.record import Record
from gradlab.store import RunDirectory

FACTORS = {"sigmoid": 0.24, "tanh": 0.97, "relu": 0.71, "gelu": 0.5, "selu": 1.04}
NORMS = {"none": 1.0, "batch": 1.2, "layer": 1.1}
PROVENANCE = {"wall_s": 0.1, "device": "cpu", "gradlab": "0.1.0", "torch": "2.0.0"}


def cells(number: int) -> list[Cell]:
    seeds = -(-number // (4 * 5 * 3 * 3 * 2 * 2 * 2))
    grid = itertools.product(
        (4, 8, 16, 32), FACTORS, ("xavier_normal", "he_normal", "orthogonal"), NORMS, ("none", "pre_norm"),
        ("sgd", "adam"), (64, 128), range(seeds),
    )  # fmt: skip
    return [
        Cell(
            depth=depth, width=width, activation=Named(activation), init=Named(init), norm=Named(norm),
            residual=Named(residual), optimizer=Named(optimizer), lr=0.1, seed=seed,
        )
        for depth, activation, init, norm, residual, optimizer, width, seed in itertools.islice(grid, number)
    ]  # fmt: skip


def record(cell: Cell, random: np.random.Generator) -> Record:
    steps = np.array(probe_steps(cell.steps, cell.probe_at))
    shape = (len(steps), cell.depth)
    factor = FACTORS[cell.activation.name] * NORMS[cell.norm.name]
    log_g = log(factor) * np.arange(cell.depth - 1, -1, -1) + random.normal(0, 0.1, shape).cumsum(axis=1)
    learned = bool(log_g[0, 0] - log_g[0, -1] > -9 + random.normal())
    values = {name: random.normal(1, 0.1, len(steps)) for name in field_names("step")}
    values |= {name: random.normal(1, 0.1, shape) for name in field_names("layer")}
    values |= {"log_grad_norm": log_g, "metric": np.clip(0.1 + 0.8 * learned + values["metric"] / 10, 0, 1)}
    return Record(
        cell=cell_id(cell), status="ok", diverged_at=None, steps=cell.steps, in_features=64, out_features=10,
        input_mean_square=1.0, metric_name="accuracy", learned=learned, clip_rate=float("nan"),
        clip_coef_mean=float("nan"), probe_steps=steps, **values,
    )  # fmt: skip


def publish(directory: RunDirectory, number: int, banks: int) -> None:
    random = np.random.default_rng(0)
    every = cells(number)
    directory.create()
    for bank, chosen in enumerate(np.array_split(np.arange(len(every)), banks)):
        members = [every[index] for index in chosen]
        directory.publish(f"bank{bank:05}", members, [record(cell, random) for cell in members], PROVENANCE)


def timed(*arguments: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "gradlab", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--banks", type=int, default=200)
    parser.add_argument("--keep", type=Path, help="make the results here and leave them")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "large"
        if not path.exists():
            publish(RunDirectory(path), options.cells, options.banks)
        small = Path(folder) / "small"
        publish(RunDirectory(small), 8, 1)
        start_up = min(timed("compare", str(small)) for _ in range(3))
        whole = min(timed("compare", str(path), "--baseline", "activation=sigmoid") for _ in range(3))
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, best of 3")
    print(f"start-up and 8 cells  {start_up:6.2f} s")
    print(
        f"{options.cells:,} cells in {options.banks} parts  {whole:6.2f} s, so {whole - start_up:.2f} s for the cells"
    )


if __name__ == "__main__":
    main()
