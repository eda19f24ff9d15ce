"""`gradlab plot`: the pictures of finished runs, drawn anew from their tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.errors import StoreError, UsageError
from gradlab.store import RunDirectory
from gradlab.store.atomic import explained

if TYPE_CHECKING:
    from gradlab.run import RunResult
    from gradlab.survival import Tables

__all__ = ["draw_result", "plot"]

_LAYERS = {"cell", "step", "layer", "log10_grad_norm", "theory_log10_grad_norm"}
"""Columns of layers.csv that are drawn; reading the others would take most of the time."""


def plot(results: Sequence[Path], *, only: Sequence[str], formats: Sequence[str], out: Path | None) -> int:
    """Draw the pictures of run directories, or of all that lie directly in a directory; return the exit code.

    They go to ``plots/`` of each run directory or, with `out`, to that directory: with several runs, to one below it
    for each. Raises UsageError for a directory without runs, and as `plots.draw` does.
    """
    from gradlab.report import plots

    runs = list(dict.fromkeys(run for path in results for run in _runs(path)))
    names = [run.resolve().name for run in runs]
    if out is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"two of the runs have the name {twice!r}", "draw them one by one, with different --out")
    for run, name in zip(runs, names, strict=True):
        target = run / "plots" if out is None else out / name if len(runs) > 1 else out
        for path in plots.draw(_tables(run), target, formats=formats, only=only):
            print(path)
    return 0


def draw_result(result: RunResult) -> Path | None:
    """Draw all pictures of a run into its ``plots/``; return that directory, None when nothing was measured."""
    from gradlab.report import plots

    directory = result.path / "plots"
    return directory if plots.draw(result.tables, directory) else None


def _runs(path: Path) -> list[Path]:
    with explained("look into", path):
        if not path.is_dir():
            what = "is a file" if path.exists() else "does not exist"
            raise UsageError(f"{path} {what}, where a run directory is wanted", "give results/NAME, or results/")
        if (path / "run.json").is_file():
            return [path]
        found = sorted(entry for entry in path.iterdir() if (entry / "run.json").is_file())
    if not found:
        raise UsageError(f"there is no run in {path}", "give a directory that gradlab run has made, like results/NAME")
    return found


def _tables(path: Path) -> Tables:
    import pandas as pd

    from gradlab.survival import Tables

    RunDirectory(path).exists()

    def read(name: str, columns: set[str] | None = None) -> pd.DataFrame:
        file = path / f"{name}.csv"
        if not file.is_file():
            raise StoreError(
                f"{file} is missing", "run the spec again: it rebuilds the tables, nothing is computed twice"
            )
        with explained("read", file):
            try:
                return pd.read_csv(
                    file, keep_default_na=False, na_values=[""], usecols=lambda key: columns is None or key in columns,
                    dtype={"cell": str, "verdict": str, "metric_name": str}, low_memory=False,
                )  # fmt: skip
            except (ValueError, UnicodeDecodeError) as error:
                raise StoreError(
                    f"{file} is not a table of gradlab: {str(error).splitlines()[0]}",
                    "run the spec again: it rebuilds the tables, nothing is computed twice",
                ) from error

    return Tables(read("cells"), read("layers", _LAYERS), read("steps", {"cell"}), read("summary"))
