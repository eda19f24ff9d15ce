"""The runs at some paths."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gradlab.components import nearest
from gradlab.errors import StoreError, UsageError
from gradlab.results.run import Run
from gradlab.store.atomic import explained
from gradlab.store.watched import is_watched

__all__ = ["each_readable", "names_apart", "open_runs"]

T = TypeVar("T")

_MARKS = {"parts": stat.S_ISDIR, "run.json": stat.S_ISREG}
"""What the directory of a run has, one that has just begun too."""


def open_runs(paths: Sequence[Path]) -> tuple[Run, ...]:
    """Return the run directories among `paths` and directly below them, each once, in this order.

    Directories of watched training loops are left out. Raises UsageError for a path with nothing there, with no run
    directory, or with watched loops alone, StoreError for one that may not be read.
    """
    runs: dict[Path, Run] = {}
    for path in paths:
        with explained("look into", path):
            if not path.exists():
                beside = path.parent.iterdir() if path.parent.is_dir() else ()
                siblings = [entry.name for entry in beside if entry.exists()]  # path may be a link to nothing
                close = nearest(path.name, siblings)
                hint = f"did you mean {path.parent / close}?" if close else ""
                raise UsageError(f"{path}: there is nothing there", hint)
            if not path.is_dir():
                raise UsageError(
                    f"{path} is a file, not a run directory", "name the directory that gradlab run has made"
                )
            below = [path] if _is_run(path) else sorted(entry for entry in path.iterdir() if _is_run(entry))
        watched = [directory for directory in below if is_watched(directory)]
        if watched and len(watched) == len(below):
            raise UsageError(
                f"{watched[0]} holds measured steps of a training loop (gl.watch), and no cells of a spec",
                f'in Python gl.load("{watched[0]}") reads it: frame, steps, report()',
            )
        below = [directory for directory in below if directory not in watched]
        if not below:
            raise UsageError(
                f"{path} is not a run directory (it has no parts/), and none lies in it",
                "name what gradlab run has made, results/NAME, or the directory above",
            )
        for directory in below:
            runs.setdefault(directory.resolve(), Run(directory))
    return tuple(runs.values())


def _is_run(path: Path) -> bool:
    """Return whether a directory is one of a run; one that may not be looked into is taken for it, and named later."""
    for name, of_kind in _MARKS.items():
        try:
            if of_kind((path / name).stat().st_mode):
                return True
        except PermissionError:
            return True
        except OSError:  # it is not there
            continue
    return False


def names_apart(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the name of each run; its path where two have the same name."""
    names = [run.name for run in runs]
    return tuple(run.name if names.count(run.name) == 1 else str(run.path) for run in runs)


def each_readable(runs: Sequence[Run], read: Callable[[Run], T]) -> tuple[dict[Run, T], dict[Run, StoreError]]:
    """Return what `read` makes of each run, and why it can make nothing of others.

    Raises the first error where it can of none.
    """
    results: dict[Run, T] = {}
    errors: dict[Run, StoreError] = {}
    for run in runs:
        try:
            results[run] = read(run)
        except StoreError as error:
            errors[run] = error
    if errors and not results:
        raise next(iter(errors.values()))
    return results, errors
