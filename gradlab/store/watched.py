"""The directory of a watched training loop: ``run.json``, ``steps.csv``, ``layers.csv``.

A step is there when its row stands in ``steps.csv``, which is written after its rows of ``layers.csv``: each file only
grows, so that a process that is killed loses nothing but a step whose rows it was writing.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gradlab.errors import StoreError, UsageError
from gradlab.store.atomic import appending, explained, write_bytes
from gradlab.store.documents import parse

__all__ = ["WatchedDirectory", "is_watched"]

Row = dict[str, Any]
_KIND = "watch"
_TEXTS = ("name", "kind", "verdict", "overflow_at")
_TRUTHS = ("frozen", "connected", "is_cut")
_WHOLE = ("step", "micro_batches", "overflows", "block", "call", "parameters")


def is_watched(path: Path) -> bool:
    """Return whether a directory is one that `gl.watch` has made. One that cannot be read is none."""
    with suppress(OSError, ValueError):
        if not (path / "run.json").is_file():  # a pipe would never end
            return False
        document = parse((path / "run.json").read_text(encoding="utf-8"))
        return isinstance(document, dict) and document.get("kind") == _KIND
    return False


class WatchedDirectory:
    """One directory; making the object touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # writing

    def create(self, document: Mapping[str, Any]) -> None:
        """Make the directory. Raises UsageError where something lies there, StoreError where it cannot be made."""
        with explained("create", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            taken = any(self.path.iterdir())
            if not taken:
                try:
                    with (self.path / "run.json").open("x", encoding="utf-8") as file:
                        file.write(self._encoded(document))
                except FileExistsError:  # another process was faster
                    taken = True
        if taken:
            raise UsageError(
                f"{self.path}: there are files in it already",
                f'give another directory, out="{self.path}-2", or move this one away',
            )

    def describe(self, document: Mapping[str, Any]) -> None:
        """Replace ``run.json``."""
        write_bytes(self.path / "run.json", self._encoded(document).encode())

    def append(self, step: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]]) -> None:
        """Add the rows of a step: those of its blocks, then its own."""
        self._append("layers.csv", blocks)
        self._append("steps.csv", [step])

    def _append(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        path = self.path / name
        header = not path.exists() and bool(rows)
        lines = _lines(rows, header=header)
        with appending(path) as file:
            file.write(lines.encode())

    def replace_steps(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write all rows of ``steps.csv`` anew."""
        write_bytes(self.path / "steps.csv", _lines(rows, header=True).encode())

    @staticmethod
    def _encoded(document: Mapping[str, Any]) -> str:
        return json.dumps({"format": 1, "kind": _KIND, **document, "sessions": []}, indent=2) + "\n"

    # reading

    def document(self) -> dict[str, Any]:
        """Return what ``run.json`` says. Raises StoreError where it is none of a watched loop."""
        path, document = self.path / "run.json", None
        with explained("read", path), suppress(ValueError):
            document = parse(path.read_text(encoding="utf-8")) if path.is_file() else None
        if not isinstance(document, dict) or document.get("kind") != _KIND:
            raise StoreError(f"{self.path} is not the directory of a watched loop", "gl.watch(…, out=…) makes one")
        return document

    def tables(self) -> tuple[list[Row], list[Row]]:
        """Return the rows of the steps, and those of their blocks; without a line that was not written to its end."""
        steps = self._read("steps.csv")
        written = {row["step"] for row in steps}
        return steps, [row for row in self._read("layers.csv") if row["step"] in written]

    def _read(self, name: str) -> list[Row]:
        path = self.path / name
        with explained("read", path):
            data = path.read_bytes() if path.is_file() else b""
        try:
            whole = data[: data.rfind(b"\n") + 1].decode()
            return [
                {column: _value(column, text) for column, text in row.items()}
                for row in csv.DictReader(io.StringIO(whole, newline=""), strict=True)
            ]
        except (ValueError, TypeError, AttributeError, KeyError, csv.Error) as error:
            raise StoreError(f"{path} is not as gl.watch wrote it: {error}") from error


def _lines(rows: Sequence[Mapping[str, Any]], *, header: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header and rows:
        writer.writerow(rows[0])
    writer.writerows([_field(value) for value in row.values()] for row in rows)
    return text.getvalue()


def _field(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _value(column: str, text: str) -> Any:
    """Return what `_field` made a text of. Raises ValueError for anything else."""
    if column in _TEXTS:
        return text
    if column == "shape":
        return tuple(int(size) for size in text.split("x")) if text else ()
    if column in _TRUTHS:
        return {"true": True, "false": False}[text]
    return int(text) if column in _WHOLE else float(text or "nan")
