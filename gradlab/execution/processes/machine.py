"""Information of the operating system: available CPUs, memory kills, exit codes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

__all__ = ["available_cpus", "ending", "oom_kills"]

_CGROUP = Path("/sys/fs/cgroup")


def available_cpus() -> int:
    """Return the number of CPUs that this process may use: its affinity, limited by its control group; at least 1."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cpus = os.cpu_count() or 1
    quota = _quota()
    return max(1, cpus if quota is None else min(cpus, int(quota + 0.5)))


def _quota() -> float | None:
    """Return the CPUs that the tightest control group above this process allows (version 2, then 1), None for all."""
    groups: dict[str, str] = {}
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), path)
    limits = []
    for root, path in ((_CGROUP, groups.get("", "/")), (_CGROUP / "cpu", groups.get("cpu", "/"))):
        place = root / path.lstrip("/")
        for folder in (place, *place.parents):
            if not folder.is_relative_to(root):
                break
            limits += _limits(folder)
    return min(limits, default=None)


def _limits(folder: Path) -> list[float]:
    words = _read(folder / "cpu.max").split() or [
        _read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip(),
    ]  # fmt: skip
    if len(words) == 2 and all(word.isdigit() for word in words) and int(words[1]):  # "max" and -1 are no limit
        return [int(words[0]) / int(words[1])]
    return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def oom_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory since the start; 0 where that is unknown."""
    for line in _read(Path("/proc/vmstat")).splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def ending(code: int) -> str:
    """Describe how a process ended, from the return code of subprocess: negative for a signal."""
    if code >= 0:
        return f"left with exit code {code}"
    try:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"killed by signal {-code}"
