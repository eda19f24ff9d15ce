"""The page of finished runs as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradlab.api.options import ReportOptions
from gradlab.errors import UsageError
from gradlab.report.page import build_page
from gradlab.store.atomic import write_bytes

__all__ = ["PageFile", "report"]


@dataclass(frozen=True, slots=True)
class PageFile:
    """A page that has been written, and what is wrong with the runs behind it: what it is, what to do about it."""

    path: Path
    bytes: int
    notes: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]
    """Cells that are missing."""
    rebuilt: tuple[tuple[str, str], ...]
    """Tables that were made anew."""


def report(paths: Sequence[Path], options: ReportOptions) -> PageFile:
    """Write one HTML page about run directories, or all that lie directly in a directory.

    It goes to `options.out`; without one into the directory named, or into the one around those named. Raises
    UsageError where there is no such place, and as `build_page` does.
    """
    target = _target(paths) if options.out is None else options.out
    if target.is_dir():
        raise UsageError(f"--out {target} is a directory", f"name the file: --out {target / 'report.html'}")
    page = build_page(paths)
    data = page.html.encode()
    write_bytes(target, data)
    return PageFile(target, len(data), page.notes, page.lost, page.rebuilt)


def _target(paths: Sequence[Path]) -> Path:
    if len(paths) == 1:
        return paths[0] / "report.html"
    around = {path.resolve().parent for path in paths}
    if len(around) > 1:
        raise UsageError("the runs lie in different directories", "say where the page goes: --out report.html")
    parent = paths[0].parent  # as it was typed, but for paths such as ..
    return (parent if parent.resolve() in around else around.pop()) / "report.html"
