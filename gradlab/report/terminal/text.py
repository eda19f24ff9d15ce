"""Text folded to the width of a terminal; loads nothing but rich."""

from __future__ import annotations

import textwrap

from rich.text import Text

__all__ = ["wrapped"]


def wrapped(text: str, width: int | None, style: str = "", indent: str = "  ") -> list[Text]:
    """Return a text as lines of at most `width` columns, whole where it has no-break spaces; as one line without a
    width."""
    folded = [text] if text else []
    if width is not None:
        folded = textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [Text(line.replace("\N{NO-BREAK SPACE}", " "), style) for line in folded]
