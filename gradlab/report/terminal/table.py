"""Tables for a terminal: columns that fold under each other when the line is too short, and never lose a character."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rich.cells import cell_len
from rich.text import Text

from gradlab.report.glyphs import Glyphs

__all__ = ["GAP", "Column", "Entry", "fold", "fold_optional", "folded_label", "varying"]

GAP = 2
_NOTHING = ("", "-", "none")
"""Fields without a value."""
_NUMBER = 8
"""Columns that the number of a row takes at most."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The text of one field, of one line or of several, and its rich style, which covers the whole field."""

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
        texts = (self.header, *(entry.text for entry in self.entries))
        return max(cell_len(line) for text in texts for line in text.split("\n"))


def fold(labels: Sequence[Column], columns: Sequence[Column], width: int | None, glyphs: Glyphs) -> list[Text]:
    """Return the lines of a table no wider than `width`: what does not fit beside the labels goes below, labels again.

    Labels that take more than two fifths of the line stand in the first of these tables only; then rows have numbers.
    Without a width nothing is folded.
    """
    if width is not None and sum(label.width + GAP for label in labels) > max(width * 2 // 5, 6 * len(labels)):
        shortened = [_within(label, width - _NUMBER) for label in labels]
        rows = len(labels[0].entries)
        labels, columns = [Column("row", tuple(Entry(str(row + 1)) for row in range(rows)))], [*shortened, *columns]
    lines: list[Text] = []
    label_width = sum(label.width + GAP for label in labels)
    band: list[Column] = []
    occupied = label_width
    for column in columns:
        begins = column.group if not band or column.group != band[-1].group else ""
        if band and width is not None and occupied + max(column.width, cell_len(begins)) > width:
            lines += [*_lines(labels, band), Text()]
            band, occupied = [], label_width
        band.append(column)
        occupied += column.width + column.gap
    return lines + _lines(labels, band)


def fold_optional(
    labels: Sequence[Column], columns: Sequence[Column], optional: Sequence[Column], width: int | None, glyphs: Glyphs,
    *, whole: bool,
) -> tuple[list[Text], str]:  # fmt: skip
    """Return the lines of a table, and a line about those of the `optional` columns, its last ones, that would take
    lines of their own: they are left out, unless `whole`."""
    fitting = list(optional)
    least = len(fold(labels, columns, width, glyphs))
    while fitting and not whole and len(fold(labels, [*columns, *fitting], width, glyphs)) > least:
        fitting.pop()
    omitted = ", ".join(column.header.strip() for column in optional[len(fitting) :])
    note = f"not shown here: {omitted}; with --verbose or in a wider terminal" if omitted else ""
    return fold(labels, [*columns, *fitting], width, glyphs), note


def varying(columns: Sequence[Column], *, whole: bool) -> tuple[list[Column], str]:
    """Return the columns in which rows differ, and a line with the value that each of the others has in every row.

    Columns without any value are left out. `whole`, or of one row: all columns, and an empty line.
    """
    if whole or not columns or len(columns[0].entries) < 2:
        return list(columns), ""
    constant = [column for column in columns if len({entry.text for entry in column.entries}) == 1]
    texts = [(column.header.strip(), column.entries[0].text.strip()) for column in constant]
    named_values = [f"{header} {text}" for header, text in texts if text not in _NOTHING]
    differing = [column for column in columns if column not in constant]
    return differing, f"in every row: {', '.join(named_values)}" if named_values else ""


def _within(label: Column, width: int) -> Column:
    """Return a column of labels whose texts go on in the next line beyond a width."""
    return replace(
        label, entries=tuple(replace(entry, text=folded_label(entry.text, width)) for entry in label.entries)
    )


def folded_label(text: str, width: int) -> str:
    """Return a label in lines of at most `width` columns, broken behind a sign between its words where there is one."""
    lines: list[str] = [""]
    for word in re.findall(r".*?(?:[,(=_ /.-]|$)", text):
        while cell_len(word) > width:
            if lines[-1]:
                lines.append("")
            lines[-1], word = word[:width], word[width:]
            lines.append("")
        if lines[-1] and cell_len(lines[-1]) + cell_len(word) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(line for line in lines if line)


def _lines(labels: Sequence[Column], columns: Sequence[Column]) -> list[Text]:
    every = [*labels, *columns]
    lines = []
    if any(column.group for column in columns):
        lines.append(_groups(labels, columns))
    lines += _row(every, [Entry(column.header, "bold") for column in every])
    rows = len(every[0].entries) if every else 0
    return lines + [line for row in range(rows) for line in _row(every, [column.entries[row] for column in every])]


def _row(columns: Sequence[Column], entries: Sequence[Entry]) -> list[Text]:
    """Return the lines of one row: the numbers stand in the first, labels may go on below."""
    texts = [entry.text.split("\n") for entry in entries]
    lines = []
    for at in range(max(map(len, texts), default=0)):
        parts = [
            Entry(entry_lines[at], entry.style) if at < len(entry_lines) else Entry("")
            for entry_lines, entry in zip(texts, entries, strict=True)
        ]
        lines.append(_line(columns, parts))
    return lines


def _groups(labels: Sequence[Column], columns: Sequence[Column]) -> Text:
    line = " " * sum(label.width + GAP for label in labels)
    at = len(line)
    group = ""
    for column in columns:
        if column.group != group:
            group = column.group
            line = line.ljust(at) + group + " "
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
