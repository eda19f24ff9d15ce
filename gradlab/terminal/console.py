"""Output on a terminal, into a pipe or a file: reports as wide as fits, JSON that is strict."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from gradlab.report.glyphs import Glyphs

__all__ = ["console", "print_json", "print_report", "warn"]


def console(*, stderr: bool = False) -> Console:
    """Return a console on one of the streams; rich sees to NO_COLOR, FORCE_COLOR and TERM."""
    from rich.console import Console

    return Console(
        file=sys.stderr if stderr else sys.stdout, highlight=False, markup=False, emoji=False, force_jupyter=False
    )


def print_report(lines: Callable[[Glyphs, int | None], Iterable[Text]]) -> None:
    """Print what `lines` makes for the signs that stdout can carry and for its width.

    The width is that of the terminal or COLUMNS; None in a pipe, where nothing is folded.
    """
    from gradlab.report.glyphs import glyphs_for

    target = console()
    folded = target.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    for line in lines(glyphs_for(target.encoding), target.width if folded else None):
        if not target.is_terminal:
            line.rstrip()
        target.print(line, soft_wrap=True)


def print_json(document: Any) -> None:
    """Print one document on stdout."""
    from gradlab.report.json_values import json_value

    print(json.dumps(json_value(document), indent=2, allow_nan=False))


def warn(*lines: str) -> None:
    """Print a warning on stderr; further lines say what to do about it."""
    print("\n  ".join((f"warning: {lines[0]}", *lines[1:])), file=sys.stderr)
