"""``failures.jsonl`` as it is read: a JSON object a line about a cell that has failed; what is none is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gradlab.errors import printable
from gradlab.store.atomic import explained
from gradlab.store.documents import parse

__all__ = ["FAILURES", "Remembered", "read_failures"]

FAILURES = "failures.jsonl"
_LONGEST = 1 << 16
"""Bytes of a line; the error in it is a thousand characters at most."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The failure of a cell, by its id, and the circumstances it was run in."""

    cell: str
    bank: str
    error: str
    circumstances: Any


def read_failures(directory: Path) -> Iterator[Remembered]:
    """Yield what is kept of failures in a run directory. Raises StoreError where that may not be read."""
    path = directory / FAILURES
    with explained("read", path):
        if not path.is_file():  # nor is a pipe or a device
            return
        with path.open("rb") as file:
            for line in _lines(file):
                try:
                    entry = parse(line)
                    cell, bank, error = (printable(str(entry[key])) for key in ("cell", "bank", "error"))
                    remembered = Remembered(cell, bank, error, entry.get("circumstances"))
                except (ValueError, KeyError, TypeError, AttributeError):  # a line cut short by a kill
                    continue
                yield remembered


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file; longer ones than any of ours are left out, and never in memory as a whole."""
    complete = True
    while line := file.readline(_LONGEST):
        ends = line.endswith(b"\n")
        if complete and (ends or len(line) < _LONGEST):
            yield line
        complete = ends
