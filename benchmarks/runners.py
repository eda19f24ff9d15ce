"""One grid by many runners: a plain loop, joblib, Hydra, Ray Tune, a vmap ensemble, and gradlab.

    pip install -e '.[bench]'
    OMP_NUM_THREADS=1 python benchmarks/runners.py            # under ten minutes on two quiet cores
    OMP_NUM_THREADS=1 python benchmarks/runners.py --quick    # a few cells, to see that all of it works

The grid: depth 4, 8, 16, 32 x sigmoid, tanh, relu, gelu, selu x xavier_normal, he_normal, orthogonal x 8 seeds = 480
cells, width 64, batch 64, digits, 200 steps of sgd, the gradient profile in float64 at steps 0, 1, 2, 4, ... 200. The
loops have no other measurements than that; gradlab makes all of its own.

A runner that takes long gets fewer of the seeds, which keeps the mixture of cells, and its time is scaled:
start-up + (time - start-up) * 480 / cells. Start-up is the time of two cells of depth 4 without a step. The overhead
of a cell is what one more such empty cell takes. Every time is of a process of its own, with all that it starts;
rounds go through the runners in turn, and medians are shown. Memory is the largest sum, over the tree of processes,
of their proportional shares, where the system tells (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

FULL: dict[str, Any] = {
    "depth": [4, 8, 16, 32],
    "activation": ["sigmoid", "tanh", "relu", "gelu", "selu"],
    "init": ["xavier_normal", "he_normal", "orthogonal"],
    "seed": list(range(8)),
    "steps": 200,
}
SEEDS = {"sequential": 1, "joblib": 2, "hydra": 1, "ray": 1, "ray_reused": 1, "vmap": 8, "gradlab": 8}
TITLES = {
    "sequential": "plain torch.nn script, one process",
    "joblib": "the same, joblib on 2 processes",
    "hydra": "Hydra multirun, joblib launcher on 2",
    "ray": "Ray Tune, 2 CPUs",
    "ray_reused": "Ray Tune, `reuse_actors`",
    "vmap": "torch.func.vmap ensembles, joblib on 2",
    "gradlab": "gradlab, 2 workers",
}
EMPTY = FULL | {"depth": [4], "steps": 0}


def _pss(pid: int) -> int:
    """Return the proportional share of memory of a process, bytes; 0 where it has gone or the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _descendants(root: int) -> set[int]:
    """Return `root` and the processes below it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found, left = {root}, [root]
    while left:
        new = children.get(left.pop(), [])
        found.update(new)
        left += new
    return found


class Peak(threading.Thread):
    """Looks twice a second at how much memory a process and its descendants take."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._root, self._known, self._done = root, set[int](), threading.Event()
        self.bytes = 0

    def run(self) -> None:
        while not self._done.wait(0.5):
            self._known |= _descendants(self._root)
            self.bytes = max(self.bytes, sum(map(_pss, self._known)))

    def stop(self) -> None:
        self._done.set()


def timed(runner: str, grid: dict[str, Any]) -> tuple[float, int, dict[str, float]]:
    """Return the seconds that a runner takes for a grid in a process of its own, its peak memory, and its answer."""
    command = [sys.executable, str(Path(__file__).with_name("runner_tasks.py")), runner, json.dumps(grid)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = Peak(process.pid)
    peak.start()
    out, err = process.communicate()
    seconds = time.perf_counter() - start
    peak.stop()
    if process.returncode:
        raise SystemExit(f"{runner} failed:\n{err}")
    return seconds, peak.bytes, json.loads(out.strip().splitlines()[-1])


def sub(grid: dict[str, Any], seeds: int) -> dict[str, Any]:
    return grid | {"seed": grid["seed"][:seeds]}


def count(grid: dict[str, Any]) -> int:
    return len(grid["depth"]) * len(grid["activation"]) * len(grid["init"]) * len(grid["seed"])


def one_round(runner: str, full: dict[str, Any], *, aside: bool) -> dict[str, float]:
    """Return the times of one runner; `aside`: also those of its start-up and of empty cells."""
    grid = sub(full, SEEDS[runner])
    seconds, memory, answer = timed(runner, grid)
    found = {
        "seconds": seconds,
        "memory": float(memory),
        "cells": float(count(grid)),
        "answer": answer["log10_survival"],
    }
    if aside:
        two = EMPTY | {"activation": ["sigmoid"], "init": ["xavier_normal"], "seed": [0, 1]}
        many = sub(EMPTY, SEEDS[runner])
        found["start"] = timed(runner, two)[0]
        found["empty"] = max(0.0, timed(runner, many)[0] - found["start"]) / (count(many) - 2)
    return found


def row(runner: str, rounds: list[dict[str, float]], total: int) -> tuple[str, float]:
    """Return the line of a runner in the table, and its time for the whole grid."""
    seconds, cells = statistics.median(one["seconds"] for one in rounds), rounds[0]["cells"]
    start, empty = rounds[0]["start"], rounds[0]["empty"]
    whole = seconds if cells == total else start + max(0.0, seconds - start) * total / cells
    spread = (max(one["seconds"] for one in rounds) - min(one["seconds"] for one in rounds)) / seconds
    measured = f"{seconds:.1f} s, {cells:.0f} cells" + (f", ±{spread / 2:.0%}" if len(rounds) > 1 else "")
    memory = max(one["memory"] for one in rounds) / 2**20
    text = (
        f"| {TITLES[runner]} | {measured} | {whole:.0f} s | {1e3 * empty:.1f} ms | {start:.1f} s | {memory:.0f} MiB |"
    )
    return text, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="medians of so many, five minutes each")
    parser.add_argument("--runners", default=",".join(TITLES), help="some of: %(default)s")
    parser.add_argument("--quick", action="store_true", help="depths 4 and 8, 20 steps, one round")
    options = parser.parse_args()
    full = FULL | ({"depth": [4, 8], "steps": 20} if options.quick else {})
    runners = options.runners.split(",")
    found: dict[str, list[dict[str, float]]] = {runner: [] for runner in runners}
    for i in range(1 if options.quick else options.rounds):
        for runner in runners:
            found[runner].append(one_round(runner, full, aside=i == 0))
            print(f"{runner}: {found[runner][-1]['seconds']:.1f} s", file=sys.stderr, flush=True)
    print(f"{time.strftime('%Y-%m-%d')}, {platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, "
          f"torch {torch.__version__}\n")  # fmt: skip
    print(f"| runner | measured | {count(full)} cells | empty cell | start-up | memory | times gradlab |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rows = {runner: row(runner, found[runner], count(full)) for runner in runners}
    for line, whole in rows.values():
        print(f"{line} {whole / rows['gradlab'][1]:.1f} |" if "gradlab" in rows else f"{line} |")
    answers = {runner: statistics.mean(one["answer"] for one in rounds) for runner, rounds in found.items()}
    print("\nlog10 of survival, sigmoid with Xavier at the smallest depth: "
          + ", ".join(f"{runner} {answer:.2f}" for runner, answer in answers.items()))  # fmt: skip


if __name__ == "__main__":
    main()
