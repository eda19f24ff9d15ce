"""The report of a comparison for a terminal or a pipe, as lines of text."""

from __future__ import annotations

from rich.text import Text

from gradlab.analysis.compare.comparison import Comparison
from gradlab.report.by_depth import survival_lines, training_lines, wrapped
from gradlab.report.conclusions import conclusions
from gradlab.report.forest import factor_columns, forest_columns, level_columns
from gradlab.report.glyphs import Glyphs
from gradlab.report.groups import groups_of
from gradlab.report.layout import fold
from gradlab.report.view import text_of
from gradlab.report.words import count

__all__ = ["comparison_report"]


def comparison_report(found: Comparison, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the lines of a report, folded to `width` columns; None: as wide as it takes."""
    groups = groups_of(found)
    lines = _heading(found, glyphs, width)
    if found.metric.name not in ("metric", "learned"):
        for group in groups:
            lines += survival_lines(found, group, glyphs, width)
    if found.plan.fixed.get("train.steps") != 0:
        for group in groups:
            lines += training_lines(found, group, glyphs, width)
    lines += _factors(found, glyphs, width)
    lines += _changes(found, glyphs, width)
    sentences = conclusions(found)
    if sentences:
        lines.append(Text("In short", "bold"))
        for sentence in sentences:
            lines += wrapped(f"  {sentence}", width, indent="    ")
        lines.append(Text())
    return lines[:-1]


def _heading(found: Comparison, glyphs: Glyphs, width: int | None) -> list[Text]:
    dot = f" {glyphs.dot} "
    chosen = f"{len(found.cells):,} of " if len(found.cells) < found.total else ""
    sizes = [count(len(found.runs), "run"), f"{chosen}{count(found.total, 'cell')}"]
    sizes += [count(len(found.configurations), "configuration"), count(found.plan.seeds, "seed")]
    lines = wrapped(dot.join(sizes), width, "bold")
    runs = [
        f"{run.name} ({run.cells:,}" + (f", {run.known:,} of them counted already)" if run.known else ")")
        for run in found.runs
    ]
    lines += wrapped("from " + ", ".join(runs), width)
    fixed = {key: text_of(value) for key, value in found.plan.fixed.items()}
    parts = [" on ".join(fixed[key] for key in ("model", "task") if key in fixed)]
    parts += [fixed[key] for key in ("activation", "init", "optimizer") if key in fixed]
    said = [key for key in ("depth", "seq_len", "width", "lr") if fixed.get(key, "none") != "none"]
    parts += [f"{key} {fixed[key]}" for key in said if key != "depth" or "depth" in found.plan.axes]
    parts += [f"{fixed['train.steps']} steps"] if "train.steps" in fixed else []
    lines += wrapped(dot.join(part for part in parts if part), width)
    if found.question.where:
        lines += wrapped(f"where {found.question.where}", width)
    for name, leader in found.plan.follows.items():
        lines += wrapped(f"{name} follows {leader} and is no factor of its own", width, "dim")
    return [*lines, Text()]


def _factors(found: Comparison, glyphs: Glyphs, width: int | None) -> list[Text]:
    labels, columns, notes = factor_columns(found, glyphs)
    lines: list[Text] = []
    if labels:
        title = "Which factor matters: share of the variance it explains (omega squared; type II)"
        lines += wrapped(title, width, "bold") + fold(labels, columns, width, glyphs)
    for note in notes:
        lines += wrapped(note, width, "dim")
    lines += [Text()] if lines else []
    for weight in found.weights:
        labels, columns = level_columns(weight, glyphs)
        if labels:
            unit = f"log10 {weight.metric.name}" if weight.metric.log else (
                found.metric_name or "metric" if weight.metric.name == "metric" else weight.metric.name
            )  # fmt: skip
            title = f"Main effects on {unit}: each level against the mean over the levels (95 % over seeds)"
            lines += [*wrapped(title, width, "bold"), *fold(labels, columns, width, glyphs), Text()]
    return lines


def _changes(found: Comparison, glyphs: Glyphs, width: int | None) -> list[Text]:
    if not found.changes:
        return []
    base = ", ".join(f"{key}={value}" for key, value in found.baseline.items())
    unit = "log10 of the ratio" if found.metric.log else "difference"
    title = f"Against {base}, all else equal: {found.metric.name}, mean {unit} over pairs of the same seed (95 %)"
    labels, columns, notes = forest_columns(found.changes, found.metric, glyphs)
    lines = wrapped(title, width, "bold") + fold(labels, columns, width, glyphs)
    for note in notes:
        lines += wrapped(note, width, "dim")
    return [*lines, Text()]
