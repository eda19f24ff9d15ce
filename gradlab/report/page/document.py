"""Everything the page shows, as one document of plain values."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradlab import __version__
from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Comparison, Question, compare
from gradlab.analysis.expectations import Judgement
from gradlab.query import And, Condition, conjuncts, expression_json
from gradlab.report.formatting import count
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.causes import causes
from gradlab.report.model.conclusions import conclusions
from gradlab.report.model.expectations import measured_text
from gradlab.report.model.marks import VERDICT_NAMES
from gradlab.report.model.rows import by_axis, metric_name, rows_of
from gradlab.report.page.configurations import NUMBERS, Configurations, configurations
from gradlab.report.page.effects import effects
from gradlab.report.page.embed import Attached, attach
from gradlab.report.page.filter import filter_document
from gradlab.report.page.heatmap import run_map, spread
from gradlab.report.page.histories import survival_by_step
from gradlab.report.page.overview import csv_columns, legend, overview_columns, terms
from gradlab.report.page.profiles import profiles
from gradlab.report.page.source import Source, read_source
from gradlab.results.directories import each_readable, names_apart, open_runs
from gradlab.results.run import Run
from gradlab.thresholds import LEARNED_SHARE, UNEXPLAINED_Z

__all__ = ["MOST", "Document", "document"]

MOST = 12_000
"""Configurations that a page can list; of more, some evenly from the smallest to the largest survival."""

_VERDICTS = ("healthy", "vanishing", "exploding", "dead", "nonfinite", "failed")
_COUNTS = ("n", "diverged", "dead", "nonfinite")
_REPEATED = (
    "verdict", "verdict_name", "text", "mark", "shade", "verdict_final", "text_final", "mark_final", "shade_final",
    "reach_text", "theory_note", "training",
)  # fmt: skip
_DIGITS = 7
"""Significant digits of the numbers of a configuration; what is shown has four at most."""


@dataclass(frozen=True)
class Document:
    """What the page shows (`content`), the files in it, what was left out for want of room, the parts and runs that
    cannot be read, and the tables that were made anew: what it is, what to do about it."""

    title: str
    content: dict[str, Any]
    attached: Attached
    notes: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]
    rebuilt: tuple[tuple[str, str], ...]


def document(paths: Sequence[Path], most: int = MOST) -> Document:
    """Return the document of the run directories among `paths` and directly below them.

    Raises UsageError and StoreError as `open_runs`, `collect` and `read_source` do.
    """
    opened = open_runs(paths)
    of_run = dict(zip(opened, names_apart(opened), strict=True))
    readable, errors = each_readable(opened, lambda run: read_source(run, of_run[run]))
    runs, sources = tuple(readable), tuple(readable.values())
    names = [source.name for source in sources]
    every = configurations(sources)
    listed, notes = _limited(every, most)
    of_row, left_out = profiles(listed, sources)
    attached = attach(sources, " or ".join(axis.unit for axis in listed.axes))
    notes += [*left_out, *attached.notes]
    comparison = _compared(runs, sources)
    lost = [(f"{run.path}/{problem}: left out", problem.hint) for run in runs for problem in run.unreadable]
    lost += [(f"{error.message}: left out", error.hint) for error in errors.values()]
    rebuilt = [warning for run in runs for warning in run.warnings if warning not in lost]
    metric = metric_name(name for source in sources for name in source.tables.cells["metric_name"])
    title = names[0] if len(names) == 1 else count(len(names), "run")
    counts, limits, several_runs = _counts(sources, every), _limits(sources), len(sources) > 1
    verdicts = set(counts["verdicts"])
    content = {
        "format": 2,
        "version": __version__,
        "title": title,
        "counts": counts,
        "metric": metric,
        "axes": [{"name": axis.along, "unit": axis.unit, "ends": axis.ends} for axis in listed.axes],
        "keys": list(listed.keys),
        "fixed": listed.fixed,
        "thresholds": {"learned": LEARNED_SHARE, "unexplained": UNEXPLAINED_Z},
        "verdicts": VERDICT_NAMES,
        "legend": {"before": legend(limits, verdicts), "after": legend(limits, verdicts | {"nonfinite"})},
        "terms": terms(listed.axes),
        "runs": [
            _run(source, files, several_runs=several_runs)
            | dataclasses.asdict(listed.runs[run])
            | {"map": run_map(listed, run)}
            for run, (source, files) in enumerate(zip(sources, attached.files, strict=True))
        ],
        "configurations": _columns(listed),
        "overview": overview_columns(
            listed, metric, trained=counts["learned"] is not None, several_runs=several_runs
        ),
        "csv": csv_columns(listed, several_runs=several_runs),
        "filter": filter_document(listed),
        "profiles": of_row,
        "survival_by_step": survival_by_step(listed, sources),
        "conclusions": conclusions(comparison) if comparison else [],
        "effects": effects(comparison) if comparison else None,
        "warnings": [*(comparison.warnings if comparison else ()), *(what for what, _ in (*lost, *rebuilt))],
        "left_out": notes,
    }  # fmt: skip
    return Document(title, content, attached, tuple(notes), tuple(lost), tuple(rebuilt))


def _compared(runs: Sequence[Run], sources: Sequence[Source]) -> Comparison | None:
    return compare(collect(runs), Question()) if any(len(source.tables.summary) for source in sources) else None


def _limited(every: Configurations, most: int) -> tuple[Configurations, list[str]]:
    total = len(every.frame)
    if total <= most:
        return every, []
    rows = spread(every.frame, most)
    new = np.full(total, -1, dtype=np.int64)
    new[rows] = np.arange(len(rows))
    group = tuple(own.map(lambda row: int(new[row])) for own in every.group)
    frame, settings = (table.iloc[rows].reset_index(drop=True) for table in (every.frame, every.settings))
    note = f"{len(rows):,} of {total:,} configurations are listed, evenly from the smallest to the largest survival"
    return dataclasses.replace(every, frame=frame, group=group, settings=settings), [f"{note}; all are in summary.csv"]


def _counts(sources: Sequence[Source], configurations: Configurations) -> dict[str, Any]:
    status = Counter(text for source in sources for text in source.tables.cells["status"])
    frame = configurations.frame
    verdicts = Counter(frame["judged"])
    seeds = {int(seed) for source in sources for seed in source.tables.cells["seed"]}
    trained = any((source.tables.cells["train.steps"] > 0).any() for source in sources)
    return {
        "cells": sum(status.values()),
        "failed": status["failed"],
        "diverged": status["diverged"],
        "seeds": len(seeds),
        "configurations": len(frame),
        "healthy": int((frame["verdict_name"] == "healthy").sum()),
        "near_threshold": int(frame["verdict_name"].isin(["fading", "growing"]).sum()),
        "verdicts": {name: verdicts[name] for name in _VERDICTS if verdicts[name]},
        "learned": int((frame["learned"].astype(float) > LEARNED_SHARE).sum()) if trained else None,
    }


def _limits(sources: Sequence[Source]) -> dict[str, float | None]:
    """Return the thresholds, None where they are not the same everywhere."""
    limits = {}
    for name in ("vanish", "explode"):
        values = {float(value) for source in sources for value in source.tables.cells[f"thresholds.{name}"].unique()}
        limits[name] = values.pop() if len(values) == 1 else None
    return limits


def _run(source: Source, files: list[dict[str, Any]], *, several_runs: bool) -> dict[str, Any]:
    cells = source.tables.cells
    failed = cells[cells["status"] == "failed"]
    groups = failed.assign(error=failed["error"].fillna("")).groupby("error", sort=False)
    return {
        "name": source.name,
        "directory": str(source.run.path),
        "description": source.run.spec.description if source.run.spec else "",
        "cells": len(cells),
        "causes": [
            sentence
            for tables in (by_axis(source.tables) if len(source.tables.summary) else ())
            for sentence in causes(rows_of(tables))
        ],
        "expected": [_judgement(judgement, source.name if several_runs else "") for judgement in source.judgements],
        "failures": [
            {"error": str(error), "cells": len(own), "bank": str(own["bank"].iloc[0])} for error, own in groups
        ],
        "sessions": list(source.run.sessions),
        "spec": source.run.spec_text,
        "files": files,
    }


def _judgement(judgement: Judgement, run: str) -> dict[str, Any]:
    """Return a judgement with an expression for the configurations that it speaks of, in a `run` where it is named."""
    parts = conjuncts(judgement.configurations)
    selection = And((Condition("run", "=", (run,)), *parts)) if run else judgement.configurations
    return {
        "that": judgement.text,
        "because": judgement.because,
        "outcome": judgement.outcome,
        "detail": measured_text(judgement, UNICODE.infinite),
        "selection": {"text": str(selection), "tree": expression_json(selection)} if parts else None,
    }


def _columns(configurations: Configurations) -> dict[str, Any]:
    frame = configurations.frame
    columns: dict[str, Any] = {}
    for name in ("id", "run", "axis", "length", "failed", *configurations.keys, *NUMBERS):
        values = frame[name].tolist()
        if name in _COUNTS:
            columns[name] = [int(value) if value == value else None for value in values]
        elif name in NUMBERS:
            columns[name] = [None if value is None else float(f"{float(value):.{_DIGITS}g}") for value in values]
        else:
            columns[name] = values
    columns = {name: column for name, column in columns.items() if name not in NUMBERS or frame[name].notna().any()}
    return columns | {name: _coded(frame[name].tolist()) for name in _REPEATED}


def _coded(values: list[Any]) -> Any:
    """Return texts that repeat as their levels with one code each."""
    levels = {text: index for index, text in enumerate(dict.fromkeys(values))}
    return {"levels": list(levels), "codes": [levels[text] for text in values]}
