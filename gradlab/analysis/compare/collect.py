"""Many runs as one table of cells: what is there, each cell once, and in what the runs are unlike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradlab.cell import SETTINGS
from gradlab.columns import COLUMNS
from gradlab.definitions import reach
from gradlab.errors import StoreError
from gradlab.results.directories import each_readable, names_apart
from gradlab.results.run import Run
from gradlab.results.survival import LN10, summarise
from gradlab.results.tables import cells_table, configurations_of
from gradlab.results.theory import ask
from gradlab.results.theory_cache import Predictions
from gradlab.store.records import Records, Unreadable

__all__ = ["Collected", "Collection", "collect", "unlike"]

_FIELDS = tuple(column.name for column in COLUMNS if column.compared and column.kept)
_COLUMNS = (*SETTINGS, *(column.name for column in COLUMNS if column.compared and "cells" in column.tables))


@dataclass(frozen=True, slots=True)
class Collected:
    """The part of one run in a `Collection`: its cells, and how many of them an earlier run has too."""

    path: Path
    name: str
    """Name of the directory; its path where two have the same name."""
    cells: int
    known: int
    unreadable: tuple[Unreadable, ...]
    """Files that cells or predictions are missing of."""
    aside: int
    """Stored cells that are not part of its spec any more: left out."""
    failed: int
    """Cells that failed: left out too."""


@dataclass(frozen=True)
class Collection:
    """The cells of several runs. `cells` has one row for each, with the columns of ``cells.csv`` that were
    measured, and `run`, `gradlab`, `torch`, `log10_decay`, `log10_reach`, `log10_survival_final` and
    `theory_log10_survival`; `survival` there is 0 or infinite beyond the range of a double."""

    cells: pd.DataFrame
    runs: tuple[Collected, ...]


def collect(runs: Sequence[Run]) -> Collection:
    """Return the finished cells of some runs; parts that cannot be read are left out and named.

    A cell that several runs have is taken from the first. The predictions are those that the run wrote into its
    tables. A run that cannot be read at all is named too. Raises StoreError when there is no cell at all.
    """
    collected: list[Collected] = []
    frames: list[pd.DataFrame] = []
    cell_ids: set[str] = set()
    readable, errors = each_readable(runs, _read)
    for run, name in zip(runs, names_apart(runs), strict=True):
        if run not in readable:
            error = errors[run]
            problem = Unreadable("parts", error.message, "cannot be read", error.hint)
            collected.append(Collected(run.path, name, 0, 0, (problem,), 0, 0))
            continue
        frame, unreadable, aside, failed = readable[run]
        cells = duplicates = 0
        if frame is not None:
            fresh = ~frame["cell"].isin(cell_ids).to_numpy()
            cells, duplicates = len(frame), int((~fresh).sum())
            cell_ids.update(frame["cell"])
            frames.append(frame[fresh].assign(run=name))
        collected.append(Collected(run.path, name, cells, duplicates, unreadable, aside, failed))
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        problems = [f"{run.path}/{problem}" for run in collected for problem in run.unreadable]
        hints = {problem.hint for run in collected for problem in run.unreadable}
        raise StoreError(
            "; ".join([f"no finished cell in {', '.join(str(run.path) for run in runs)}", *problems]),
            "; ".join(sorted(hints)) or "gradlab run puts them there",
        )
    return Collection(pd.concat(frames, ignore_index=True), tuple(collected))


def _read(run: Run) -> tuple[pd.DataFrame | None, tuple[Unreadable, ...], int, int]:
    """Return the cells of a run, None without any, the files that cells are missing of, and the numbers of the
    cells left out: of another spec, failed."""
    measured = run.records(_FIELDS)
    unreadable = (*run.unreadable, *run.damaged_tables)
    return _frame(run, measured) if measured.cells else None, unreadable, run.aside, len(run.failures())


def _frame(run: Run, measured: Records) -> pd.DataFrame:
    profiles = summarise(measured)
    configurations, group = configurations_of(measured.cells)
    predicted = ask(Predictions(run.directory, ask=False), measured, group, configurations)
    frame = cells_table(measured, profiles, predicted, group, _COLUMNS)
    predictions = run.predictions(measured)
    first, last = measured.first_row, measured.first_row + measured.probes - 1
    log_survival, log_decay = profiles.log_survival[first], profiles.log_decay[first]
    with np.errstate(over="ignore", divide="ignore"):
        columns: dict[str, Any] = {
            **{key: _plain(frame[key].tolist()) for key in SETTINGS},
            **{column.name: _texts(frame[column.name]) for column in COLUMNS
               if column.name in frame and column.kind == "text"},
            **({} if predictions is None else {str(name): values for name, values in predictions.items()}),
            "survival": np.exp(log_survival),
            "decay": np.exp(log_decay),
            "survival_final": np.exp(profiles.log_survival[last]),
            "learned": frame["learned"].astype(bool),
            "log10_decay": log_decay / LN10,
            "log10_reach": np.log10(reach(log_decay)),
            **{name: _texts(measured.scalars[name]) for name in ("gradlab", "torch")},
        }  # fmt: skip
    return frame.assign(**columns)


def _texts(values: Any) -> pd.Series[Any]:
    return pd.Series(["" if value is None else str(value) for value in values], dtype=object)


def _plain(values: list[Any]) -> pd.Series[Any]:
    numbers = all(isinstance(value, int | float) for value in values)
    return pd.Series(values) if numbers else pd.Series(values, dtype=object)


def unlike(cells: pd.DataFrame) -> str:
    """Return in what the runs behind `cells` were not made alike, as words that name them; empty when they were.

    Versions and device are unlike when there are two of them anywhere; the precision, which may be an axis, when the
    runs do not all have the same.
    """
    differences = []
    for column, name in (("gradlab", "gradlab"), ("torch", "torch"), ("device", "device"), ("precision", "precision")):
        owners: dict[str, list[str]] = {}
        for value, run in cells[[column, "run"]].drop_duplicates().itertuples(index=False):
            owners.setdefault(str(value) or "unknown", []).append(run)
        if column == "precision" and len({tuple(sorted(names)) for names in owners.values()}) == 1:
            continue
        if len(owners) > 1:
            groups = "; ".join(f"{value}: {', '.join(names)}" for value, names in sorted(owners.items()))
            differences.append(f"{name} ({groups})")
    return ", ".join(differences)
