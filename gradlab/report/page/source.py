"""A run directory as the page reads it: the tables as they stand on the disk, the spec and the provenance."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab import grid
from gradlab.analysis.expectations import Judgement, judge
from gradlab.cell import Cell, cell_id, settings_of
from gradlab.errors import GradlabError, StoreError
from gradlab.results.tables import Tables
from gradlab.spec import Spec
from gradlab.store import RunDirectory
from gradlab.store.atomic import explained
from gradlab.store.csvfile import REBUILD, no_table

__all__ = ["TABLES", "Source", "read_source"]

TABLES = ("summary", "cells", "steps", "layers")
"""The tables of a run, the shortest first."""

_STEPS = ("cell", "step", "loss", "metric", "log10_survival")
_LAYERS = ("cell", "step", "layer", "log10_grad_norm", "theory_log10_grad_norm", "log10_cell_grad_norm")
"""The last is that of an LSTM's cell state, and not in tables of an older gradlab."""
_ROWS_AT_ONCE = 500_000


@dataclass(frozen=True)
class Source:
    """One run directory. `tables` has the cells, the steps and the summary; of the layers see `profiles`."""

    path: Path
    name: str
    description: str
    tables: Tables
    sessions: tuple[dict[str, Any], ...]
    spec: str
    """Text of ``spec.yaml``; empty where it is missing."""
    judged: tuple[Judgement, ...]
    """What came of the spec's expectations."""

    def file(self, table: str) -> Path:
        """Return the path of one of `TABLES`."""
        return self.path / f"{table}.csv"

    def profiles(self, cells: Collection[str], steps: Collection[int]) -> pd.DataFrame:
        """Return the gradient norms of some cells at some steps: `cell, step, layer, log10_grad_norm`, theory's too.

        The table may be a thousand times larger than the rest: it is read in pieces, of which little is kept.
        """
        kept = [
            piece[piece["cell"].isin(cells) & piece["step"].isin(steps)]
            for piece in _pieces(self.file("layers"), _LAYERS)
        ]
        return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=list(_LAYERS))


def read_source(path: Path, name: str) -> Source:
    """Return the run at `path`. Raises StoreError when a table is missing, has changed since or cannot be read."""
    directory = RunDirectory(path)
    changed = directory.changed()
    for file in (f"{table}.csv" for table in TABLES):
        if file in changed or not (path / file).is_file():
            what = "does not fit its checksum" if file in changed else "is missing"
            raise StoreError(f"{path / file} {what}", REBUILD)
    cells, summary = (_with_settings(_table(directory, name)) for name in ("cells", "summary"))
    steps = pd.concat(list(_pieces(path / "steps.csv", _STEPS)), ignore_index=True)
    tables = Tables(cells, pd.DataFrame(columns=list(_LAYERS)), steps, summary)
    spec_text = directory.read_text("spec.yaml") or ""
    spec = _spec(path) if spec_text else None
    return Source(
        path=path,
        name=name,
        description=spec.description if spec else "",
        tables=tables,
        sessions=tuple(directory.sessions()),
        spec=spec_text,
        judged=_judged(spec, tables) if spec else (),
    )


def _table(directory: RunDirectory, name: str) -> pd.DataFrame:
    found = directory.read_table(name)
    if found is None:
        raise StoreError(f"{directory.path / name}.csv is being replaced at this moment", "try again")
    return found


def _with_settings(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with every setting: one that an older gradlab did not know had its default."""
    return table.assign(**{key: value for key, value in settings_of(Cell()).items() if key not in table})


def _pieces(path: Path, columns: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    with explained("read", path):
        try:
            with pd.read_csv(
                path, keep_default_na=False, na_values=[""], usecols=lambda name: name in columns, dtype={"cell": str},
                chunksize=_ROWS_AT_ONCE,
            ) as pieces:  # fmt: skip
                for piece in pieces:
                    lost = [name for name in columns if name not in piece and name != "log10_cell_grad_norm"]
                    if lost:
                        raise ValueError(f"it has no column {lost[0]}")
                    yield piece.reindex(columns=list(columns))
        except ValueError as error:
            raise no_table(path, error) from error


def _spec(path: Path) -> Spec | None:
    from gradlab import spec

    try:
        return spec.load(path / "spec.yaml")
    except GradlabError:  # a spec whose data file has moved, or that someone edited: its numbers are there all the same
        return None


def _judged(spec: Spec, tables: Tables) -> tuple[Judgement, ...]:
    if not spec.expect:
        return ()
    try:
        cells = grid.expand(spec, spec.size).cells
    except GradlabError:
        return ()
    ids = tuple(map(cell_id, cells))
    # a run with other seeds than its spec has, or a spec that changed since: its expectations are of other cells
    return judge(spec.expect, cells, ids, tables) if set(tables.cells["cell"]) <= set(ids) else ()
