"""A run directory as the page reads it: the tables as they stand on the disk, the spec and the provenance."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab import grid
from gradlab.cell import Cell, cell_id, settings_of
from gradlab.errors import GradlabError, StoreError
from gradlab.expect import Judgement, judge
from gradlab.spec import Spec
from gradlab.store import RunDirectory
from gradlab.store.atomic import explained
from gradlab.survival import Tables

__all__ = ["TABLES", "Source", "read_source"]

TABLES = ("summary", "cells", "steps", "layers")
"""The tables of a run, the shortest first."""

_STEPS = ("cell", "step", "loss", "metric", "log10_survival")
_LAYERS = ("cell", "step", "layer", "log10_grad_norm", "theory_log10_grad_norm", "log10_cell_grad_norm")
"""The last is that of an LSTM's cell state, and not in tables of an older gradlab."""
_TEXTS = dict.fromkeys(("cell", "verdict", "verdict_final", "metric_name", "error", "theory_note", "bank"), str)
_ROWS_AT_ONCE = 500_000
_REBUILD = "run the spec again: it rebuilds the tables, nothing is computed twice"


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
    """Return the run at `path`. Raises StoreError when a table is missing or cannot be read."""
    for table in TABLES:
        if not (path / f"{table}.csv").is_file():
            raise StoreError(f"{path / table}.csv is missing", _REBUILD)
    cells, summary = (_with_settings(_whole(path / f"{table}.csv")) for table in ("cells", "summary"))
    steps = pd.concat(list(_pieces(path / "steps.csv", _STEPS)), ignore_index=True)
    tables = Tables(cells, pd.DataFrame(columns=list(_LAYERS)), steps, summary)
    spec = _spec(path)
    return Source(
        path=path,
        name=name,
        description=spec.description if spec else "",
        tables=tables,
        sessions=tuple(RunDirectory(path).sessions()),
        spec=_spec_text(path),
        judged=_judged(spec, tables) if spec else (),
    )


def _whole(path: Path) -> pd.DataFrame:
    with explained("read", path):
        try:
            return pd.read_csv(
                path,
                keep_default_na=False,
                na_values=[""],
                dtype=_TEXTS,
                low_memory=False,
            )
        except (ValueError, UnicodeDecodeError) as error:
            raise StoreError(f"{path} is not a table of gradlab: {error}", _REBUILD) from error


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
        except (ValueError, UnicodeDecodeError) as error:
            raise StoreError(f"{path} is not a table of gradlab: {error}", _REBUILD) from error


def _spec_text(path: Path) -> str:
    file = path / "spec.yaml"
    with explained("read", file):
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def _spec(path: Path) -> Spec | None:
    from gradlab import spec

    file = path / "spec.yaml"
    try:
        return spec.load(file) if file.is_file() else None
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
