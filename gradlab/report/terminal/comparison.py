"""The report of a comparison for a terminal or a pipe, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from gradlab.analysis.compare.comparison import Comparison
from gradlab.analysis.compare.design import setting_text
from gradlab.report.formatting import count, joined
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.best_conclusions import best_notes
from gradlab.report.model.comparison_best import best_rows, best_rows_shown
from gradlab.report.model.comparison_rows import comparison_rows
from gradlab.report.model.conclusions import conclusions
from gradlab.report.model.effects import effect_table, paired_table, variance_table
from gradlab.report.terminal.best import choice_lines
from gradlab.report.terminal.comparison_tables import response_lines, training_lines
from gradlab.report.terminal.effect_intervals import effect_columns, paired_columns, variance_columns
from gradlab.report.terminal.entries import conclusion_lines, wrapped
from gradlab.report.terminal.table import fold, varying

__all__ = ["comparison_report"]

_MOST_LINES = 60
"""Lines of a report that is not verbose: one screen and a half."""
_FEWER_ROWS = (20, 12, 8, 5)
"""Rows of the first table where all of them do not fit."""
_MOST_LEVELS = 12
"""Factors with more levels than this have no list of main effects."""


def comparison_report(
    comparison: Comparison, glyphs: Glyphs, width: int | None, *, verbose: bool = False
) -> list[Text]:
    """Return the lines of a report, folded to `width` columns; None: as wide as it takes.

    The conclusions come first, at most six unless `verbose`.
    """
    lines = _heading(comparison, glyphs, width)
    sentences = [glyphs.plain(sentence) for sentence in conclusions(comparison, brief=not verbose)]
    lines += conclusion_lines(sentences, width, whole=verbose)
    tables = _tables(comparison, glyphs, width, None, whole=verbose)
    if not verbose and tables and len(lines) + sum(len(table) for _, table in tables) > _MOST_LINES:
        return [*lines, *_within(comparison, glyphs, width, _MOST_LINES - len(lines) - 3)]
    return [*lines, *(line for _, table in tables for line in table)][:-1]


def _tables(
    comparison: Comparison, glyphs: Glyphs, width: int | None, rows: int | None, *, whole: bool
) -> list[tuple[str, list[Text]]]:
    """Return each table with its name, in the order of a report; those by length have at most so many `rows`.

    `whole`: with columns that are alike in all rows, and with what could not be estimated.
    """
    groups, tables = comparison_rows(comparison), []
    metric = comparison.metric_name or "metric"
    if paired := _paired(comparison, glyphs, width, whole=whole):
        tables.append(("paired differences", paired))
    if comparison.response.name not in ("metric", "learned"):
        for group in groups:
            tables.append(
                (
                    f"{comparison.response.name} by {group.axis.setting}",
                    response_lines(comparison, group, glyphs, width, rows, whole=whole),
                )
            )
    trained = [
        (f"{metric} by {group.axis.setting}", training_lines(comparison, group, glyphs, width, rows, whole=whole))
        for group in groups
        if comparison.design.fixed.get("train.steps") != 0
    ]
    if comparison.best is not None:  # what was chosen is never left out
        results = [line for _, lines in trained for line in lines]
        choices = choice_lines(
            comparison.best, best_rows_shown(comparison), best_notes(comparison.best, best_rows(comparison)), glyphs,
            width, rows,
        )  # fmt: skip
        trained = [(f"best {comparison.best.title}", results + choices)]
    tables += trained
    tables.append(("shares of the variance", _variance(comparison, glyphs, width, whole=whole)))
    tables.append(("main effects", _effects(comparison, glyphs, width, whole=whole)))
    return [(name, table) for name, table in tables if table]


def _within(comparison: Comparison, glyphs: Glyphs, width: int | None, most: int) -> list[Text]:
    """Return the tables that fit into `most` lines, the first with fewer rows where it must, and what was left out."""
    for rows in (None, *_FEWER_ROWS):
        tables = _tables(comparison, glyphs, width, rows, whole=False)
        if len(tables[0][1]) <= most:
            break
    lines = list(tables[0][1])
    left_out: list[str] = []
    for name, table in tables[1:]:
        if len(lines) + len(table) <= most:
            lines += table
        else:
            left_out.append(name)
    names = joined(list(dict.fromkeys(left_out)))
    note = f"all tables with --verbose: {names}" if left_out else "all rows with --verbose"
    return [*lines, *wrapped(note, width, "dim")]


def _heading(comparison: Comparison, glyphs: Glyphs, width: int | None) -> list[Text]:
    dot, plan = f" {glyphs.dot} ", comparison.design
    share = f"{len(comparison.cells):,} of " if len(comparison.cells) < comparison.total else ""
    sizes = [count(len(comparison.runs), "run"), f"{share}{count(comparison.total, 'cell')}"]
    sizes += [count(len(comparison.configurations), "configuration"), count(plan.seeds, "seed")]
    lines = wrapped(dot.join(sizes), width, "bold")
    runs = [
        f"{run.name} ({run.cells:,}" + (f", {run.known:,} of them counted already)" if run.known else ")")
        for run in comparison.runs
    ]
    lines += wrapped("from " + ", ".join(runs), width)
    fixed = {key: setting_text(value) for key, value in plan.fixed.items()}
    parts = [" on ".join(fixed[key] for key in ("model", "task") if key in fixed)]
    parts += [fixed[key] for key in ("activation", "init", "optimizer") if key in fixed]
    sized = [key for key in ("depth", "seq_len", "width", "lr") if fixed.get(key, "none") != "none"]
    parts += [f"{key} {fixed[key]}" for key in sized if key != "depth" or "depth" in plan.axes]
    parts += [f"{fixed['train.steps']} steps"] if "train.steps" in fixed else []
    lines += wrapped(dot.join(part for part in parts if part), width)
    if comparison.question.where:
        lines += wrapped(f"where {comparison.question.where}", width)
    if comparison.best is not None:
        lines += wrapped(f"each configuration at its best {comparison.best.title}", width)
    for leader in dict.fromkeys(plan.follows.values()):
        names = [name for name in plan.follows if plan.follows[name] == leader]
        change, quantifier = ("change", "all") if len(names) > 1 else ("changes", "both")
        text = f"confounded: {joined(names)} {change} only with {leader}, effects are of {quantifier} together"
        lines += wrapped(text, width, "dim")
    return [*lines, Text()]


def _notes(notes: Sequence[str], glyphs: Glyphs, width: int | None) -> list[Text]:
    return [line for note in notes for line in wrapped(glyphs.plain(note), width, "dim")]


def _variance(comparison: Comparison, glyphs: Glyphs, width: int | None, *, whole: bool) -> list[Text]:
    table = variance_table(comparison.analyses, comparison.metric_name)
    lines: list[Text] = []
    if table.responses:
        labels, columns = variance_columns(table, glyphs)
        title = "Share of the variance that each factor explains (omega squared)"
        lines += wrapped(title, width, "bold") + fold(labels, columns, width, glyphs)
    lines += _notes(table.notes if whole else (), glyphs, width)
    return [*lines, Text()] if lines else []


def _effects(comparison: Comparison, glyphs: Glyphs, width: int | None, *, whole: bool) -> list[Text]:
    lines: list[Text] = []
    printed_notes: set[str] = set()
    for analysis in comparison.analyses:
        table = effect_table(analysis, comparison.metric_name, _MOST_LEVELS)
        if table.rows:
            labels, columns = effect_columns(table, glyphs, whole=whole)
            title = (
                f"Main effects on {table.response}: each level against the mean over the levels, matched in the rest "
            )
            lines += wrapped(title + "(95 % over seeds)", width, "bold") + fold(labels, columns, width, glyphs)
        notes = [note for note in table.notes if note not in printed_notes] if whole else []
        printed_notes |= set(notes)
        lines += _notes(notes, glyphs, width)
        lines += [Text()] if table.rows or notes else []
    return lines


def _paired(comparison: Comparison, glyphs: Glyphs, width: int | None, *, whole: bool) -> list[Text]:
    table = paired_table(comparison)
    if table is None:
        return []
    labels, columns = paired_columns(table, glyphs)
    change, tests = columns[:3], columns[3:]
    differing, constant = varying(tests, whole=whole)
    lines = wrapped(table.title, width, "bold") + fold(labels, [*change, *differing], width, glyphs)
    lines += wrapped(constant, width, "dim")
    return [*lines, *_notes(table.notes, glyphs, width), Text()]
