"""The tables of configurations at their best values: the results, the values chosen, how much depends on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isnan

from rich.text import Text

from gradlab.analysis.compare.best import Best, folded
from gradlab.analysis.compare.parameters import split_parameters
from gradlab.report.formatting import count, metric_text
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.best_conclusions import best_conclusions, best_notes
from gradlab.report.model.best_rows import BestGroup, BestRow, best_groups
from gradlab.report.model.marks import Point
from gradlab.report.model.rows import shown_lengths, some
from gradlab.report.terminal.entries import EMPTY, NONE, wrapped
from gradlab.report.terminal.table import GAP, Column, Entry, fold
from gradlab.results.tables import Tables
from gradlab.thresholds import LEARNED_SHARE

__all__ = ["best_lines", "best_title", "choice_lines"]

_MOST_TIES = 2
"""Ties that are named; more are counted."""


def best_lines(tables: Tables, settings: str, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return what training made of the cells of a run along one axis, each configuration at the best value of some
    `settings`.

    Raises UsageError where there is nothing to choose, or nothing to choose by.
    """
    measured = tables.cells[tables.cells["status"] != "failed"].reset_index(drop=True)
    best, _, design = folded(split_parameters(measured, settings, None), settings)
    groups = best_groups(best, design.along, tuple(design.follows))
    lines = wrapped(f"{best_title(best)} ({glyphs.learned} most seeds learned)", width, "bold")
    for group in groups:
        lines += fold(_labels(group), _results(group, best.metric_name, glyphs, width), width, glyphs)
    lines += wrapped(f"{glyphs.plus_minus} 95 % over seeds (Student t)", width, "dim")
    sentences = best_conclusions(best, groups)
    lines += [line for text in sentences for line in wrapped(glyphs.plain(text), width)]
    return [*lines, Text(), *choice_lines(best, groups, best_notes(best, groups), glyphs, width)]


def best_title(best: Best) -> str:
    """Return what the results at the chosen values are, for the title of their table."""
    return f"At the best {best.title}: {best.metric_name} on the test half of the held-out samples"


def choice_lines(
    best: Best, groups: Sequence[BestGroup], notes: Sequence[str], glyphs: Glyphs, width: int | None,
    most: int | None = None,
) -> list[Text]:  # fmt: skip
    """Return the chosen values with their ties, and the range of the test metric over the axis, by length; at most
    `most` rows, from the first to the last, and below them the `notes` (`best_notes`)."""
    numbers = sorted(set(best.table["values"]))
    values = count(numbers[0], "value") if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]} values"
    title = f"Chosen {best.title} of {values}, and sensitivity: range of the {best.metric_name} over them"
    lines = wrapped(glyphs.plain(title), width, "bold")
    for every in groups:
        group = replace(every, rows=some(every.rows, most))
        labels = _labels(group)
        choices = _by_length(
            group, best.title, lambda point: _chosen(point, _MOST_TIES if len(best.keys) == 1 else 0), width
        )
        ranges = _by_length(group, "range", _range, width)
        together = sum(column.width + GAP for column in (*labels, *choices, *ranges)) - GAP
        for columns in ([*choices, *ranges],) if width is None or together <= width else (choices, ranges):
            lines += [*fold(labels, columns, width, glyphs), Text()]
    note_lines = [line for note in notes for line in wrapped(glyphs.plain(note), width, "dim")]
    return [*lines[:-1], *note_lines, Text()]


def _labels(group: BestGroup) -> list[Column]:
    columns = [
        Column(key, tuple(Entry(row.labels[index]) for row in group.rows), right=False)
        for index, key in enumerate(group.keys)
    ]
    return columns or [Column("", tuple(EMPTY for _ in group.rows))]


def _by_length(group: BestGroup, name: str, entry: Callable[[Point], Entry], width: int | None) -> list[Column]:
    single = len(group.lengths) == 1
    return [
        Column(
            name if single else str(length),
            tuple(entry(row.points[length]) if length in row.points else Entry("not run") for row in group.rows),
            group="" if single else f"{name} at {group.axis.setting}",
        )
        for length in shown_lengths(group.lengths, width)
    ]


def _results(group: BestGroup, metric: str, glyphs: Glyphs, width: int | None) -> list[Column]:
    columns = _by_length(group, metric, lambda point: _result(point, glyphs), width)
    if len(group.lengths) == 1:
        return columns
    return [*columns, Column("trainable", tuple(Entry(_trainable(row)) for row in group.rows))]


def _result(point: Point, glyphs: Glyphs) -> Entry:
    if isnan(point["test"]) or point["lost"] == point["n"]:
        return Entry("diverged")
    half = float(point["test_hi"] - point["test_lo"]) / 2
    text = metric_text(float(point["test"])) + ("" if isnan(half) else f" {glyphs.plus_minus}{metric_text(half)}")
    sign = glyphs.learned if point["learned"] > LEARNED_SHARE else " "
    return Entry(f"{text} {round(point['learned'] * point['n'])}/{point['n']} {sign}")


def _trainable(row: BestRow) -> str:
    learned = [length for length, point in row.points.items() if point["learned"] > LEARNED_SHARE]
    return str(max(learned)) if learned else "none"


def _chosen(point: Point, most: int) -> Entry:
    ties = list(point["ties"])
    if not ties:
        return Entry(str(point["label"]))
    if len(ties) == point["values"] - 1 and len(ties) > 1:
        return Entry(f"{point['label']} ~all")
    tied = ",".join(ties) if len(ties) <= most else count(len(ties), "other")
    return Entry(f"{point['label']} ~{tied}")


def _range(point: Point) -> Entry:
    return NONE if isnan(point["sensitivity"]) else Entry(metric_text(float(point["sensitivity"])))
