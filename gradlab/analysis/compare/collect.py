"""Many run directories as one table of cells: what is there, each cell once, and what makes the runs unlike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradlab.cell import SETTINGS, settings_of
from gradlab.components import nearest
from gradlab.definitions import reach
from gradlab.errors import StoreError, UsageError
from gradlab.results.profile import summarise
from gradlab.store import RunDirectory
from gradlab.store.records import Records
from gradlab.store.selection import select

__all__ = ["Collection", "Run", "collect", "run_directories", "unlike"]

LN10 = log(10.0)


@dataclass(frozen=True, slots=True)
class Run:
    """One run directory: its cells, and how many of them an earlier directory has too."""

    path: Path
    name: str
    """Name of the directory; its path where two have the same name."""
    cells: int
    known: int
    damaged: tuple[tuple[str, str], ...]
    """Damaged files: name in the directory, reason."""
    aside: int
    """Stored cells that are not part of its spec any more: left out."""


@dataclass(frozen=True)
class Collection:
    """The cells of several runs. `cells` has one row for each, with the columns of ``cells.csv`` that say what was
    measured, and `run`, `gradlab`, `torch`, `log10_decay`, `log10_reach`, `log10_survival_final` and
    `theory_log10_survival`; `survival` there is 0 or infinite beyond the range of a double."""

    cells: pd.DataFrame
    runs: tuple[Run, ...]


def run_directories(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the run directories among `paths` and directly below them, each once, in this order.

    Raises UsageError for a path with nothing there, or with no run directory.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.exists():
            siblings = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
            close = nearest(path.name, siblings)
            raise UsageError(f"{path}: there is nothing there", f"did you mean {path.parent / close}?" if close else "")
        if not path.is_dir():
            raise UsageError(f"{path} is a file, not a run directory", "name the directory that gradlab run has made")
        below = [path] if _is_run(path) else sorted(one for one in path.iterdir() if one.is_dir() and _is_run(one))
        if not below:
            raise UsageError(
                f"{path} is not a run directory (it has no parts/), and none lies in it",
                "name what gradlab run has made, results/NAME, or the directory above",
            )
        for one in below:
            found.setdefault(one.resolve(), one)
    return tuple(found.values())


def _is_run(path: Path) -> bool:
    return (path / "parts").is_dir()


def collect(paths: Sequence[Path]) -> Collection:
    """Return the finished cells of the runs at `paths` (see `run_directories`); damaged parts are left out and named.

    A cell that several runs have is taken from the first. The predictions are those that the run wrote into its
    tables. Raises UsageError as `run_directories` does, StoreError when there is no cell at all or a directory cannot
    be read.
    """
    runs: list[Run] = []
    frames: list[pd.DataFrame] = []
    seen: set[str] = set()
    directories = run_directories(paths)
    names = [path.resolve().name for path in directories]
    for path, name in zip(directories, names, strict=True):
        name = name if names.count(name) == 1 else str(path)
        chosen = select(RunDirectory(path))
        cells = known = 0
        if chosen.measured is not None:
            frame = _frame(chosen.measured).assign(**chosen.theory)
            fresh = ~frame["cell"].isin(seen).to_numpy()
            cells, known = len(frame), int((~fresh).sum())
            seen.update(frame["cell"])
            frames.append(frame[fresh].assign(run=name))
        runs.append(Run(path, name, cells, known, chosen.damaged, chosen.aside))
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        damaged = [f"{run.path}/{name} ({reason})" for run in runs for name, reason in run.damaged]
        places = ", ".join(str(run.path) for run in runs)
        raise StoreError(
            f"no finished cell in {places}" + (f": damaged are {', '.join(damaged)}" if damaged else ""),
            "run the spec again: it repairs them" if damaged else "gradlab run puts them there",
        )
    return Collection(pd.concat(frames, ignore_index=True), tuple(runs))


def _frame(measured: Records) -> pd.DataFrame:
    profiles = summarise(measured)
    first, last = measured.first_row, measured.first_row + measured.probes - 1
    log_survival, log_decay = profiles.log_survival[first], profiles.log_decay[first]
    rows = [settings_of(cell) for cell in measured.cells]
    with np.errstate(over="ignore", divide="ignore"):
        return pd.DataFrame(
            {
                "cell": _texts(measured.scalars["cell"]),
                **{key: _plain([row[key] for row in rows]) for key in SETTINGS},
                "status": _texts(measured.scalars["status"]),
                "verdict": _texts(profiles.verdict[first]),
                "survival": np.exp(log_survival),
                "log10_survival": log_survival / LN10,
                "decay": np.exp(log_decay),
                "log10_decay": log_decay / LN10,
                "reach": reach(log_decay),
                "log10_reach": np.log10(reach(log_decay)),
                "survival_final": np.exp(profiles.log_survival[last]),
                "log10_survival_final": profiles.log_survival[last] / LN10,
                "verdict_final": _texts(profiles.verdict[last]),
                "loss": measured.by_step["loss"][last],
                "metric": measured.by_step["metric"][last],
                "metric_name": _texts(measured.scalars["metric_name"]),
                "learned": measured.scalars["learned"].astype(bool),
                **{name: _texts(measured.scalars[name]) for name in ("device", "gradlab", "torch")},
            }
        )


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
    found = []
    for column, what in (("gradlab", "gradlab"), ("torch", "torch"), ("device", "device"), ("precision", "precision")):
        owners: dict[str, list[str]] = {}
        for value, run in cells[[column, "run"]].drop_duplicates().itertuples(index=False):
            owners.setdefault(str(value) or "unknown", []).append(run)
        if column == "precision" and len({tuple(sorted(names)) for names in owners.values()}) == 1:
            continue
        if len(owners) > 1:
            each = "; ".join(f"{value}: {', '.join(names)}" for value, names in sorted(owners.items()))
            found.append(f"{what} ({each})")
    return ", ".join(found)
