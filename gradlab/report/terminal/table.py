"""Tables for a terminal: columns that fold under each other when the line is too short, and never lose a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rich.cells import cell_len
from rich.text import Text

from gradlab.report.glyphs import Glyphs, shorten

__all__ = ["GAP", "Column", "Entry", "fold"]

GAP = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """The text of one field and its rich style, which covers the whole field."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Column:
    """One column: what stands over it, and one entry per row. `group` stands above the first of several columns."""

    header: str
    entries: tuple[Entry, ...]
    right: bool = True
    group: str = ""
    gap: int = GAP
    """Blank columns after it."""

    @cached_property
    def width(self) -> int:
        """Blank columns that its widest field takes."""
        return max(cell_len(text) for text in (self.header, *(entry.text for entry in self.entries)))


def fold(labels: Sequence[Column], columns: Sequence[Column], width: int | None, glyphs: Glyphs) -> list[Text]:
    """Return the lines of a table no wider than `width`: what does not fit beside the labels goes below, labels again.

    Labels that take more than two fifths of the line are shortened in the middle. Without a width nothing is folded
    or shortened.
    """
    if width is not None and labels:
        room = max(width * 2 // 5 - GAP * len(labels), 6 * len(labels))
        labels = _fitted(labels, room, glyphs)
    lines: list[Text] = []
    left = sum(label.width + GAP for label in labels)
    band: list[Column] = []
    used = left
    for column in columns:
        if band and width is not None and used + column.width > width:
            lines += [*_lines(labels, band), Text()]
            band, used = [], left
        band.append(column)
        used += column.width + column.gap
    return lines + _lines(labels, band)


def _fitted(labels: Sequence[Column], room: int, glyphs: Glyphs) -> list[Column]:
    widest = max(label.width for label in labels)
    while sum(min(label.width, widest) for label in labels) > room and widest > 6:
        widest -= 1
    return [
        replace(
            label,
            header=shorten(label.header, widest, glyphs),
            entries=tuple(replace(entry, text=shorten(entry.text, widest, glyphs)) for entry in label.entries),
        )
        for label in labels
    ]


def _lines(labels: Sequence[Column], columns: Sequence[Column]) -> list[Text]:
    every = [*labels, *columns]
    lines = []
    if any(column.group for column in columns):
        lines.append(_groups(labels, columns))
    lines.append(_line(every, [Entry(column.header, "bold") for column in every]))
    rows = len(every[0].entries) if every else 0
    return lines + [_line(every, [column.entries[row] for column in every]) for row in range(rows)]


def _groups(labels: Sequence[Column], columns: Sequence[Column]) -> Text:
    line = " " * sum(label.width + GAP for label in labels)
    at = len(line)
    shown = ""
    for column in columns:
        if column.group != shown:
            shown = column.group
            line = line.ljust(at) + shown + " "
        at += column.width + column.gap
    return Text(line.rstrip(), "dim")


def _line(columns: Sequence[Column], entries: Sequence[Entry]) -> Text:
    line = Text()
    for column, entry in zip(columns, entries, strict=True):
        blank = " " * (column.width - cell_len(entry.text))
        line.append(blank + entry.text if column.right else entry.text + blank, entry.style)
        line.append(" " * column.gap if column is not columns[-1] else "")
    if entries[-1].style in ("", "bold"):  # a background goes on to the end of its field
        line.rstrip()
    return line
