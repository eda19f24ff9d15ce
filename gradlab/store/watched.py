"""The directory of a watched training loop: ``run.json``, ``steps.csv``, ``layers.csv``.

A step is there when its row stands in ``steps.csv``, which is written after its rows of ``layers.csv``: each file only
grows, so that a process that is killed loses nothing but a step whose rows it was writing.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

from gradlab.errors import StoreError, UsageError
from gradlab.store.atomic import appending, explained, write_bytes
from gradlab.store.documents import FORMAT, document_of, parse
from gradlab.store.lock import in_use, locked

__all__ = ["BLOCK_COLUMNS", "STEP_COLUMNS", "WatchedDirectory", "is_watched"]

STEP_COLUMNS = (
    "step", "micro_batches", "loss", "verdict", "survival", "log10_survival", "decay", "clip_norm_before",
    "clip_norm_after", "clip_coef", "loss_scale", "overflows", "overflow_at",
)  # fmt: skip
BLOCK_COLUMNS = (
    "step", "block", "name", "kind", "call", "shape", "parameters", "frozen", "connected", "is_cut", "grad_norm",
    "log10_grad_norm", "grad_rms", "rel_grad", "log10_survival", "survival", "factor", "weight_grad_norm",
    "weight_norm", "update_ratio", "act_rms",
)  # fmt: skip

Row = dict[str, Any]
_KIND = "watch"
_TEXTS = ("name", "kind", "verdict", "overflow_at")
_TRUTHS = ("frozen", "connected", "is_cut")
_WHOLE = ("step", "micro_batches", "overflows", "block", "call", "parameters")


def is_watched(path: Path) -> bool:
    """Return whether a directory is one that `gl.watch` has made; without a readable ``run.json`` its ``steps.csv``
    says so. One that cannot be read is none."""
    with suppress(OSError, ValueError):
        if (path / "run.json").is_file():  # a pipe would never end
            document = parse((path / "run.json").read_bytes())
            return isinstance(document, dict) and document.get("kind") == _KIND
    with suppress(OSError, ValueError):
        if (path / "steps.csv").is_file():
            with (path / "steps.csv").open("rb") as file:
                return file.readline(1000).rstrip(b"\n").decode(errors="replace").split(",") == [*STEP_COLUMNS]
    return False


class WatchedDirectory:
    """One directory; making the object touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = ExitStack()
        self.locks = True
        """Whether the file system knows locks: otherwise nobody can tell whether a process is at work here."""

    # writing

    def create(self, document: Mapping[str, Any]) -> None:
        """Make the directory, and hold its lock until `release`, so that others see that it is written.

        Raises UsageError where something lies there, StoreError where it cannot be made.
        """
        with explained("create", self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            occupied = any(self.path.iterdir())
            if not occupied:
                refused: list[str] = []
                self._lock.enter_context(locked(self.path, refused.append))
                self.locks = not refused
                try:
                    with (self.path / "run.json").open("x", encoding="utf-8") as file:
                        file.write(self._encoded(document))
                except FileExistsError:  # another process was faster
                    self.release()
                    occupied = True
        if occupied:
            raise UsageError(
                f"{self.path}: there are files in it already",
                f'give another directory, out="{self.path}-2", or move this one away',
            )

    def release(self) -> None:
        """Let go of the lock: nothing more is written."""
        self._lock.close()

    def describe(self, document: Mapping[str, Any]) -> None:
        """Replace ``run.json``."""
        write_bytes(self.path / "run.json", self._encoded(document).encode())

    def append(self, step: Mapping[str, Any], blocks: Sequence[Mapping[str, Any]]) -> None:
        """Add the rows of a step: those of its blocks, then its own."""
        self._append("layers.csv", blocks)
        self._append("steps.csv", [step])

    def _append(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        with appending(self.path / name) as file:
            file.write(_lines(rows, header=not file.seek(0, os.SEEK_END)).encode())

    def replace_steps(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write all rows of ``steps.csv`` anew."""
        write_bytes(self.path / "steps.csv", _lines(rows, header=True).encode())

    def _encoded(self, document: Mapping[str, Any]) -> str:
        content = {"format": FORMAT, "kind": _KIND, **document, "locks": self.locks, "sessions": []}
        return json.dumps(content, indent=2) + "\n"

    # reading

    def document(self) -> dict[str, Any]:
        """Return what ``run.json`` says. Raises StoreError where it is none of a watched loop, damaged, or newer."""
        document = document_of(self.path / "run.json")
        if document.get("kind") != _KIND:
            raise StoreError(f"{self.path} is not the directory of a watched loop", "gl.watch(…, out=…) makes one")
        return document

    @property
    def working(self) -> bool:
        """Whether the process that watches the loop is still there."""
        return in_use(self.path)

    def tables(
        self, choose: Callable[[Sequence[Row]], Collection[int]] | None = None
    ) -> tuple[list[Row], list[Row]]:  # fmt: skip
        """Return the rows of the steps, and those of their blocks; without a line that was not written to its end.

        `choose` returns the steps, of those given, whose blocks are read; None: all.
        """
        steps = self.steps()
        chosen_steps = {row["step"] for row in steps} if choose is None else set(choose(steps))
        return steps, self.blocks_since(0, chosen_steps.__contains__)[0]

    def steps(self) -> list[Row]:
        """Return the rows of the steps."""
        return self._read("steps.csv", 0, STEP_COLUMNS)[0]

    def blocks_since(self, start: int, selects: Callable[[int], bool] | None = None) -> tuple[list[Row], int]:
        """Return the rows of the blocks from a place of their file on, of the steps that `selects` accepts, and the
        place where the next will begin."""
        return self._read("layers.csv", start, BLOCK_COLUMNS, selects)

    def _read(
        self, name: str, start: int, columns: Sequence[str], selects: Callable[[int], bool] | None = None
    ) -> tuple[list[Row], int]:  # fmt: skip
        path = self.path / name
        with explained("read", path):
            if not path.is_file():
                return [], 0
            with path.open("rb") as file:
                try:
                    return _rows(file, start, columns, selects)
                except (ValueError, IndexError, KeyError, csv.Error) as error:
                    raise StoreError(f"{path} is not as gl.watch wrote it: {error}") from error


def _rows(
    file: BinaryIO, start: int, columns: Sequence[str], selects: Callable[[int], bool] | None
) -> tuple[list[Row], int]:  # fmt: skip
    """Return the rows of a file from a place on, and the place behind the last whole line."""
    header = file.readline()
    if not header.endswith(b"\n"):
        return [], 0
    present = next(csv.reader([header.decode()], strict=True))
    if missing := [column for column in columns if column not in present]:
        raise ValueError(f"it has no column {missing[0]}")
    at, place = present.index("step"), max(start, len(header))
    file.seek(place)

    def lines() -> Iterator[str]:
        nonlocal place
        for line in file:
            if not line.endswith(b"\n"):  # it is being written
                return
            place += len(line)
            yield line.decode()

    rows = [
        {column: _value(column, text) for column, text in zip(present, fields, strict=True)}
        for fields in csv.reader(lines(), strict=True)
        if selects is None or selects(int(fields[at]))
    ]
    return rows, place


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
