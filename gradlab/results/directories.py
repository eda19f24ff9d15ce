"""The directories at some paths, and of which kind each is: a run of a spec, a watched training, a saved probe."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from gradlab.components import nearest
from gradlab.errors import StoreError, UsageError
from gradlab.results.run import Run
from gradlab.store.atomic import explained
from gradlab.store.probes import is_saved_probe
from gradlab.store.watched import is_watched

__all__ = [
    "Directories", "Kind", "MeasuredDirectory", "each_readable", "kind_of", "names_apart", "open_directories",
    "open_runs",
]  # fmt: skip

_MARKS = {"parts": stat.S_ISDIR, "run.json": stat.S_ISREG}
"""What the directory of a run has, one that has just begun too."""

Kind = Literal["run", "watched", "probe"]


class _Directory(Protocol):
    @property
    def path(self) -> Path: ...
    @property
    def name(self) -> str: ...


D = TypeVar("D", bound=_Directory)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class MeasuredDirectory:
    """The directory of a model of the user: a watched training or a saved probe."""

    path: Path
    kind: Kind

    @property
    def name(self) -> str:
        """The name of the directory."""
        return self.path.resolve().name

    @property
    def what(self) -> str:
        """What it holds, in words."""
        return "measured steps of a training loop (gl.watch)" if self.kind == "watched" else "a saved probe (gl.probe)"


@dataclass(frozen=True, slots=True)
class Directories:
    """What lies at some paths, in their order."""

    runs: tuple[Run, ...] = ()
    measured: tuple[MeasuredDirectory, ...] = ()
    named: frozenset[Path] = frozenset()
    """The paths that were named themselves, resolved; others lie below a named one."""

    @property
    def every(self) -> tuple[Run | MeasuredDirectory, ...]:
        """All of them, the runs first."""
        return (*self.runs, *self.measured)


def kind_of(path: Path) -> Kind | None:
    """Return of which kind a directory is, None for another. One that may not be looked into is taken for a run."""
    if is_watched(path):
        return "watched"
    for name, of_kind in _MARKS.items():
        try:
            if of_kind((path / name).stat().st_mode):
                return "run"
        except PermissionError:
            return "run"
        except (OSError, ValueError):  # it is not there, or no name at all
            continue
    return "probe" if is_saved_probe(path) else None


def open_directories(paths: Sequence[Path]) -> Directories:
    """Return the directories among `paths` and directly below them, each once, in this order.

    Raises UsageError for a path with nothing there, or with no directory of gradlab, StoreError for one that may not be
    read.
    """
    runs: dict[Path, Run] = {}
    measured: dict[Path, MeasuredDirectory] = {}
    named_paths: set[Path] = set()
    for path in paths:
        kinds = _kinds_at(path)
        named_paths.update(directory.resolve() for directory in kinds if directory == path)
        for directory, kind in kinds.items():
            if kind == "run":
                runs.setdefault(directory.resolve(), Run(directory))
            else:
                measured.setdefault(directory.resolve(), MeasuredDirectory(directory, kind))
    return Directories(tuple(runs.values()), tuple(measured.values()), frozenset(named_paths))


def _kinds_at(path: Path) -> dict[Path, Kind]:
    with explained("look into", path):
        if not path.exists():
            beside = path.parent.iterdir() if path.parent.is_dir() else ()
            siblings = [entry.name for entry in beside if entry.exists()]  # path may be a link to nothing
            close = nearest(path.name, siblings)
            hint = f"did you mean {path.parent / close}?" if close else ""
            raise UsageError(f"{path}: there is nothing there", hint)
        if not path.is_dir():
            raise UsageError(f"{path} is a file, not a run directory", "name the directory that gradlab run has made")
        own_kind = kind_of(path)
        if own_kind is not None:
            return {path: own_kind}
        kinds = {entry: kind for entry in sorted(path.iterdir()) if (kind := kind_of(entry)) is not None}
    if not kinds:
        raise UsageError(
            f"{path} is not a run directory (it has no parts/), and none lies in it",
            "name what gradlab run has made, results/NAME, or the directory above",
        )
    return kinds


def open_runs(paths: Sequence[Path]) -> tuple[Run, ...]:
    """Return the run directories among `paths` and directly below them, each once, in this order.

    Directories of watched training loops and saved probes are left out. Raises as `open_directories` does, and
    UsageError for a path with these alone.
    """
    runs: dict[Path, Run] = {}
    for path in paths:
        directories = open_directories([path])
        if not directories.runs:
            first = directories.measured[0]
            raise UsageError(
                f"{first.path} holds {first.what}, and no cells of a spec", f"gradlab report {first.path} shows it"
            )
        for run in directories.runs:
            runs.setdefault(run.path.resolve(), run)
    return tuple(runs.values())


def names_apart(directories: Iterable[_Directory]) -> tuple[str, ...]:
    """Return the name of each directory; its path where two have the same name."""
    every = list(directories)
    names = [directory.name for directory in every]
    return tuple(directory.name if names.count(directory.name) == 1 else str(directory.path) for directory in every)


def each_readable(directories: Sequence[D], read: Callable[[D], T]) -> tuple[dict[D, T], dict[D, StoreError]]:
    """Return what `read` makes of each directory, and why it can make nothing of others.

    Raises the first error where it can of none.
    """
    results: dict[D, T] = {}
    errors: dict[D, StoreError] = {}
    for directory in directories:
        try:
            results[directory] = read(directory)
        except StoreError as error:
            errors[directory] = error
    if errors and not results:
        raise next(iter(errors.values()))
    return results, errors
