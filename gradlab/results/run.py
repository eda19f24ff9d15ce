"""The reader of a run directory: everything that shows or compares results takes a `Run`.

The parts are what is done. The tables on the disk are taken only where their content shows that they were made from
just these parts and this spec (`WrittenTables`); otherwise they are made anew in memory, and `Run.warnings` says why.
The times of files play no part.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab import grid
from gradlab import spec as specs
from gradlab.cell import Cell, cell_id
from gradlab.columns import Table
from gradlab.errors import GradlabError, StoreError
from gradlab.results.theory_cache import Predictions
from gradlab.results.written import WrittenTables
from gradlab.spec import Spec
from gradlab.store import RunDirectory
from gradlab.store.atomic import explained
from gradlab.store.failed import read_failures
from gradlab.store.records import Failure, Records, Unreadable
from gradlab.store.sessions import moment

if TYPE_CHECKING:
    import pandas as pd

    from gradlab.results.tables import Tables

__all__ = ["REBUILD", "Run"]

REBUILD = "run the spec again: it rebuilds the tables, nothing is computed twice"
"""What to do about tables that are missing, stale or damaged."""
_ROWS_AT_ONCE = 500_000


class Run:
    """One run directory as it stands when it is first looked at. Making the object reads nothing.

    Whatever reads it raises StoreError for what may not be read ("permission denied" is never "nothing there").
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.directory = RunDirectory(path)
        self._unreadable: tuple[Unreadable, ...] | None = None

    @property
    def name(self) -> str:
        """The name of the directory."""
        return self.path.resolve().name

    # what stands beside the numbers

    @cached_property
    def spec_text(self) -> str:
        """The text of ``spec.yaml``; empty where it is missing or not as it was written."""
        return self.directory.read_text("spec.yaml") or ""

    @cached_property
    def spec(self) -> Spec | None:
        """The spec that was run last; None where it cannot be read, as when its data file has moved."""
        try:
            return specs.load(self.path / "spec.yaml") if self.spec_text else None
        except GradlabError:
            return None

    @cached_property
    def sessions(self) -> tuple[dict[str, Any], ...]:
        """The entries of ``run.json``, oldest first."""
        return tuple(self.directory.sessions())

    @property
    def begun(self) -> float:
        """When its first session began, in seconds since 1970; 0 where ``run.json`` does not say."""
        return moment(self.sessions[0].get("started")) or 0.0 if self.sessions else 0.0

    @cached_property
    def expected_cells(self) -> Mapping[str, Cell]:
        """The cells of the spec by id, in its order; empty where it cannot be read or expanded."""
        try:
            cells = grid.expand(self.spec, self.spec.size).cells if self.spec is not None else ()
        except GradlabError:
            return {}
        return {cell_id(cell): cell for cell in cells}

    @cached_property
    def cells(self) -> Mapping[str, Cell]:
        """The cells that the expectations of the spec speak of, by id: those of the spec in its order or, of a run with
        other seeds than it says, those that are done."""
        expected = self.expected_cells
        if expected and expected.keys() >= set(self.current):
            return expected
        return {cell_id(cell): cell for cell in self.records(("cell",)).cells}

    # what is done

    @cached_property
    def stored(self) -> Mapping[str, str]:
        """Every cell in the parts: its id, and the bank that holds it. Only gross damage is seen here."""
        return self.directory.done()[0]

    @cached_property
    def current(self) -> tuple[str, ...]:
        """The ids of the stored cells that belong to the spec.

        They are those of the table ``cells``, where it is of this spec, and of parts published since; without it those
        of the spec that stands in the directory; where that says nothing, all.
        """
        listed = self._written.cells
        if listed is not None:
            since = self._written.published_since()
            fresh = (cell for cell, bank in self.stored.items() if bank in since)
            return tuple(dict.fromkeys((*(cell for cell in listed["cell"] if cell in self.stored), *fresh)))
        return tuple(cell for cell in self.expected_cells if cell in self.stored) or tuple(self.stored)

    @property
    def aside(self) -> int:
        """How many stored cells are not part of the spec any more."""
        return len(self.stored) - len(self.current)

    def records(self, names: Collection[str] | None = None, ids: Sequence[str] | None = None) -> Records:
        """Return what was measured in the current cells (or `ids`), of every field or of `names`; see `unreadable`."""
        unreadable: list[Unreadable] = []
        banks = None if ids is None else {self.stored[cell] for cell in ids}
        requested = self.current if ids is None else ids
        records = self.directory.load(requested, names=names, banks=banks, unreadable=unreadable)
        if ids is None:
            self._unreadable = tuple(unreadable)
        elif unreadable:
            raise StoreError(f"{self.path}/{unreadable[0]}", unreadable[0].hint)
        return records

    def published(self, known: Collection[str]) -> Iterator[tuple[str, float, Records]]:
        """Yield of each part that can be read and is not in `known` its name, when it was published (seconds since
        1970, as the file system says) and its records, of this spec or not."""
        for bank in self.directory.banks():
            path = self.directory.parts / f"{bank}.parquet"
            if bank in known:
                continue
            unreadable: list[Unreadable] = []
            with suppress(FileNotFoundError):  # a run has set it aside at this moment
                published = path.stat().st_mtime
                records = self.directory.load(banks=(bank,), unreadable=unreadable)
                if not unreadable:
                    yield bank, published, records

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """The parts that are damaged or of a newer version: their cells are missing. Every byte is checked."""
        if self._unreadable is None:
            self.records(("cell",))
        return self._unreadable or ()

    def predictions(self, records: Records) -> pd.DataFrame | None:
        """Return the columns of the theory that the table ``cells`` has for measured cells, NaN for those that it does
        not have; None where there is no such table of this spec."""
        frame = self._written.cells
        if frame is None:
            return None
        columns = [name for name in frame.columns if name.startswith("theory_")]
        return frame.set_index("cell")[columns].reindex(records.scalars["cell"]).reset_index(drop=True)

    @property
    def damaged_tables(self) -> tuple[Unreadable, ...]:
        """The table ``cells`` where it is not as it was written: its predictions are not taken."""
        return (Unreadable("cells.csv", "it does not fit its checksum"),) if self._written.changed("cells") else ()

    # tables

    @property
    def warnings(self) -> tuple[tuple[str, str], ...]:
        """What is wrong and what to do about it: why tables were made anew, as far as any have been read, and the parts
        that these lack."""
        if not self._written.reasons:
            return ()
        stale = [(f"{self.path}/{reason}: made anew from parts/", REBUILD) for reason in self._written.reasons]
        return (*stale, *((f"{self.path}/{problem}: left out", problem.hint) for problem in self.unreadable))

    def table(self, name: Table, columns: Collection[str] | None = None) -> pd.DataFrame:
        """Return a table; of one that lies on the disk as it was written, only `columns`."""
        from gradlab.store.csvfile import read_csv

        data = self._written.content(name)
        frame = None if data is None else read_csv(self.path / f"{name}.csv", data, columns)
        return frame if frame is not None and self._written.fits(name, frame) else self._rebuilt.frames[name]

    @cached_property
    def tables(self) -> Tables:
        """All tables. Raises StoreError where no cell is done."""
        return self.tables_with({})

    def tables_with(self, columns: Mapping[str, Collection[str]]) -> Tables:
        """Return all tables, of those named in `columns` at least these columns."""
        from gradlab.results.tables import Tables

        frames = {name: self.table(name, columns.get(name)) for name in self._written.names()}
        return Tables(**frames) if self._written.current() else self._rebuilt

    @property
    def table_names(self) -> tuple[Table, ...]:
        """The tables that the run has."""
        return self._written.names() or tuple(self._rebuilt.frames)  # type: ignore[arg-type]

    def profiles(
        self, cells: Collection[str], steps: Collection[int], columns: Sequence[str], name: Table = "layers"
    ) -> pd.DataFrame:
        """Return `columns` of the table ``layers``, or of ``stacked``, for some cells at some steps.

        It may be a thousand times larger than the rest: it is read in pieces, of which little is kept.
        """
        import pandas as pd

        def chosen(piece: pd.DataFrame) -> pd.DataFrame:
            return piece[piece["cell"].isin(cells) & piece["step"].isin(steps)]

        path = self.path / f"{name}.csv"
        if self._written.intact(name):
            with explained("read", path), pd.read_csv(
                path, keep_default_na=False, na_values=[""], usecols=list(columns), dtype={"cell": str},
                chunksize=_ROWS_AT_ONCE,
            ) as pieces:  # fmt: skip
                frame = pd.concat([chosen(piece) for piece in pieces], ignore_index=True)[list(columns)]
            if self._written.fits(name, frame):
                return frame
        return chosen(self._rebuilt.frames[name][list(columns)]).reset_index(drop=True)

    def csv(self, name: Table) -> bytes:
        """Return a table as CSV: the content of its file, or what that should be."""
        from gradlab.store.csvfile import put_csv

        data = self._written.content(name)
        if data is None:
            file = io.BytesIO()
            put_csv(file, self._rebuilt.frames[name])
            data = file.getvalue()
        return data

    @cached_property
    def _written(self) -> WrittenTables:
        return WrittenTables(self.directory, self.spec_text)

    @cached_property
    def _rebuilt(self) -> Tables:
        from gradlab.results.tables import tables

        records = self.records()
        failures = self.failures()
        if not records.cells and not failures:
            reasons = "; ".join(map(str, self.unreadable))
            raise StoreError(
                f"{self.path} has no finished cell" + (f": {reasons}" if reasons else ""),
                self.unreadable[0].hint if reasons else "gradlab run puts them there",
            )
        finished = records.scalars["cell"].tolist()
        failed = [cell_id(failure.cell) for failure in failures]
        place = {cell: row for row, cell in enumerate(self.expected_cells)}
        order = sorted((*finished, *failed), key=lambda cell: place.get(cell, len(place)))
        return tables(records, failures, order=order, predict=Predictions(self.directory))

    def failures(self) -> list[Failure]:
        """Return the cells that the table ``cells`` says have failed, which no part holds.

        Without that table they are those that ``failures.jsonl`` keeps.
        """
        frame = self._written.cells
        if frame is None:
            entries = {entry.cell: (entry.cell, entry.error, entry.bank) for entry in read_failures(self.path)}
            failed = list(entries.values())
        else:
            lost = frame[(frame["status"] == "failed").to_numpy()].fillna({"error": "", "bank": ""})
            failed = list(zip(lost["cell"], lost["error"], lost["bank"], strict=True))
        return [
            Failure(self.expected_cells[cell], error, bank)
            for cell, error, bank in failed
            if cell in self.expected_cells and cell not in self.stored
        ]
