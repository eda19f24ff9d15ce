"""Small tables of the user as files, and what the task `table` makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradlab.datafiles.table import Table, table
from gradlab.datafiles.text_table import Reading

ROWS = "".join(f"{i * 0.37 % 1:.3f},{i * i % 7},{i % 3}\n" for i in range(12))
"""Twelve rows of three numbers; the third is 0, 1 or 2."""
TABLE = "a,b,y\n" + ROWS


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, target: str = "y", kind: str = "regression", standardize: Any = True, **reading: Any) -> Table:
    return table(str(path), target, kind, standardize, Reading(**reading))
