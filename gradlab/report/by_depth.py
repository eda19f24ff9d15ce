"""The tables by depth, or of recurrent networks by seq_len, of a comparison: what survives, and what learns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import isfinite, isnan

from rich.text import Text

from gradlab.analysis.compare.axes import labels_of, over_of
from gradlab.analysis.compare.comparison import Comparison
from gradlab.report.glyphs import Glyphs, mark, style
from gradlab.report.groups import Group, Point, Row
from gradlab.report.layout import GAP, Column, Entry, fold
from gradlab.report.view import shown_depths
from gradlab.report.words import capital, decade, log_text

__all__ = ["survival_lines", "training_lines", "wrapped"]

_NOTHING = Entry("")


def wrapped(text: str, width: int | None, style: str = "", indent: str = "  ") -> list[Text]:
    """Return a text as lines of at most `width` columns."""
    if width is None:
        return [Text(text, style)]
    folded = textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [Text(line, style) for line in folded]


def _labels(group: Group) -> list[Column]:
    return [
        Column(key, tuple(Entry(labels[index]) for labels, _ in group.rows), right=False)
        for index, key in enumerate(group.keys)
    ]


def _depths(group: Group, width: int | None) -> list[int | None]:
    """Return the depths that have columns; one column for whatever there is where depth tells the rows apart."""
    depths = sorted({depth for _, points in group.rows for depth in points})
    return [None] if group.axis.setting in group.keys or len(depths) == 1 else list(shown_depths(depths, width))


def _of_all(depths: Sequence[int | None], group: Group) -> str:
    every = len({depth for _, points in group.rows for depth in points})
    what = "depths" if group.axis.setting == "depth" else "lengths"
    return f"; {len(depths)} of {every} {what}" if 1 < len(depths) < every else ""


def _point(points: dict[int, Point], depth: int | None) -> Point | None:
    return points.get(depth) if depth is not None else next(iter(points.values()))


def _counts(rows: Sequence[Row]) -> list[Column]:
    """Return the seeds of each row and, where some row averages several, its configurations."""

    def column(header: str, name: str) -> Column:
        numbers = [sorted({int(point[name]) for point in points.values()}) for _, points in rows]
        texts = [str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in numbers]
        return Column(header, tuple(map(Entry, texts)))

    several = any(point["configurations"] > 1 for _, points in rows for point in points.values())
    return [*([column("averaged", "configurations")] if several else []), column("n", "n")]


def _reach(rows: Sequence[Row], glyphs: Glyphs) -> Column:
    found = [points[max(points)]["reach"] for _, points in rows]
    texts = ["" if isnan(each) else decade(each) if isfinite(each) else glyphs.infinite for each in found]
    return Column("reach", tuple(map(Entry, texts)))


def _learns_to(rows: Sequence[Row], glyphs: Glyphs) -> Column:
    def text(points: dict[int, Point]) -> str:
        deepest = points[max(points)]["learns_to"]
        if isnan(deepest):
            return "-"
        more = "\u2265" if glyphs.infinite == "\u221e" else ">="
        return (more if deepest == max(points) else "") + f"{deepest:.0f}"

    return Column("learns to", tuple(Entry(text(points)) for _, points in rows))


def _fits(columns: Sequence[Column], width: int | None) -> bool:
    return width is None or sum(column.width + GAP for column in columns) - GAP <= width


def _half(point: Point, column: str) -> float:
    return float(point[f"{column}_hi"] - point[f"{column}_lo"]) / 2 if f"{column}_hi" in point else float("nan")


def survival_lines(found: Comparison, group: Group, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the table of the metric asked for by depth, with its legend."""
    metric, rows, axis = found.metric, group.rows, group.axis
    column = metric.column if metric.column in found.table else metric.name
    labels, depths = _labels(group), _depths(group, width)

    def columns(intervals: bool) -> list[Column]:
        made = [
            Column(
                metric.name if depth is None else str(depth),
                tuple(_value(_point(points, depth), found, column, glyphs, intervals) for _, points in rows),
                group="" if depth is None else group.axis.setting,
            )
            for depth in depths
        ]
        return [*made, _reach(rows, glyphs), *_counts(rows)]

    shown = len(
        labels_of(found.table, found.by, found.plan.axes)
        .assign(over=over_of(found.table, found.plan.axes))
        .drop_duplicates()
    )
    halves = [(_half(point, column), labels_, depth) for labels_, points in rows for depth, point in points.items()]
    halves = [each for each in halves if not isnan(each[0])]
    inside = bool(halves) and _fits([*labels, *columns(True)], width)
    how = "log10 of the geometric mean" if column.startswith("log10") else "geometric mean" if metric.log else "mean"
    name = metric.title.format(left=axis.left, unit=axis.unit, units=axis.units)
    title = f"{capital(name)}: {how} over n seeds"
    title += _of_all(depths, group)
    if shown < found.rows:
        title += f" ({shown} of {found.rows} rows)"
    lines = _titled(title, group, width) + fold(labels, columns(inside), width, glyphs)
    if metric.name in ("survival", "survival_final"):
        lines += wrapped(_legend(found, glyphs), width, "dim")
    if (found.table["configurations"] > 1).any():
        note = "averaged: configurations that differ in settings not among the rows; opposite ones cancel"
        lines += wrapped(note, width, "dim")
    if halves:
        half, names, depth = max(halves, key=lambda each: each[0])
        note = f"{glyphs.plus_minus} 95 % over seeds (Student t)"
        where = f"{' '.join(names)} {axis.at(depth)}".strip()
        note += "" if inside else f"; here at most {glyphs.plus_minus}{half:.2g} ({where}), all with --csv"
        lines += wrapped(note, width, "dim")
    return [*lines, Text()]


def _value(point: Point | None, found: Comparison, column: str, glyphs: Glyphs, intervals: bool) -> Entry:
    if point is None:
        return _NOTHING
    value, half = float(point[column]), _half(point, column)
    shown = f" {glyphs.plus_minus}{half:.2f}" if intervals and not isnan(half) else ""
    if not column.startswith("log10"):
        return Entry("" if isnan(value) else f"{value:.4g}{shown}")
    text = f"{log_text(value)}{shown}"
    if found.metric.name == "decay":
        return Entry(text)
    limits = _thresholds(found)
    verdict = str(point["verdict"]) if found.metric.name == "survival" else _verdict(value, *limits)
    text = text if log_text(value) else {"dead": "zero", "nonfinite": "nan"}.get(verdict, "")
    return Entry(f" {text} {mark(glyphs, verdict, value, *limits)}", style(verdict, value, *limits))


def _verdict(log10_survival: float, vanish: float, explode: float) -> str:
    if isnan(log10_survival):
        return "nonfinite"
    return "vanishing" if 10**log10_survival < vanish else "exploding" if 10**log10_survival > explode else "healthy"


def _thresholds(found: Comparison) -> tuple[float, float]:
    return float(found.cells["thresholds.vanish"].iloc[0]), float(found.cells["thresholds.explode"].iloc[0])


def _legend(found: Comparison, glyphs: Glyphs) -> str:
    vanish, explode = _thresholds(found)
    signs = f"{glyphs.fading} fading  {glyphs.vanished} vanished (below {vanish:g})  {glyphs.growing} growing  "
    signs += f"{glyphs.exploded} exploded (above {explode:g})"
    signs += f"  {glyphs.dead} exactly zero" if found.table["dead"].any() else ""
    return signs + (f"  {glyphs.nonfinite} not finite" if found.table["nonfinite"].any() else "")


def training_lines(found: Comparison, group: Group, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the table of what was learned by depth, with how deep it goes beside the reach."""
    rows, name = group.rows, group.metric
    labels, depths = _labels(group), _depths(group, width)

    def entry(point: Point | None, intervals: bool) -> Entry:
        if point is None:
            return _NOTHING
        half = _half(point, "metric")
        shown = "diverged" if isnan(point["metric"]) else f"{point['metric']:.2f}"
        shown += f" {glyphs.plus_minus}{half:.2f}" if intervals and not isnan(half) else ""
        sign = glyphs.learned if point["learned"] > 0.5 else " "
        return Entry(f"{shown} {point['learned_n']}/{point['cells']} {sign}")

    def columns(intervals: bool) -> list[Column]:
        made = [
            Column(
                name if depth is None else str(depth),
                tuple(entry(_point(points, depth), intervals) for _, points in rows),
                group="" if depth is None else group.axis.setting,
            )
            for depth in depths
        ]
        ends = [_learns_to(rows, glyphs)] if len(depths) > 1 else []
        return [*made, *ends, _reach(rows, glyphs), *_counts(rows)]

    inside = _fits([*labels, *columns(True)], width)
    title = f"After training: {name} on held-out samples, and how many seeds learned ({glyphs.learned} most of them)"
    title += _of_all(depths, group)
    return [*_titled(title, group, width), *fold(labels, columns(inside), width, glyphs), Text()]


def _titled(title: str, group: Group, width: int | None) -> list[Text]:
    return wrapped(title, width, "bold") + (wrapped(group.shared, width, "dim") if group.shared else [])
