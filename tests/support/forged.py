"""Run directories from somebody else: parts and files changed on purpose, with checksums that fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradlab.store import checksums, parts

__all__ = ["change_part", "change_settings", "vouch"]


def change_part(run: Path, which: int = 0, **columns: Callable[[Any], Any]) -> Path:
    """Rewrite a part of a run, each value of the columns as its function makes it of the old one; return its path."""
    path = sorted((run / "parts").glob("*.parquet"))[which]
    table = parts.read(path)
    for name, change in columns.items():
        values = pa.array([change(value) for value in table.column(name).to_pylist()], table.schema.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), name, values)
    parts.write(path, table)
    return path


def change_settings(run: Path, which: int = 0, **changes: Any) -> Path:
    """Rewrite a part of a run, with these fields in every stored setting; return its path."""
    return change_part(run, which, setting=lambda text: json.dumps(json.loads(text) | changes))


def vouch(run: Path) -> None:
    """Make the checksums fit what lies in the run directory now, as somebody who wants to do harm would."""
    names = [name for name in checksums.KNOWN if (run / name).is_file()]
    lines = [f"{checksums.digest(run / name)}  {name}\n" for name in sorted(names)]
    (run / checksums.SUMS).write_text("".join(lines))
