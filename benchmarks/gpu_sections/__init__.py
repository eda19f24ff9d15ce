"""The sections of `benchmarks/gpu.py`: each a module with a function `measure(context, results)`."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["SECTIONS", "Context", "Results"]

SECTIONS = {
    "machine": 20, "tests": 75, "bank_and_loop": 110, "reference_grid": 80, "many_cells": 45, "float32": 20,
    "mixed": 30, "memory": 30, "two_workers": 40, "newer": 30,
}  # fmt: skip
"""The sections in their order, with the most seconds that each may take: 480 together."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a section is asked."""

    device: str
    tiny: bool
    deadline: float
    """By `time.monotonic`: nothing new is begun after it."""

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


class Results(dict[str, Any]):
    """Numbers by name, written to a file each time that one is set: what there is stays when the process is ended."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        unfinished = self._path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(self))
        unfinished.replace(self._path)
