"""The report of a measured model for a terminal or a pipe, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite

from rich.cells import cell_len
from rich.text import Text

from gradlab.definitions import FIRST_STEPS
from gradlab.report.formatting import count, log_text
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.marks import sign_names
from gradlab.report.model.module_conclusions import conclusions, details, heading
from gradlab.report.model.module_cures import CureRow, loss_text
from gradlab.report.model.module_report import ModuleReport, reached
from gradlab.report.model.module_table import BlockRow, BlockTable, TableColumn, block_table, skipped_text
from gradlab.report.terminal.entries import legend_text, mark_entry, style, wrapped
from gradlab.report.terminal.sparkline import spark
from gradlab.report.terminal.table import GAP, Column, Entry, fold

__all__ = ["block_lines", "cure_lines", "module_report", "sentence_lines"]

_LEAST_WORDS = 24
"""Columns that the words of a change need beside the numbers."""


def module_report(result: ModuleReport, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the lines of a report, no wider than `width`: conclusions, profile, blocks, how it was measured."""
    return [
        *wrapped(heading(result, glyphs.dot), width, "bold"),
        *sentence_lines(result, glyphs, width),
        Text(),
        *_profile(result, glyphs, width),
        *block_lines(result, glyphs, width),
        Text(),
        *_details(result, glyphs, width),
    ]


def block_lines(result: ModuleReport, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the table of the blocks and its legend, no wider than `width`."""
    table = block_table(result) if width is not None else block_table(result, None)
    return [*_table(table, glyphs, width), *_legend(table, result, glyphs, width)]


def sentence_lines(result: ModuleReport, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the conclusions, the verdict in the colour of the survival."""
    first, *sentences = map(glyphs.plain, conclusions(result))
    look = (
        style(block_table(reached(result)).rows[0].mark) if result.summary.verdict in ("vanishing", "exploding") else ""
    )
    lines = [_verdict_line(line, look) for line in wrapped(f"  {first}", width, indent="    ")]
    return lines + [line for sentence in sentences for line in wrapped(f"  {sentence}", width, indent="    ")]


def _verdict_line(line: Text, look: str) -> Text:
    """Return a line of the verdict with its word in the colour of the survival."""
    colon = line.plain.find(":")
    if line.plain.startswith("  ") and line.plain[2:3].isupper() and colon > 0:
        line.stylize(look or "bold", 2, colon)
    return line


def _profile(result: ModuleReport, glyphs: Glyphs, width: int | None) -> list[Text]:
    values = result.log10_norms
    if len(values) < 3:
        return []
    ends = glyphs.to.join(log_text(value) if isfinite(value) else "zero" for value in (values[0], values[-1]))
    title, curve = Text("log10 |g| from the first block to the last  ", "bold"), Text(f"{spark(glyphs, values)} {ends}")
    if width is None or title.cell_len + curve.cell_len <= width:
        return [title + curve]
    return [*wrapped(title.plain.rstrip(), width, "bold"), curve]


def _table(table: BlockTable, glyphs: Glyphs, width: int | None) -> list[Text]:
    names = [row for row in table.rows for row in ([_gap(row), row] if row.skipped else [row])]
    prefix = glyphs.plain(table.prefix.removesuffix("."))
    labels = [
        Column("", tuple(Entry(str(row.number) if row.number else "") for row in names)),
        Column(f"block of {prefix}" if prefix else "block", tuple(Entry(row.name) for row in names), right=False),
    ]
    column_of = {column.key: _column(column, names, glyphs) for column in table.columns}
    room = None if width is None else width - sum(label.width + GAP for label in labels)
    fitting, omitted = _fitting(table.columns, column_of, room)
    columns = [column_of[column.key] for column in fitting]
    fits = room is not None and sum(column.width + GAP for column in columns) - GAP <= room
    lines = fold([], [*labels, *columns], width, glyphs) if fits else fold(labels, columns, width, glyphs)
    if omitted:
        names_left = ", ".join(glyphs.plain(column.title) for column in omitted)
        lines += wrapped(f"not shown here: {names_left}; a wider terminal and --json have them", width, "dim")
    return lines


def _gap(row: BlockRow) -> BlockRow:
    return replace(row, number=0, name=skipped_text(row.skipped), texts={}, skipped=0)


def _column(column: TableColumn, rows: Sequence[BlockRow], glyphs: Glyphs) -> Column:
    left_aligned = column.key in ("note", "kind", "dtype")
    if column.key == "log10_survival":
        entries = tuple(
            Entry("") if not row.number else mark_entry(row.mark, glyphs) if row.mark.text else Entry("none   ")
            for row in rows
        )
        return Column(f"{column.title}   ", entries)
    return Column(
        glyphs.plain(column.title),
        tuple(Entry(glyphs.plain(row.texts.get(column.key, ""))) for row in rows),
        right=not left_aligned,
    )


def _fitting(
    columns: Sequence[TableColumn], column_of: dict[str, Column], room: int | None
) -> tuple[list[TableColumn], list[TableColumn]]:
    """Return the columns that fit into the room, those of the lowest rank first, and those that do not."""
    if room is None:
        return list(columns), []
    fitting_keys: set[str] = set()
    occupied = 0
    for column in sorted(columns, key=lambda column: column.rank):
        needs = column_of[column.key].width + GAP
        if occupied + needs - GAP <= room:
            occupied += needs
            fitting_keys.add(column.key)
    if not fitting_keys:  # the names leave no room: the table is folded
        return list(columns), []
    return [column for column in columns if column.key in fitting_keys], [
        c for c in columns if c.key not in fitting_keys
    ]


def _legend(table: BlockTable, result: ModuleReport, glyphs: Glyphs, width: int | None) -> list[Text]:
    lines = []
    if table.total > len(table.rows):
        note = f"{len(table.rows)} of {count(table.total, 'block')} are shown; all are with --json"
        lines += wrapped(note, width, "dim")
    signs = {row.mark.sign for row in table.rows}
    names = sign_names(result.vanish, result.explode, {"dead", "nonfinite"})
    if shown_names := [entry for entry in names if entry[0] in signs]:
        lines += wrapped(legend_text(shown_names, glyphs), width, "dim")
    meanings = [f"{column.title}: {column.meaning}" for column in table.columns if column.rank <= 1 and column.meaning]
    grad = "|g|: norm of the gradient at the output of a block"
    lines += wrapped(glyphs.plain("; ".join([grad, *meanings])), width, "dim")
    return lines


def _details(result: ModuleReport, glyphs: Glyphs, width: int | None) -> list[Text]:
    constant = [(f"{title} of every block", value) for title, value in block_table(result).constants]
    lines = [*details(result), *constant]
    longest = max(cell_len(name) for name, _ in lines)
    return [
        line
        for name, text in lines
        for line in wrapped(f"{name.ljust(longest)}  {glyphs.plain(text)}", width, indent=" " * (longest + 2))
    ]


def cure_lines(rows: Sequence[CureRow], glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the table of what was tried, the best first, with the code of the best that helps."""
    if not rows:
        return [Text("Nothing that could be tried applies to this model.", "bold")]
    columns = [Column("start   ", tuple(mark_entry(row.start, glyphs) for row in rows))]
    trained = any(row.trained is not None for row in rows)
    if trained:
        marks = tuple(mark_entry(row.trained, glyphs) if row.trained else Entry("") for row in rows)
        columns += [Column("trained   ", marks), Column("loss", tuple(Entry(loss_text(row)) for row in rows))]
    columns.append(Column("", tuple(Entry(row.verdict, "bold" if row.helps else "") for row in rows), right=False))
    later = f" and after {FIRST_STEPS} steps of Adam" if trained else ""
    lines = wrapped(f"Changes, each measured on a copy: survival (log10) at the start{later}", width, "bold")
    needed = sum(column.width + GAP for column in columns)
    room = None if width is None else width - needed
    if room is not None and room < _LEAST_WORDS:
        labels = [Column("change", tuple(Entry(row.what) for row in rows), right=False)]
        lines += fold(labels, columns, width, glyphs)
    else:
        texts = tuple(Entry(_folded(row.what, room)) for row in rows)
        title = _folded("change", room)
        lines += fold([], [Column(title, texts, right=False), *columns], None, glyphs)
    best = next((row for row in rows if row.helps), None)
    if best is None:
        return [*lines, Text("None of these helps.", "bold")]
    lines += [Text(), *wrapped(f"The code of the first change ({best.source}):", width, "bold")]
    return [*lines, *(Text(f"    {line}".rstrip()) for line in best.code.rstrip().split("\n"))]


def _folded(text: str, width: int | None) -> str:
    return text if width is None else "\n".join(line.plain for line in wrapped(text, width))
