"""One section in a process of its own: what it measured, and how it ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["run"]


def run(command: Sequence[str], part: Path, limit_s: float) -> dict[str, Any]:
    """Run a command that writes its numbers into the JSON file `part`, and return them with how it ended.

    It is ended, with the processes that it started, after `limit_s`. ``error`` is empty, or the last line on stderr.
    """
    begun = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True
    ) as process:
        late = False
        try:
            _, said = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            late = True
            os.killpg(process.pid, signal.SIGKILL)
            _, said = process.communicate()
    error = ""
    if late:
        error = f"took longer than {limit_s:g} s"
    elif process.returncode:
        error = next((line for line in reversed(said.splitlines()) if line.strip()), f"exit code {process.returncode}")
    try:
        result = json.loads(part.read_text())
    except (OSError, ValueError):
        result = {}
    return {
        "seconds": round(time.monotonic() - begun, 1), "limit_s": limit_s, "late": late, "error": error,
        "result": result,
    }  # fmt: skip
