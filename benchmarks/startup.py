"""From the command to the first bank and to the answer, beside what torch alone takes to import.

    python benchmarks/startup.py [--rounds 7]

Each round measures in turn: ``import torch``; a run of one cell of ten steps, to the end of its report and to its exit
(the pictures are drawn in between), and without pictures; a run of two workers, to the moment at which its first bank
is handed to a worker. Printed are medians of wall time and of processor time, and their ratios to ``import torch``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

ONE = "name: one\ndepth: 4\nwidth: 32\ntrain: {steps: 10}\n"
TWO = "name: two\ngrid: {depth: [4, 8, 12, 16]}\nwidth: 32\nseeds: 2\ntrain: {steps: 10}\n"
RUN = [sys.executable, "-m", "gradlab", "run"]
FIRST_BANK = """
import sys, time
from gradlab.execution.processes.worker import Worker
send = Worker.send
def first(self, job):
    print(time.time(), file=sys.stderr, flush=True)
    Worker.send = send
    return send(self, job)
Worker.send = first
from gradlab.cli import invoke
invoke(sys.argv[1:])
"""


def timed(command: Sequence[str], cwd: Path, until: str = "") -> tuple[float, float, float]:
    """Return seconds to the line of output that begins with `until`, to the exit, and of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    said = 0.0
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if until and line.startswith(until):
                said = time.perf_counter() - begun
    ended = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return said, ended, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def first_bank(cwd: Path) -> float:
    """Return seconds until a run of two workers hands out its first bank."""
    command = [sys.executable, "-c", FIRST_BANK, "run", "two.yaml", "--workers", "2", "--out", "two"]
    begun = time.time()
    ended = subprocess.run(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    return float(ended.stderr.splitlines()[0]) - begun


def measure() -> dict[str, tuple[float, float]]:
    """Return wall and processor seconds of one round; no processor time where only a part of a run is measured."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "one.yaml").write_text(ONE)
        (Path(folder) / "two.yaml").write_text(TWO)
        return _measured(Path(folder))


def _measured(cwd: Path) -> dict[str, tuple[float, float]]:
    _, torch, torch_cpu = timed([sys.executable, "-c", "import torch"], cwd)
    said, ended, cpu = timed([*RUN, "one.yaml", "--out", "one"], cwd, "Tables:")
    _, bare, bare_cpu = timed([*RUN, "one.yaml", "--out", "bare", "--no-plots"], cwd)
    return {
        "import torch": (torch, torch_cpu),
        "one cell, to the end of the report": (said, 0.0),
        "one cell, to the exit": (ended, cpu),
        "one cell without pictures, to the exit": (bare, bare_cpu),
        "two workers, to the first bank": (first_bank(cwd), 0.0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    measure()  # the first fills the caches of the disk
    rounds = [measure() for _ in range(arguments.rounds)]
    print(f"{arguments.rounds} rounds, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the end")
    print("| what | wall s | of import torch | processor s | of import torch |\n| --- | --- | --- | --- | --- |")
    for name in rounds[0]:
        wall = median(each[name][0] for each in rounds)
        ratio = median(each[name][0] / each["import torch"][0] for each in rounds)
        cpu = median(each[name][1] for each in rounds)
        cpu_ratio = median(each[name][1] / each["import torch"][1] for each in rounds)
        own = f"{cpu:.2f} | {cpu_ratio:.2f}" if cpu else " | "
        print(f"| {name} | {wall:.2f} | {ratio:.2f} | {own} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(rounds, indent=1))


if __name__ == "__main__":
    main()
