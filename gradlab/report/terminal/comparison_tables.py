"""The tables of a comparison by length: the response asked for, and what was learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isnan

from rich.text import Text

from gradlab.analysis.compare.axes import labels_of, over_of
from gradlab.analysis.compare.comparison import Comparison
from gradlab.report.formatting import capital, count, joined, metric_text, number_text
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.marks import Point, learned, mark, mark_of, reach_text, sign_names, verdict_of
from gradlab.report.model.outcomes import TrainingOutcome
from gradlab.report.model.rows import Row, RowGroup, shown_lengths, some
from gradlab.report.terminal.best import best_title
from gradlab.report.terminal.entries import (
    EMPTY,
    half_width,
    heading,
    labels,
    largest_half_width,
    legend_text,
    mark_entry,
    reach_entry,
    without_metric,
    wrapped,
)
from gradlab.report.terminal.table import GAP, Column, Entry, fold_optional, varying

__all__ = ["response_lines", "training_lines"]

_BEFORE_TRAINING = ("survival", "decay", "reach")
"""Responses that training does not change."""
_NOT_RUN = Entry("-")
Lengths = list[int | None]
"""The lengths with a column; None alone: one column for the only point of each row."""


def _lengths(group: RowGroup, width: int | None) -> Lengths:
    single = group.axis.setting in group.keys or not group.varies
    return [None] if single else list(shown_lengths(group.lengths, width))


def _of_all(lengths: Lengths, group: RowGroup) -> str:
    every = len(group.lengths)
    return f"; {len(lengths)} of {every} {group.lengths_name}" if 1 < len(lengths) < every else ""


def _by_length(
    group: RowGroup, lengths: Lengths, name: str, entry: Callable[[Point, TrainingOutcome | None], Entry]
) -> list[Column]:
    """Return a column for each length, or one called `name`."""

    def field(row: Row, length: int | None) -> Entry:
        at = next(iter(row.points)) if length is None else length
        return entry(row.points[at], row.outcomes.get(at)) if at in row.points else _NOT_RUN

    return [
        Column(
            name if length is None else str(length),
            tuple(field(row, length) for row in group.rows),
            group="" if length is None else group.axis.setting,
        )
        for length in lengths
    ]


def _counts(rows: Sequence[Row], *, whole: bool) -> list[Column]:
    """Return the configurations of each row where some row averages several and, if `whole`, its seeds where they
    differ."""

    def column(header: str, name: str) -> Column:
        numbers = [sorted({int(point[name]) for point in row.points.values()}) for row in rows]
        texts = [str(values[0]) if len(values) == 1 else f"{values[0]}-{values[-1]}" for values in numbers]
        return Column(header, tuple(map(Entry, texts)))

    several = any(point["configurations"] > 1 for row in rows for point in row.points.values())
    averaged = [column("averaged", "configurations")] if several else []
    return [*averaged, *([column("n", "n")] if whole and _one_number(rows) is None else [])]


def _one_number(rows: Sequence[Row]) -> int | None:
    """Return the number of seeds of all points; None where they differ."""
    numbers = {int(point["n"]) for row in rows for point in row.points.values()}
    return numbers.pop() if len(numbers) == 1 else None


def _seeds(rows: Sequence[Row]) -> str:
    numbers = {int(point["n"]) for row in rows for point in row.points.values()}
    low, high = min(numbers), max(numbers)
    return count(low, "seed") if low == high else f"{low} to {high} seeds"


def _some(comparison: Comparison, rows: tuple[Row, ...], most: int | None) -> tuple[Row, ...]:
    """Return at most `most` rows: the first of those that are sorted, otherwise some from the first to the last."""
    if most is None or most >= len(rows):
        return rows
    return rows[:most] if comparison.question.sort else some(rows, most)


def _fewer(group: RowGroup, every: RowGroup, width: int | None) -> list[Text]:
    """Return a line about rows that are not shown; none where all are."""
    if len(group.rows) == len(every.rows):
        return []
    return wrapped(f"{len(group.rows)} of {len(every.rows)} rows; all with --verbose and --csv", width, "dim")


def _reach(rows: Sequence[Row], glyphs: Glyphs) -> Column:
    return Column(heading("reach"), tuple(reach_entry(row.longest, glyphs) for row in rows))


def _max_trainable(rows: Sequence[Row], glyphs: Glyphs) -> Column:
    at_least = "≥" if glyphs.infinite == "∞" else ">="

    def text(row: Row) -> str:
        largest = row.points[max(row.points)]["learns_to"]
        if isnan(largest):
            return "none"
        return (at_least if largest == max(row.points) else "") + f"{largest:.0f}"

    return Column("trainable", tuple(Entry(text(row)) for row in rows))


def _not_run(columns: Sequence[Column], width: int | None) -> list[Text]:
    """Return the legend of a length at which a row has no cell; none where there is no such row."""
    return wrapped("-: not run", width, "dim") if any(_NOT_RUN in column.entries for column in columns) else []


def _fits(columns: Sequence[Column], width: int | None) -> bool:
    return width is None or sum(column.width + GAP for column in columns) - GAP <= width


def response_lines(
    comparison: Comparison, every: RowGroup, glyphs: Glyphs, width: int | None, most: int | None = None, *, whole: bool
) -> list[Text]:
    """Return the table of the response asked for by length, with its legend; at most `most` rows of it.

    `whole`: with columns that are alike in all rows.
    """
    response = comparison.response
    full = every.before_training if response.name in _BEFORE_TRAINING else every
    group = replace(full, rows=_some(comparison, full.rows, most))
    rows, axis = group.rows, group.axis
    column = response.column if response.column in comparison.table else response.name
    lengths = _lengths(group, width)

    def columns(intervals: bool) -> list[Column]:
        values = _by_length(
            group, lengths, response.name, lambda point, _: _value(point, comparison, column, glyphs, intervals)
        )
        return [*values, *further]

    candidates = [*([] if column == "reach" else [_reach(rows, glyphs)]), *_counts(rows, whole=whole)]
    further, constant = varying(candidates, whole=whole)
    largest = None if column == "reach" else largest_half_width(rows, column)
    inside = largest is not None and _fits([*labels(group), *columns(True)], width)
    mean = "log10 of the geometric mean" if column.startswith("log10") else "geometric mean" if response.log else "mean"
    mean = "of the geometric mean of the decay" if column == "reach" else mean
    seeds = _seeds(rows)
    name = response.title.format(ratio=axis.ratio, unit=axis.unit, units=axis.units)
    title = glyphs.plain(f"{capital(name)} ({mean} over {seeds}){_of_all(lengths, group)}")
    combinations = _combinations(comparison)
    if combinations < comparison.rows:
        title += f" ({combinations} of {comparison.rows} rows)"
    values = columns(inside)[: -len(further) or None]
    table, omitted = fold_optional(_row_labels(group), values, further, width, glyphs, whole=whole)
    lines = [*_titled(title, group, width), *table, *_fewer(group, full, width), *_not_run(values, width)]
    lines += [line for note in (omitted, constant) for line in wrapped(note, width, "dim")]
    if dropped := [key for key in every.keys if key not in group.keys]:
        lines += wrapped(f"the same before training with every {joined(dropped)}", width, "dim")
    if response.name in ("survival", "survival_final"):
        lines += wrapped(_legend(comparison, rows, glyphs), width, "dim")
    if (comparison.table["configurations"] > 1).any():
        note = "averaged: configurations that differ in settings not among the rows; opposite ones cancel"
        lines += wrapped(note, width, "dim")
    return [*lines, *_interval_note(group, column, glyphs, width, inside=inside), Text()]


def _row_labels(group: RowGroup) -> list[Column]:
    return labels(group) or [Column("", tuple(EMPTY for _ in group.rows))]


def _combinations(comparison: Comparison) -> int:
    table, axes = comparison.table, comparison.design.axes
    return len(labels_of(table, comparison.by, axes).assign(over=over_of(table, axes)).drop_duplicates())


def _value(point: Point, comparison: Comparison, column: str, glyphs: Glyphs, intervals: bool) -> Entry:
    value, half = float(point[column]), half_width(point, column) if intervals else float("nan")
    interval = "" if isnan(half) else f" {glyphs.plus_minus}{half:.2f}"
    if column == "reach":
        return Entry(reach_text(point, glyphs.infinite) or "none")
    if not column.startswith("log10"):
        return Entry("none" if isnan(value) else f"{number_text(value, 4)}{interval}")
    thresholds = float(point["thresholds.vanish"]), float(point["thresholds.explode"])
    if comparison.response.name in ("survival", "survival_final"):
        return mark_entry(mark_of(point, final=comparison.response.name == "survival_final"), glyphs, half, after="")
    read = mark(verdict_of(value, *thresholds), value, *thresholds)
    if comparison.response.name == "decay":
        return Entry("none" if isnan(value) else f"{read.text}{interval}")
    return mark_entry(read, glyphs, half, after="")


def _legend(comparison: Comparison, rows: Sequence[Row], glyphs: Glyphs) -> str:
    limits = [
        {float(point[f"thresholds.{name}"]) for row in rows for point in row.points.values()}
        for name in ("vanish", "explode")
    ]
    vanish, explode = (limit.pop() if len(limit) == 1 else None for limit in limits)
    signs = {name for name in ("dead", "nonfinite") if comparison.table[name].any()}
    if comparison.response.name == "survival_final":
        signs = {*comparison.table["verdict_final"]}
    names = sign_names(vanish, explode, signs)
    return legend_text(names, glyphs)


def training_lines(
    comparison: Comparison, every: RowGroup, glyphs: Glyphs, width: int | None, most: int | None = None, *, whole: bool
) -> list[Text]:
    """Return the table of what was learned by length, with the largest length that was beside the reach; at most `most`
    rows of it. `whole`: with columns that are alike in all rows."""
    group = replace(every, rows=_some(comparison, every.rows, most))
    rows, lengths = group.rows, _lengths(group, width)

    def entry(point: Point, outcome: TrainingOutcome | None, intervals: bool) -> Entry:
        half = half_width(point, "metric")
        lost = isnan(point["metric"]) or point["diverged"] == point["cells"]
        text = without_metric(point, outcome) if lost else metric_text(float(point["metric"]))
        text += f" {glyphs.plus_minus}{metric_text(half)}" if intervals and not isnan(half) else ""
        return Entry(f"{text} {point['learned_n']}/{point['cells']} {glyphs.learned if learned(point) else ' '}")

    def columns(intervals: bool) -> list[Column]:
        values = _by_length(group, lengths, group.metric, lambda point, outcome: entry(point, outcome, intervals))
        return [*values, *further]

    largest = [_max_trainable(rows, glyphs)] if len(lengths) > 1 else []
    reach = [_reach(rows, glyphs)] if comparison.best is None else []
    further, constant = varying([*largest, *reach, *_counts(rows, whole=whole)], whole=whole)
    inside = _fits([*labels(group), *columns(True)], width)
    subject = f"After training: {group.metric} on held-out samples"
    if comparison.best is not None:
        subject = best_title(comparison.best)
    title = f"{subject}, and how many seeds learned"
    title += f" ({glyphs.learned} most of them){_of_all(lengths, group)}"
    values = columns(inside)[: -len(further) or None]
    table, omitted = fold_optional(labels(group), values, further, width, glyphs, whole=whole)
    lines = [*_titled(title, group, width), *table, *_fewer(group, every, width), *_not_run(values, width)]
    lines += [line for note in (omitted, constant) for line in wrapped(note, width, "dim")]
    if comparison.best is not None:
        lines += _interval_note(group, "metric", glyphs, width, inside=inside)
    return [*lines, Text()]


def _interval_note(group: RowGroup, column: str, glyphs: Glyphs, width: int | None, *, inside: bool) -> list[Text]:
    """Return a line about the intervals of a table, with the largest where they are not `inside` of it."""
    largest = largest_half_width(group.rows, column)
    if largest is None:
        return []
    half, row, length = largest
    place = f"{row.name} {group.axis.at(length)}" if group.keys else group.axis.at(length)
    note = f"{glyphs.plus_minus} 95 % over seeds (Student t)"
    note += "" if inside else f"; here at most {glyphs.plus_minus}{half:.2g} ({place}), all with --csv"
    return wrapped(note, width, "dim")


def _titled(title: str, group: RowGroup, width: int | None) -> list[Text]:
    return wrapped(title, width, "bold") + (wrapped(group.shared, width, "dim") if group.shared else [])
