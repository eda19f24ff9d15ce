"""What a cell costs beside its training: 10,000 cells of one step, run, killed nobody, and run again.

    OMP_NUM_THREADS=1 python benchmarks/overhead.py [--cells 10000] [--repeats 3]

Three things are measured on the real command line, the first two from outside the process, in /proc (Linux):

- a run whose work is nothing (records out of thin air): its wall time over the cells is scheduling, transport and the
  durable record, a part with two fsyncs a bank, and start-up too;
- its resident memory as the parts come, which must not grow with them;
- the same command again when all is done, the tables and the report included.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from gradlab.cell import cell_id
from gradlab.columns import field_names
from gradlab.execution.base import BankResult, Job
from gradlab.record import Record

SPEC = """
name: overhead
width: 4
train: {{steps: 1, batch_size: 4}}
probe: {{at: [0], batch_size: 8}}
seeds: {seeds}
grid:
  depth: 2..6
  activation: [sigmoid, tanh, relu, gelu, selu]
  init: [xavier_normal, he_normal]
"""
CONFIGURATIONS = 5 * 5 * 2


def nothing(job: Job) -> BankResult:
    """Stand in for training: records of the right shapes."""
    others = dict.fromkeys(field_names("cell"), 1.0)
    others |= {"status": "ok", "diverged_at": None, "steps": 1, "metric_name": "accuracy", "learned": True}
    others |= {"in_features": 64, "out_features": 10, "probe_steps": np.array([0, 1])}
    others |= {name: np.ones(2) for name in field_names("step")}
    records = [
        Record(**others | {name: np.ones((2, cell.blocks)) for name in field_names("layer")} | {"cell": cell_id(cell)})
        for cell in job.cells
    ]
    return BankResult(records, "cpu", "")


def start(directory: Path, work: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-m", "gradlab", "run", "spec.yaml", "--no-plots", "--quiet", "--json"],
        cwd=directory, env={**os.environ, "GRADLAB_WORK": work, "PYTHONPATH": path}, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def proc(pid: int) -> tuple[float, float]:
    """Resident memory in MB and CPU seconds so far of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    resident = int(status.partition("VmRSS:")[2].split()[0]) / 1000
    return resident, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(directory: Path, work: str) -> tuple[list[tuple[float, int, float, float]], float]:
    """Run to the end; return (seconds, parts, MB, CPU seconds) over time, and the whole time."""
    parts, rows, begun = directory / "results/overhead/parts", [], time.perf_counter()
    process = start(directory, work)
    while process.poll() is None:
        try:
            rows.append((time.perf_counter() - begun, len(list(parts.glob("*.parquet"))), *proc(process.pid)))
        except (OSError, IndexError):  # it ends at this moment
            break
        time.sleep(0.05)
    if process.wait() != 0:
        sys.exit(f"the run left with {process.returncode}")
    return rows, time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    seeds = max(1, options.cells // CONFIGURATIONS)
    cells = seeds * CONFIGURATIONS
    cpus = len(os.sched_getaffinity(0))
    print(f"{platform.machine()}, {cpus} CPUs, Python {platform.python_version()}, {cells:,} cells")
    walls, busy = [], []
    for repeat in range(options.repeats):
        with tempfile.TemporaryDirectory() as folder:
            directory = Path(folder)
            (directory / "spec.yaml").write_text(SPEC.format(seeds=seeds))
            rows, whole = measure(directory, "overhead:nothing")
            total = rows[-1][1]
            first = next(row for row in rows if row[1])
            last = next(row for row in rows if row[1] == total)
            walls.append(1000 * last[0] / cells)
            busy.append(1000 * (last[3] - first[3]) / cells)
            if repeat == 0:
                print(f"{total} banks; last part after {last[0]:.1f} s, tables after {whole:.1f} s\n")
                print("| parts | resident MB |\n| --- | --- |")
                for share in (0.0, 0.25, 0.5, 0.75, 1.0):
                    row = next(row for row in rows if row[1] >= max(1, share * total))
                    print(f"| {row[1]} | {row[2]:.0f} |")
            again = [measure(directory, "overhead:nothing")[1] for _ in range(options.repeats)]
            if repeat == options.repeats - 1:
                print(f"\nto the last part, start-up included: {statistics.median(walls):.2f} ms a cell")
                print(f"of that in the parent, first part to last: {statistics.median(busy):.2f} ms of CPU a cell")
                print(f"the same again, all done: {statistics.median(again):.1f} s")
                begun = time.perf_counter()
                (directory / "spec.yaml").write_text(SPEC.format(seeds=seeds).replace("overhead", "real"))
                process = start(directory, "gradlab.execution.worker:train")
                if process.wait() != 0:
                    sys.exit("the run with training failed")
                print(
                    f"with real training and the tables: {1000 * (time.perf_counter() - begun) / cells:.2f} ms a cell"
                )


if __name__ == "__main__":
    main()
