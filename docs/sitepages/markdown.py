"""Tables and code of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["cell", "code", "fenced", "table"]


def cell(text: str) -> str:
    """Return a text as the cell of a table has it: in one line, without a bar that would end it."""
    return " ".join(text.split()).replace("|", "\\|")


def code(text: object) -> str:
    """Return a text as code in a line, also where it has backticks."""
    marks = "``" if "`" in str(text) else "`"
    return f"{marks}{text}{marks}"


def fenced(text: str, language: str = "") -> str:
    """Return a block of code, fenced by more backticks than the text has."""
    marks = "```"
    while marks in text:
        marks += "`"
    return f"{marks}{language}\n{text.rstrip()}\n{marks}\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(map(cell, line))} |\n" for line in lines)
