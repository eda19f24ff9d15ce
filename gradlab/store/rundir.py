"""A run directory: ``parts/`` holds what is done, everything else can be rebuilt from it.

Nothing here keeps a status: a bank is done when its part has been published, and only then.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.cell import Cell
from gradlab.errors import StoreError
from gradlab.measured import Measured
from gradlab.record import Record
from gradlab.store.atomic import TEMPORARY, explained, write_bytes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunDirectory"]

_MARKS = ("run.json", "parts")


class RunDirectory:
    """``results/<name>/`` of one spec. Making the object touches nothing; `create` makes the directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts = path / "parts"

    def exists(self) -> bool:
        """Return whether anything lies there. Raises StoreError when that is not a run directory."""
        with explained("look into", self.path):
            if not os.path.lexists(self.path):
                return False
            if not self.path.is_dir():
                raise StoreError(
                    f"{self.path} is a file, where the run directory should be",
                    "choose another directory with --out, or another name in the spec",
                )
            found = {entry.name for entry in self.path.iterdir()}
        if found and found.isdisjoint(_MARKS):
            raise StoreError(
                f"{self.path} is there already and is not a run directory of gradlab (it has no run.json)",
                "choose another directory with --out, or another name in the spec",
            )
        return bool(found)

    def create(self) -> None:
        """Make the directory where it is missing and clear what a killed process left half written.

        Raises StoreError when the place is taken by something else or cannot be written to.
        """
        self.exists()
        with explained("create", self.path):
            self.parts.mkdir(parents=True, exist_ok=True)
            for folder in (self.path, self.parts):
                for left_over in folder.glob(f"*{TEMPORARY}"):
                    left_over.unlink()

    def start_over(self) -> Path | None:
        """Set the parts aside as ``parts.old``, in the place of an older one; return it, or None without parts."""
        old = self.path / "parts.old"
        with explained("set aside", self.parts):
            if not self.parts.is_dir() or not any(self.parts.iterdir()):
                return None
            if old.exists():
                shutil.rmtree(old)
            self.parts.rename(old)
            self.parts.mkdir()
        return old

    def done(self, *, verify: bool = False) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
        """Return which cells are done, as {cell id: bank id}, and the damaged parts as (file name, reason).

        Without `verify` only the column of the ids is read and only gross damage is seen; with it every byte is
        checked against the part's checksum.
        """
        from gradlab.store import parts

        found: dict[str, str] = {}
        damaged: list[tuple[str, str]] = []
        for path in self._published():
            try:
                ids = parts.read_cells(path, verify=verify)
            except parts.Damaged as damage:
                damaged.append((path.name, str(damage)))
            else:
                found |= {cell: path.stem for cell in ids if cell not in found}
        return found, tuple(damaged)

    def set_aside(self, part: str) -> Path:
        """Rename a damaged part so that its cells count as not done; return its new path."""
        path = self.parts / part
        aside = path.with_name(f"{part}.damaged")
        with explained("rename", path):
            path.replace(aside)
        return aside

    def publish(
        self, bank: str, cells: Sequence[Cell], records: Sequence[Record], provenance: Mapping[str, Any]
    ) -> Path:
        """Write one finished bank. `provenance` has the keys of `parts.PROVENANCE`; `wall_s` is one cell's share.

        Raises StoreError when it cannot be written, ValueError for records that are not those of the cells.
        """
        from gradlab.store import parts

        path = self.parts / f"{bank}.parquet"
        parts.write(path, parts.to_table(cells, records, provenance))
        return path

    def load(self, ids: Sequence[str] | None = None) -> Measured:
        """Return the done cells among `ids`, in that order; without `ids` all of them, ordered by part.

        Raises StoreError for a damaged part.
        """
        import pyarrow as pa

        from gradlab.store import parts

        tables = [parts.SCHEMA.empty_table().append_column("bank", pa.array([], pa.string()))]
        for path in self._published():
            try:
                table = parts.read(path)
            except parts.Damaged as damage:
                raise StoreError(f"{path} is damaged: {damage}", "run the spec again: it repairs it") from damage
            tables.append(table.append_column("bank", pa.array([path.stem] * len(table), pa.string())))
        table = pa.concat_tables(tables, promote_options="default")
        first: dict[str, int] = {}
        for row, cell in enumerate(table.column("cell").to_pylist()):
            first.setdefault(cell, row)
        wanted = first.values() if ids is None else [first[cell] for cell in ids if cell in first]
        return parts.measured(table.take(pa.array(wanted, pa.int64())))

    def write_csv(self, name: str, frame: pd.DataFrame) -> Path:
        """Replace the table `name`, see `csvfile.write_csv`; return its path."""
        from gradlab.store.csvfile import write_csv

        write_csv(self.path / name, frame)
        return self.path / name

    def write_text(self, name: str, text: str) -> None:
        """Replace the file `name` atomically."""
        write_bytes(self.path / name, text.encode())

    def log(self, text: str) -> None:
        """Append to ``run.log``, each entry with the time in UTC."""
        path = self.path / "run.log"
        with explained("write", path), path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}Z {text.rstrip()}\n")

    def sessions(self) -> list[dict[str, Any]]:
        """Return the sessions of ``run.json``, oldest first; none when it is missing or is not as gradlab writes it."""
        path = self.path / "run.json"
        with explained("read", path):
            text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else "{}"
        try:
            document = json.loads(text)
        except ValueError:  # provenance that someone edited must not stop a run
            return []
        found = document.get("sessions") if isinstance(document, dict) else None
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    def write_sessions(self, name: str, sessions: Sequence[Mapping[str, Any]]) -> None:
        """Replace ``run.json``: the name of the spec, and one entry for each session that computed something."""
        text = json.dumps({"format": 1, "name": name, "sessions": list(sessions)}, indent=2)
        self.write_text("run.json", text + "\n")

    def _published(self) -> list[Path]:
        with explained("look into", self.parts):
            return sorted(self.parts.glob("*.parquet")) if self.parts.is_dir() else []
