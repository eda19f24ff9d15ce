"""`gradlab report`: finished runs as one HTML file."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from gradlab.errors import UsageError

__all__ = ["report"]


def report(results: Sequence[Path], *, out: Path | None, show: bool) -> int:
    """Write the page of run directories, or of all that lie directly in a directory; return the exit code.

    It goes to `out`; without one into the directory named, or into the one around those named. 1 if a part of a run was
    damaged, so that its cells are missing. Raises UsageError where there is no such place, and as `build_page` does.
    """
    from gradlab.report.page import build_page
    from gradlab.report.words import size
    from gradlab.store.atomic import write_bytes

    target = _target(results) if out is None else out
    if target.is_dir():
        raise UsageError(f"--out {target} is a directory", f"name the file: --out {target / 'report.html'}")
    page = build_page(results)
    data = page.html.encode()
    write_bytes(target, data)
    print(f"{target} ({size(len(data))})")
    for note in page.notes:
        print(f"left out: {note}", file=sys.stderr)
    for damage in page.damaged:
        print(f"warning: {damage}: left out\n  run its spec again: that repairs it", file=sys.stderr)
    if show and not webbrowser.open(target.resolve().as_uri()):
        print(f"no browser could be started: open {target} yourself", file=sys.stderr)
    return 1 if page.damaged else 0


def _target(results: Sequence[Path]) -> Path:
    if len(results) == 1:
        return results[0] / "report.html"
    around = {path.resolve().parent for path in results}
    if len(around) > 1:
        raise UsageError("the runs lie in different directories", "say where the page goes: --out report.html")
    parent = results[0].parent  # as it was typed, but for paths such as ..
    return (parent if parent.resolve() in around else around.pop()) / "report.html"
