"""One grid by many runners, at equal work: a plain loop, joblib, Hydra, Ray Tune, vmap ensembles, and gradlab.

    pip install -e '.[bench]'
    OMP_NUM_THREADS=1 python benchmarks/runners.py            # under fifteen minutes on two quiet cores
    OMP_NUM_THREADS=1 python benchmarks/runners.py --quick    # a few cells, to see that all of it works

Tables of whole runs: **everything**: depth 4, 8, 16, 32 x sigmoid, tanh, relu, gelu, selu x xavier_normal, he_normal,
orthogonal x 8 seeds = 480 cells, width 64, batch 64, digits, 200 steps of sgd; at steps 0, 1, 2, 4, ... 200 all record
what gradlab records (`peers/measurements.py`), on a float64 copy. **profile**: the same cells with the gradient norm of
each block, the loss and the held-out metric alone, by gradlab with `probe.record: profile`. **clipped**: depth 6, 12,
24 x tanh, relu, sigmoid x 8 seeds = 72 cells whose gradient is clipped to norm 1, everything recorded. gradlab computes
its predictions and writes its tables beside that; no runner draws pictures. Before them **cells**: the processor time
of a cell in one process, by the loop, as one of an ensemble of 8 and in a bank of 8.

First it is checked that all record the same: from the same weights on the same batches the numbers of a probe agree to
the rounding of float64, and of float32 after some steps (`peers/agreement.py`). gradlab alone also keeps the course of
the training loss.

A runner that takes long gets a part of the cells with the same mixture of depths and activations, and its time is
scaled: start-up + (time - start-up) * cells / measured. Start-up is the time of two cells of the least depth without a
step, the smaller of two. The overhead of a cell is what one more such empty cell takes. Every time is of a process of
its own, with all that it starts; rounds go through the runners in turn, and medians are shown. Memory is the largest
sum, over the tree of processes, of their proportional shares, where the system tells (Linux). Processor time counts all
processes.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from statistics import fmean, median
from typing import Any

import torch
from peers import by_cell
from peers.agreement import differences
from peers.launchers import RUNNERS
from peers.process import Timing, timed
from peers.setting import AXES

Grid = dict[str, Any]
FULL: Grid = {
    "depth": [4, 8, 16, 32],
    "activation": ["sigmoid", "tanh", "relu", "gelu", "selu"],
    "init": ["xavier_normal", "he_normal", "orthogonal"],
    "seed": list(range(8)),
    "steps": 200,
    "clip": None,
    "record": "all",
}
CLIPPED = FULL | {
    "depth": [6, 12, 24], "activation": ["tanh", "relu", "sigmoid"], "init": ["he_normal"], "clip": 1.0,
}  # fmt: skip
FOUR = ("sequential", "joblib", "vmap", "gradlab")
PARTS = {
    "sequential": {"seed": 1}, "joblib": {"seed": 2}, "vmap": {"seed": 4}, "hydra": {"seed": 1},
    "ray_reused": {"seed": 1}, "ray": {"seed": 1, "init": 1},
}  # fmt: skip
"""How many values of an axis a runner gets of the 480 cells; all of those that are not named."""


@dataclass(frozen=True)
class Table:
    """A grid and the runners that are compared on it."""

    title: str
    grid: Grid
    runners: tuple[str, ...]
    parts: dict[str, dict[str, int]] = field(default_factory=dict)
    empties: bool = False
    """Whether the overhead of an empty cell is measured."""


TABLES = {
    "everything": Table("everything recorded", FULL, tuple(RUNNERS), PARTS, empties=True),
    "profile": Table("the profile alone", FULL | {"record": "profile"}, FOUR, PARTS),
    "clipped": Table("gradient clipped, everything recorded", CLIPPED, FOUR),
}


def count(grid: Grid) -> int:
    """Return the number of cells of a grid."""
    return prod(len(grid[axis]) for axis in AXES)


def part(grid: Grid, sizes: dict[str, int]) -> Grid:
    """Return the part of a grid with the first values of some axes."""
    return grid | {axis: grid[axis][:size] for axis, size in sizes.items()}


def empty(grid: Grid, seeds: int) -> Grid:
    """Return two cells without a step, of the least depth, or as many configurations with some seeds."""
    least = grid | {"depth": [min(grid["depth"])], "steps": 0}
    return part(least, {"seed": seeds} if seeds else {"activation": 1, "init": 1, "seed": 2})


def check_agreement() -> str:
    """Return how far peers and gradlab differ. Raises SystemExit where that is more than rounding."""
    every = [each for record in ("all", "profile") for each in differences(record)]
    if apart := [each for each in every if not each.largest <= each.allowed]:
        raise SystemExit("\n".join(["peers and gradlab record different numbers:", *map(str, apart)]))
    exact = max(each.largest for each in every if each.allowed < 1e-6)
    rest = max(each.largest for each in every if each.allowed >= 1e-6)
    names = {each.quantity for each in every}
    return (
        f"{len(names)} quantities of peers and gradlab from the same weights on the same batches: at step 0 they "
        f"differ by at most {exact:.0e}, in float32 and after 4 steps by {rest:.0e}."
    )


@dataclass(frozen=True)
class Row:
    """A runner in a table: seconds of the whole grid, scaled where it had a part."""

    title: str
    cells: int
    rounds: tuple[Timing, ...]
    start: Timing
    wall: tuple[float, ...]
    """Of each round."""
    processor: tuple[float, ...]
    overhead: float | None
    """Seconds of an empty cell."""

    def text(self, total: int, best: Row | None) -> str:
        """Return the row in Markdown; the ratios to `best` are medians over the rounds."""
        seconds = median(each.wall for each in self.rounds)
        cells = [
            f"{seconds:.1f} s, {self.cells} cells",
            f"{median(self.wall):.0f} s",
            f"{median(self.processor):.0f} s",
        ]
        cells += ["" if self.overhead is None else f"{1e3 * self.overhead:.1f} ms", f"{self.start.wall:.1f} s"]
        cells += [f"{max(each.memory for each in self.rounds) / 2**20:.0f} MiB"]
        if best is not None:
            pairs = ((self.wall, best.wall), (self.processor, best.processor))
            cells += [f"{median(mine / own for mine, own in zip(*pair, strict=True)):.2f}" for pair in pairs]
        return f"| {self.title} | {' | '.join(cells)} |"


def scaled(seconds: float, start: float, ratio: float) -> float:
    """Return the time of a grid by that of its part: the start-up does not grow."""
    return seconds if ratio == 1 else start + max(0.0, seconds - start) * ratio


def measure(table: Table, rounds: int) -> dict[str, Row]:
    """Return the rows of a table; every round goes through the runners in turn."""
    grids = {name: part(table.grid, table.parts.get(name, {})) for name in table.runners}
    starts = {
        name: min((timed(name, empty(table.grid, 0)) for _ in range(2)), key=lambda each: each.wall)
        for name in table.runners
    }
    timings: dict[str, list[Timing]] = {name: [] for name in table.runners}
    for _ in range(rounds):
        for name in table.runners:
            timings[name].append(timed(name, grids[name]))
            print(f"{table.title}, {name}: {timings[name][-1].wall:.1f} s", file=sys.stderr, flush=True)
    rows = {}
    for name in table.runners:
        start, overhead, ratio = starts[name], None, count(table.grid) / count(grids[name])
        if table.empties:
            many = empty(table.grid, len(grids[name]["seed"]))
            overhead = max(0.0, timed(name, many).wall - start.wall) / (count(many) - 2)
        rows[name] = Row(
            RUNNERS[name].title, count(grids[name]), tuple(timings[name]), start,
            tuple(scaled(each.wall, start.wall, ratio) for each in timings[name]),
            tuple(scaled(each.processor, start.processor, ratio) for each in timings[name]), overhead,
        )  # fmt: skip
    return rows


def report(table: Table, rows: dict[str, Row]) -> None:
    """Print a table in Markdown, and the means of the runners' own draws."""
    total = count(table.grid)
    print(f"\n{total} cells, {table.title}:\n")
    heads = ["runner", "measured", f"{total} cells", "processor", "empty cell", "start-up", "memory", "times gradlab",
             "in processor time"]  # fmt: skip
    heads = heads if "gradlab" in rows else heads[:-2]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for row in rows.values():
        print(row.text(total, rows.get("gradlab")))
    shape = " ".join(str(table.grid[axis][0]) for axis in ("depth", "activation", "init"))
    means = {name: [fmean(each.answer[key] for each in row.rounds) for key in ("log10_survival", "loss")]
             for name, row in rows.items()}  # fmt: skip
    texts = [f"{name} {survival:.2f}, {loss:.3f}" for name, (survival, loss) in means.items()]
    print(f"\nMean log10 of survival at step 0 and loss at the end of {shape}: {'; '.join(texts)}.")


def chosen(table: Table, runners: Sequence[str], *, quick: bool) -> Table:
    """Return a table with the runners that are asked for and installed; those that are not are named."""
    there = tuple(name for name in table.runners if name in runners and not RUNNERS[name].missing)
    grid = table.grid | ({"depth": table.grid["depth"][:2], "steps": 20} if quick else {})
    return replace(table, runners=there, grid=grid)


def main() -> None:
    """Check, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="medians of so many")
    parser.add_argument("--tables", default=",".join(["cells", *TABLES]), help="some of: %(default)s")
    parser.add_argument("--runners", default=",".join(RUNNERS), help="some of: %(default)s")
    parser.add_argument("--quick", action="store_true", help="two depths, 20 steps, one round")
    options = parser.parse_args()
    names, runners = options.tables.split(","), options.runners.split(",")
    if unknown := {*names} - {"cells", *TABLES} or {*runners} - RUNNERS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    for name in runners:
        if missing := RUNNERS[name].missing:
            print(f"left out: {RUNNERS[name].title} ({', '.join(missing)} is not installed)")
    print(check_agreement())
    if "cells" in names:
        print("\nMilliseconds of processor time of a cell, one process, one thread:\n")
        print("\n".join(by_cell.rows(*((1, 20) if options.quick else (max(3, options.rounds), 200)))))
    for name in (name for name in names if name != "cells"):
        table = chosen(TABLES[name], runners, quick=options.quick)
        report(table, measure(table, 1 if options.quick else options.rounds))
    print(f"\n{time.strftime('%Y-%m-%d')}, {platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, "
          f"load {os.getloadavg()[0]:.1f} at the end, torch {torch.__version__}")  # fmt: skip


if __name__ == "__main__":
    main()
