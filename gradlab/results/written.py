"""The tables on the disk of a run, taken only where their content shows that they were made from its parts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING

from gradlab.columns import TABLES, Table, columns_of, names_of
from gradlab.store import RunDirectory, checksums
from gradlab.store.atomic import explained
from gradlab.store.manifest import MANIFEST, Manifest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WrittenTables"]


_ALWAYS = TABLES.keys() - {"stacked"}
_OF_CELLS = ("cell", "status", "bank", "error", "theory_log10_survival", "theory_log10_sd", "theory_log10_error",
             "theory_decay", "theory_z")  # fmt: skip


class WrittenTables:
    """The tables of a directory with the spec `spec_text`, as ``tables.json`` describes them.

    Once a table is not what it should be, none is taken: `reasons` says why. Each method raises StoreError for a file
    that may not be read.
    """

    def __init__(self, directory: RunDirectory, spec_text: str) -> None:
        self._directory = directory
        self._spec = sha256(spec_text.encode()).hexdigest() if spec_text else ""
        self.reasons: list[str] = []

    def current(self) -> bool:
        """Return whether the tables, as far as any was read, are those of the parts and the spec."""
        if not self.reasons and self._stale:
            self.reasons.append(self._stale)
        return not self.reasons

    def names(self) -> tuple[Table, ...]:
        """Return the tables that were written; none where they are not `current`."""
        return tuple(self._manifest.tables) if self._manifest and self.current() else ()  # type: ignore[arg-type]

    def content(self, name: Table) -> bytes | None:
        """Return the content of the file of a table; None where it is not taken."""
        if not self.current():
            return None
        data = self._read(name)
        return data if self._check(name, sha256(data).hexdigest(), data) else None

    def intact(self, name: Table) -> bool:
        """Return whether the file of a table is taken, without keeping its content."""
        if not self.current():
            return False
        path = self._directory.path / f"{name}.csv"
        with explained("read", path):
            if not path.is_file():
                return self._check(name, "", b"")
            with path.open("rb") as file:
                head = file.readline()
        return self._check(name, checksums.digest(path), head)

    @cached_property
    def cells(self) -> pd.DataFrame | None:
        """The table ``cells``, its ids, failures and predictions, also where parts were published since; None
        where it has changed or is of another spec."""
        from gradlab.store.csvfile import read_csv

        if self._manifest is None or (self._spec and self._manifest.spec != self._spec):
            return None
        data = self._read("cells")
        if sha256(data).hexdigest() != self._manifest.tables.get("cells"):
            return None
        return read_csv(self._directory.path / "cells.csv", data, _OF_CELLS)

    def changed(self, name: Table) -> bool:
        """Return whether the file of a table is there and has another content than was written."""
        exists = (self._directory.path / f"{name}.csv").is_file()
        return (
            exists
            and self._manifest is not None
            and sha256(self._read(name)).hexdigest() != self._manifest.tables.get(name)
        )

    def fits(self, name: Table, frame: pd.DataFrame) -> bool:
        """Return whether the columns of a table that hold numbers do, also in one that somebody has forged."""
        from pandas.api.types import is_numeric_dtype

        for column in columns_of(name) if len(frame) else ():
            number = column.kind in ("float", "int") and column.kept != "setting"
            if number and column.name in frame and not is_numeric_dtype(frame[column.name]):
                self.reasons.append(f"{name}.csv has texts for numbers in its column {column.name}")
                return False
        return True

    def published_since(self) -> set[str]:
        """Return the banks whose parts the tables were not made from."""
        known: Mapping[str, str] = self._manifest.parts if self._manifest else {}
        return {bank for bank, digest in self._digests.items() if known.get(bank) != digest}

    def _read(self, name: Table) -> bytes:
        path = self._directory.path / f"{name}.csv"
        with explained("read", path):
            return path.read_bytes() if path.is_file() else b""

    @cached_property
    def _manifest(self) -> Manifest | None:
        return self._directory.manifest()

    @cached_property
    def _digests(self) -> Mapping[str, str]:
        return self._directory.digests()

    @cached_property
    def _stale(self) -> str:
        """Why the tables as a whole are not taken; empty when they are."""
        if self._manifest is None:
            return f"{MANIFEST} {self._missing_or_changed(MANIFEST)}"
        if not _ALWAYS <= self._manifest.tables.keys() <= TABLES.keys():
            return f"{MANIFEST} speaks of other tables"
        if self._manifest.parts != self._digests:
            return "parts has changed since the tables were written"
        if self._spec and self._manifest.spec != self._spec:
            return "spec.yaml has changed since the tables were written"
        return ""

    def _check(self, name: Table, digest: str, data: bytes) -> bool:
        """Note in `reasons` what is wrong with a table whose content begins with `data`; return whether nothing is."""
        if self._manifest is None or digest != self._manifest.tables.get(name):
            self.reasons.append(f"{name}.csv {self._missing_or_changed(f'{name}.csv')}")
        elif data.partition(b"\n")[0].decode() != ",".join(names_of(name)):
            self.reasons.append(f"{name}.csv has the columns of another version of gradlab")
        return not self.reasons

    def _missing_or_changed(self, name: str) -> str:
        return "does not fit its checksum" if (self._directory.path / name).is_file() else "is missing"
