"""Times a runner in a process of its own: wall time, processor time and memory of it and all that it starts."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Timing", "timed"]

BENCHMARKS = Path(__file__).parents[1]
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Timing:
    """What one run took, and what it printed."""

    wall: float
    """Seconds."""
    processor: float
    """Seconds, of all processes."""
    memory: int
    """Bytes: the largest sum of the processes' proportional shares; 0 where the system does not tell."""
    answer: dict[str, float]


def _share(pid: int) -> int:
    """Return the proportional share of memory of a process, bytes; 0 where it has ended or the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _fields(pid: int) -> list[str]:
    """Return the fields of a process's stat from its state on; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


class _Monitor(threading.Thread):
    """Looks twice a second at a process and its descendants."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self._known, self._ended = {root}, threading.Event()
        self._processor: dict[int, float] = {}
        self.memory = 0

    def run(self) -> None:
        while not self._ended.wait(0.5):
            self._look()

    def _look(self) -> None:
        stats = {int(path.name): _fields(int(path.name)) for path in Path("/proc").glob("[0-9]*")}
        while more := {pid for pid, own in stats.items() if own and int(own[1]) in self._known} - self._known:
            self._known |= more
        for pid in self._known & stats.keys():
            if own := stats[pid]:
                self._processor[pid] = (int(own[11]) + int(own[12])) / TICK
        self.memory = max(self.memory, sum(map(_share, self._known & stats.keys())))

    def stop(self) -> float:
        """Stop looking and return the processor seconds of all processes that were seen."""
        self._ended.set()
        self.join()
        return sum(self._processor.values())


def timed(runner: str, grid: dict[str, Any]) -> Timing:
    """Run a runner on a grid. Raises SystemExit with its output where it fails."""
    path = os.pathsep.join([str(BENCHMARKS), str(BENCHMARKS.parent)])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "peers", runner, json.dumps(grid)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))},
    )  # fmt: skip
    monitor = _Monitor(process.pid)
    monitor.start()
    out, err = process.communicate()
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{runner} failed:\n{err}")
    # of children that were waited for the system knows the whole time, of all others what was seen last
    waited = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timing(wall, max(waited, monitor.stop()), monitor.memory, json.loads(out.strip().splitlines()[-1]))
