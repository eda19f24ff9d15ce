"""Repeatable failures: cells whose training raised an exception are not run again unless asked for.

``failures.jsonl`` in the run directory has one JSON object a line: `cell`, `bank`, `error` and the `circumstances`
that the cell was run in; in others it is run again. Only exceptions of the work function are kept there: the death of
a worker, a timeout, too little memory, a file or package that is not there, or a work function that cannot be loaded
say nothing about the cell, and a mistake of the user ends the run. The file is a cache: a line that cannot be read
means that its cell is run again, a cell that is done is done whatever the file says, and deleting it costs time only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from gradlab.cell import Cell, cell_id
from gradlab.execution.circumstances import circumstances
from gradlab.store import RunDirectory
from gradlab.store.atomic import explained, write_bytes
from gradlab.store.failed import FAILURES, read_failures
from gradlab.store.records import Failure

__all__ = ["NAME", "forget", "remember", "remembered"]

NAME = FAILURES


def remembered(directory: RunDirectory, cells: dict[str, Cell], device: str) -> tuple[Failure, ...]:
    """Return the kept failures of `cells` (by id) in the present circumstances, in their order."""
    failures: dict[str, Failure] = {}
    for entry in read_failures(directory.path):
        cell = cells.get(entry.cell)
        if cell is not None and entry.circumstances == circumstances(cell, device):
            failures[entry.cell] = Failure(cell, entry.error, entry.bank)
    return tuple(failures[cell] for cell in cells if cell in failures)


def remember(directory: RunDirectory, failures: Sequence[Failure], device: str) -> None:
    """Replace the kept failures. Raises StoreError when they cannot be written."""
    if not failures:
        forget(directory)
        return
    lines = [
        json.dumps(
            {
                "cell": cell_id(failure.cell),
                "bank": failure.bank,
                "error": failure.error,
                "circumstances": circumstances(failure.cell, device),
            }
        )
        for failure in failures
    ]
    write_bytes(directory.path / NAME, ("\n".join(lines) + "\n").encode())


def forget(directory: RunDirectory) -> None:
    """Remove the kept failures. Raises StoreError when that is not possible."""
    path = directory.path / NAME
    with explained("remove", path):
        path.unlink(missing_ok=True)
