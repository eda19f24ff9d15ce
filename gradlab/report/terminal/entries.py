"""What the tables of a run and of a comparison share: labels, the field of a survival, the reach, folded text."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from rich.text import Text

from gradlab.columns import column
from gradlab.report.formatting import count, metric_text
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.evidence import steps_text
from gradlab.report.model.marks import Mark, Point, Sign, reach_text
from gradlab.report.model.outcomes import TrainingOutcome
from gradlab.report.model.rows import Row, RowGroup
from gradlab.report.terminal.colours import EXPLODING, VANISHING
from gradlab.report.terminal.table import Column, Entry
from gradlab.report.terminal.text import wrapped

__all__ = [
    "EMPTY",
    "NONE",
    "conclusion_lines",
    "half_width",
    "heading",
    "labels",
    "largest_half_width",
    "legend_text",
    "mark_entry",
    "reach_entry",
    "style",
    "without_metric",
    "wrapped",
]

EMPTY = Entry("")
NONE = Entry("none")
"""The field of a number that there is not."""
_MOST_LINES, _LEAST_SENTENCES = 6, 3
"""Lines of the conclusions without --verbose, if that is as many sentences."""


def legend_text(names: Sequence[tuple[Sign, str]], glyphs: Glyphs) -> str:
    """Return a legend for `wrapped`: no sign is parted from its name."""
    entries = (f"{glyphs.sign(sign)} {name}".replace(" ", "\N{NO-BREAK SPACE}") for sign, name in names)
    return "  ".join(entries)


def conclusion_lines(sentences: Sequence[str], width: int | None, *, whole: bool) -> list[Text]:
    """Return the block of the conclusions, one below the other; nothing without any.

    Unless `whole`, as many as fit into a few lines, and how many more there are.
    """
    if not sentences:
        return []
    folded = [wrapped(f"  {sentence}", width, indent="    ") for sentence in sentences]
    lines: list[Text] = []
    hidden = 0
    for number, part in enumerate(folded):
        if whole or number < _LEAST_SENTENCES or len(lines) + len(part) <= _MOST_LINES:
            lines += part
        else:
            hidden += 1
    note = f"  and {count(hidden, 'more remark')}; " if hidden else "  "
    hint = [] if whole else wrapped(f"{note}evidence with --verbose", width, "dim")
    return [Text("Conclusions", "bold"), *lines, *hint, Text()]


def heading(name: str) -> str:
    """Return the heading of a column of ``summary``, as the schema has it."""
    return column(name, "summary").title


def labels(group: RowGroup) -> list[Column]:
    """Return one column for each setting in which the rows differ."""
    return [
        Column(key, tuple(Entry(row.short[index]) for row in group.rows), right=False)
        for index, key in enumerate(group.keys)
    ]


def half_width(point: Point, column: str) -> float:
    """Return half of the 95 % interval of a column; NaN where it has none."""
    return float(point[f"{column}_hi"] - point[f"{column}_lo"]) / 2 if f"{column}_hi" in point else float("nan")


def largest_half_width(rows: Sequence[Row], column: str) -> tuple[float, Row, int] | None:
    """Return the largest `half_width`, and at which row and length it is; None without intervals."""
    halves = [
        (half, row, length)
        for row in rows
        for length, point in row.points.items()
        if not isnan(half := half_width(point, column))
    ]
    return max(halves, key=lambda entry: entry[0]) if halves else None


def style(mark: Mark) -> str:
    """Return the rich style of a survival: none near 1, then bluer or redder with each shade away from it."""
    if mark.sign == "nonfinite" or (mark.sign == "dead" and mark.shade is None):
        return "bold reverse"
    if not mark.shade:
        return ""
    return (VANISHING if mark.shade < 0 else EXPLODING)[abs(mark.shade) - 1]


_WORDS = {"nan": "not finite", "": "none"}
"""Of survivals without a number."""


def mark_entry(mark: Mark, glyphs: Glyphs, half: float = float("nan"), after: str = " ") -> Entry:
    """Return the field of a survival in its colour: its text, the half width of its interval if given, its sign."""
    text = _WORDS.get(mark.text, mark.text) + ("" if isnan(half) else f" {glyphs.plus_minus}{half:.2f}")
    return Entry(f" {text} {glyphs.sign(mark.sign)}{after}", style(mark))


def reach_entry(point: Point | None, glyphs: Glyphs) -> Entry:
    """Return the field of a reach."""
    return NONE if point is None else Entry(reach_text(point, glyphs.infinite) or "none")


def without_metric(point: Point, outcome: TrainingOutcome | None) -> str:
    """Return what stands where there is no mean of the metric: when training diverged, or a metric that measures
    nothing."""
    if not point["diverged"]:
        return metric_text(float(outcome.metric_lost[0]["metric"])) if outcome and outcome.metric_lost else "none"
    at = [int(seed["diverged_at"]) for seed in outcome.diverged] if outcome else []
    return f"diverged {steps_text(at)}" if at else "diverged"
