"""Run directories to make pages of, and what stands in a page.

The fixtures are imported by name, `run as run`, which tells a linter that the name is meant to stand there.
"""

from __future__ import annotations

import base64
import csv
import dataclasses
import gzip
import json
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from drawn import PROVENANCE, cells_of
from fake_work import record

from gradlab.cell import Cell, cell_id
from gradlab.mean_field import predict
from gradlab.record import Record
from gradlab.results.tables import tables
from gradlab.store import RunDirectory, checksums
from gradlab.store.manifest import MANIFEST, Manifest
from gradlab.store.records import Failure

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
DIGITS = 1.1e-6
"""Relative: the page keeps seven significant digits of a number."""
SESSION = {
    "command": ["gradlab", "run", "x.yaml"],
    "started": "2026-01-02T03:04:05+00:00",
    "finished": "2026-01-02T03:05:05+00:00",
    "versions": {"gradlab": "0.1.0", "torch": "2.13.0"},
    "git_commit": "0123abc",
    "device": "cpu",
}


def run_directory(
    path: Path, cells: Sequence[Cell], make: Callable[[Cell], Record] = record, *, lost: Sequence[Cell] = (),
    error: str = "RuntimeError: no such luck", spec: str = "", session: dict[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Write what a run of these cells would leave behind, with theory's predictions; the `lost` cells have failed."""
    directory = RunDirectory(path)
    directory.create()
    kept = [cell for cell in cells if cell not in lost]
    if kept:
        directory.publish("b0", kept, [make(cell) for cell in kept], PROVENANCE)
    failures = [Failure(cell, error, "b9") for cell in lost]
    found = tables(directory.load(), failures, order=[cell_id(cell) for cell in cells], predict=predict)
    if spec:
        directory.write_text("spec.yaml", spec)
    directory.write_tables(found.frames)
    directory.write_sessions(path.name, [SESSION if session is None else session])
    return path


def rows_of(path: Path, table: str) -> list[dict[str, str]]:
    """The rows of a CSV file as texts."""
    with (path / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number(text: str) -> float:
    """A number of a CSV file; an empty field is no number."""
    return float(text) if text else nan


def rewrite(path: Path, change: Callable[[list[str], list[str]], list[str]]) -> None:
    """Write cells.csv and summary.csv anew, each of their rows as `change(head, row)` has it.

    What vouches for them is forged, as by somebody who wants to do harm.
    """
    (path / "SHA256SUMS").unlink()
    manifest = Manifest.decode((path / MANIFEST).read_bytes())
    assert manifest is not None
    digests = dict(manifest.tables)
    for table in ("cells", "summary"):
        file = path / f"{table}.csv"
        with file.open(newline="", encoding="utf-8") as source:
            rows = list(csv.reader(source))
        with file.open("w", newline="", encoding="utf-8") as target:
            csv.writer(target, lineterminator="\n").writerows([change(rows[0], row) for row in rows])
        digests[table] = checksums.digest(file)
    (path / MANIFEST).write_bytes(dataclasses.replace(manifest, tables=digests).encode())


def hostile(tmp_path: Path) -> Path:
    """A run in which every text that a run may hold is markup."""
    cells = cells_of(depths=(2, 8), names=("relu", "sigmoid"), seeds=2)
    text = f"name: {EVIL}\ndescription: {EVIL}\n"
    session = {"command": [EVIL], EVIL: EVIL, "started": EVIL, "versions": {EVIL: [EVIL]}}
    path = tmp_path / "<img src=x onerror=alert(1)>"
    run_directory(path, cells, lost=cells[:1], error=EVIL, spec=text, session=session)

    def evil(head: list[str], row: list[str]) -> list[str]:
        place = head.index("activation")
        return [*row[:place], row[place].replace("relu", f"relu {EVIL}\u2028&amp;"), *row[place + 1 :]]

    rewrite(path, evil)
    return path


class Parsed(HTMLParser):
    """The elements of a page and the contents of its scripts, as a browser's parser sees them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.contents: dict[str, str] = {}
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("id") or tag if tag in ("script", "style", "title", "h1") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.contents[self._inside] = self.contents.get(self._inside, "") + data

    @property
    def data(self) -> Any:
        """The document behind the page."""
        return json.loads(self.contents["data"])

    def file(self, name: str) -> bytes:
        """The content of an embedded file."""
        return gzip.decompress(base64.b64decode(self.contents[name]))


def column(data: Any, name: str) -> list[Any]:
    """A column of the configurations, decoded."""
    found = data["configurations"][name]
    return [found["levels"][code] for code in found["codes"]] if isinstance(found, dict) else found


def scattered(cell: Cell) -> Record:
    """A record whose seeds differ in more than their factor, so that a mean over them is no seed's value."""
    one = record(cell)
    wobble = 0.3 * np.sin(1.7 * np.arange(cell.blocks) * (cell.seed + 1))
    return one.with_values(log_grad_norm=one.log_grad_norm + wobble)
