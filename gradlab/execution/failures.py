"""Failures that would come again: cells whose computation raised an error are not run a second time unasked.

``failures.jsonl`` in the run directory has one JSON object a line: `cell`, `bank`, `error` and `versions`, those of
what the cell was run with; with other versions it is run again. It is a reminder and no record of truth: a line that
cannot be read means that its cell is run again, a cell that is done is done whatever stands here, and who deletes the
file loses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from gradlab.cell import Cell, cell_id
from gradlab.execution.provenance import versions
from gradlab.store import RunDirectory
from gradlab.store.atomic import explained, write_bytes
from gradlab.store.records import Failure

__all__ = ["NAME", "forget", "remember", "remembered"]

NAME = "failures.jsonl"


def remembered(directory: RunDirectory, cells: dict[str, Cell]) -> tuple[Failure, ...]:
    """Return the failures of `cells` (by id) that would come again, in their order."""
    try:
        lines = (directory.path / NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    now = _versions()
    found: dict[str, Failure] = {}
    for line in lines:
        try:
            entry = json.loads(line)
            cell, bank, error = str(entry["cell"]), str(entry["bank"]), str(entry["error"])
            current = entry["versions"] == now
        except (ValueError, KeyError, TypeError):  # a line cut short by a kill
            continue
        if current and cell in cells:
            found[cell] = Failure(cells[cell], error, bank)
    return tuple(found[cell] for cell in cells if cell in found)


def remember(directory: RunDirectory, failures: Sequence[Failure]) -> None:
    """Replace what is remembered. Raises StoreError when it cannot be written."""
    if not failures:
        forget(directory)
        return
    now = _versions()
    lines = [
        json.dumps({"cell": cell_id(one.cell), "bank": one.bank, "error": one.error, "versions": now})
        for one in failures
    ]
    write_bytes(directory.path / NAME, ("\n".join(lines) + "\n").encode())


def forget(directory: RunDirectory) -> None:
    """Remember nothing any more. Raises StoreError when it cannot be removed."""
    path = directory.path / NAME
    with explained("remove", path):
        path.unlink(missing_ok=True)


def _versions() -> str:
    found = versions()
    return ", ".join(f"{name} {found[name]}" for name in ("gradlab", "torch", "numpy") if name in found)
