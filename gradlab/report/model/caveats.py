"""What limits the numbers of a run: gradients that cannot be measured, truncation, underflow, wide intervals, and what
`probe.record` leaves out."""

from __future__ import annotations

import re

from gradlab.report.formatting import count, joined, percent, power
from gradlab.report.model.marks import Point
from gradlab.report.model.rows import Row, RowGroup

__all__ = ["UNRECORDED", "counted_seeds", "truncated", "underflow", "unmeasurable", "unrecorded", "wide_intervals"]

UNRECORDED = "activations, weights, updates and underflow were not measured (probe.record: profile)"

_NAMED = 3
"""Configurations named in one sentence; the rest are counted."""
_UNDERFLOW = 0.001
"""Share of the gradient's elements that underflow from which a sentence names it."""
_WIDE = 1.0
"""Half width of an interval of log10 survival from which a sentence asks for more seeds."""


def counted_seeds(point: Point, *columns: str) -> int:
    """Return how many seeds some columns of a summary count."""
    return sum(int(point[column]) for column in columns)


def _places(group: RowGroup) -> list[tuple[Row, int, Point]]:
    return [(row, length, point) for row in group.rows for length, point in row.points.items()]


def _at(group: RowGroup, row: Row, length: int) -> str:
    return f"{row.name} {group.axis.at(length)}" if group.varies else row.name


def unmeasurable(group: RowGroup) -> str:
    """Say which seeds have a gradient that is exactly zero or not finite before training."""
    parts = []
    for column, defect in (("dead", "a gradient that is exactly zero"), ("nonfinite", "a gradient that is not finite")):
        places = [(row, length, int(point[column])) for row, length, point in _places(group) if point[column] > 0]
        names = [f"{_at(group, row, length)} ({number})" for row, length, number in places[:_NAMED]]
        names += [f"{len(places) - _NAMED} more"] if len(places) > _NAMED else []
        if number := sum(seeds for *_, seeds in places):
            have = "has" if number == 1 else "have"
            parts.append(f"{count(number, 'seed')} {have} {defect} at step 0, left out of the means: {joined(names)}")
    return "; ".join(parts) + "." if parts else ""


def truncated(group: RowGroup) -> str:
    """Say where zeros beyond the end of a truncated backward pass are made by it: they are no dead network."""
    cut = [(row, steps) for row in group.rows if (steps := _truncation(group, row)) and _dead_beyond(group, row, steps)]
    if not cut:
        return ""
    lengths = {steps for _, steps in cut}
    after = count(lengths.pop(), "step") if len(lengths) == 1 else "the steps named"
    names = [row.name for row, _ in cut[:_NAMED]] + ([f"{len(cut) - _NAMED} more"] if len(cut) > _NAMED else [])
    return (
        f"truncated: backpropagation through time ends after {after}, what lies further back is exactly zero: "
        f"{joined(names)}."
    )


def _dead_beyond(group: RowGroup, row: Row, steps: int) -> bool:
    return any(int(point[group.axis.along]) > steps and point["dead"] for point in row.points.values())


def _truncation(group: RowGroup, row: Row) -> int:
    """Return the steps after which a recurrent model ends its backward pass, 0 for one that does not."""
    model = row.labels[group.keys.index("model")] if "model" in group.keys else str(group.fixed.get("model", ""))
    match = re.search(r"\btruncate=(\d+)", model)
    return int(match[1]) if match else 0


def underflow(group: RowGroup) -> str:
    """Say where the precision of training loses most of the gradient before training."""
    places = [place for place in _places(group) if "underflow" in place[2] and place[2]["underflow"] > _UNDERFLOW]
    if not places:
        return ""
    row, length, point = max(places, key=lambda place: float(place[2]["underflow"]))
    others = f" ({count(len(places) - 1, 'other network')} too)" if len(places) > 1 else ""
    precision = "" if "precision" in group.keys else f"in {point['precision']} "
    return (
        f"underflow: {precision}{percent(point['underflow'])} of the gradient's elements are lost at "
        f"{group.axis.unit} {point['underflow_at']} of {_at(group, row, length)}, before training{others}."
    )


def unrecorded(group: RowGroup) -> str:
    """Say that `probe.record` left out all but the gradient norms, the loss and the metric, of some rows or of all."""
    if "probe.record" in group.keys:
        return f"where probe.record is profile, {UNRECORDED.partition(' (')[0]}."
    return f"{UNRECORDED}." if group.fixed.get("probe.record") == "profile" else ""


def wide_intervals(group: RowGroup) -> str:
    """Say which survival is known least, where that is to no more than a factor ten."""
    halves = [
        (float(point["log10_survival_hi"] - point["log10_survival_lo"]) / 2, row, length)
        for row, length, point in _places(group)
    ]
    wide = [entry for entry in halves if entry[0] > _WIDE]
    if not wide:
        return ""
    half, row, length = max(wide, key=lambda entry: entry[0])
    others = f", {count(len(wide) - 1, 'other')} also to more than a factor 10" if len(wide) > 1 else ""
    return f"survival known to a factor {power(half)} only: {_at(group, row, length)}{others}; use more seeds."
