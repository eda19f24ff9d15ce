"""Output on a terminal, into a pipe or a file: reports as wide as fits, JSON that is strict."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from gradlab.report.glyphs import Glyphs

__all__ = ["console", "plain", "print_json", "print_report", "warn"]


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


def plain(value: Any) -> Any:
    """Return a value that strict JSON can carry: NaN becomes null, infinities the texts inf and -inf."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else str(value)
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def print_json(document: Any) -> None:
    """Print one document on stdout."""
    print(json.dumps(plain(document), indent=2, allow_nan=False))


def warn(*lines: str) -> None:
    """Print a warning on stderr; further lines say what to do about it."""
    print("\n  ".join((f"warning: {lines[0]}", *lines[1:])), file=sys.stderr)
