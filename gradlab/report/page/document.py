"""Everything the page shows, as one document of plain values."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from gradlab import __version__
from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Comparison, Question, compare
from gradlab.report.formatting import count
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.causes import causes
from gradlab.report.model.conclusions import conclusions
from gradlab.report.model.expectations import document as expected
from gradlab.report.model.expectations import number_text
from gradlab.report.model.rows import by_axis, metric_name, rows_of
from gradlab.report.page.configurations import NUMBERS, Configurations, configurations
from gradlab.report.page.effects import effects
from gradlab.report.page.embed import Attached, attach
from gradlab.report.page.filter import filter_document
from gradlab.report.page.heatmap import run_map, spread
from gradlab.report.page.profiles import profiles
from gradlab.report.page.source import Source, read_source
from gradlab.results.run import Run, each_readable, names_apart, open_runs
from gradlab.thresholds import LEARNED_SHARE

__all__ = ["MOST", "Document", "document"]

MOST = 12_000
"""Configurations that a page can list; of more, some evenly from the least to the most gradient left."""

_VERDICTS = ("healthy", "vanishing", "exploding", "dead", "nonfinite", "failed")
_COUNTS = ("n", "diverged", "dead", "nonfinite")
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
    whole = configurations(sources)
    found, notes = _limited(whole, most)
    profile, less = profiles(found, sources)
    attached = attach(sources)
    notes += [*less, *attached.notes]
    answer = _compared(runs, sources)
    lost = [(f"{run.path}/{problem}: left out", problem.hint) for run in runs for problem in run.unreadable]
    lost += [(f"{error.message}: left out", error.hint) for error in errors]
    rebuilt = [warning for run in runs for warning in run.warnings if warning not in lost]
    metric = metric_name(name for source in sources for name in source.tables.cells["metric_name"])
    title = names[0] if len(names) == 1 else count(len(names), "run")
    content = {
        "format": 1,
        "version": __version__,
        "title": title,
        "counts": _counts(sources, whole),
        "metric": metric,
        "along": dataclasses.asdict(found.along),
        "keys": list(found.keys),
        "fixed": found.fixed,
        "limits": _limits(sources),
        "runs": [
            _run(source, files) | dataclasses.asdict(found.runs[run]) | {"map": run_map(found, run)}
            for run, (source, files) in enumerate(zip(sources, attached.files, strict=True))
        ],
        "configurations": _columns(found),
        "filter": filter_document(found),
        "profiles": profile,
        "conclusions": conclusions(answer) if answer else [],
        "effects": effects(answer) if answer else None,
        "warnings": [*(answer.warnings if answer else ()), *(what for what, _ in (*lost, *rebuilt))],
        "left_out": notes,
    }
    return Document(title, content, attached, tuple(notes), tuple(lost), tuple(rebuilt))


def _compared(runs: Sequence[Run], sources: Sequence[Source]) -> Comparison | None:
    return compare(collect(runs), Question()) if any(len(source.tables.summary) for source in sources) else None


def _limited(found: Configurations, most: int) -> tuple[Configurations, list[str]]:
    total = len(found.frame)
    if total <= most:
        return found, []
    rows = spread(found.frame, most)
    new = np.full(total, -1, dtype=np.int64)
    new[rows] = np.arange(len(rows))
    group = tuple(one.map(lambda row: int(new[row])) for one in found.group)
    frame = found.frame.iloc[rows].reset_index(drop=True)
    note = f"{len(rows):,} of {total:,} configurations are listed, evenly from the least to the most gradient left"
    settings = found.settings.iloc[rows].reset_index(drop=True)
    return dataclasses.replace(found, frame=frame, group=group, settings=settings), [f"{note}; all are in summary.csv"]


def _counts(sources: Sequence[Source], found: Configurations) -> dict[str, Any]:
    status = Counter(text for source in sources for text in source.tables.cells["status"])
    frame = found.frame
    verdicts = Counter(frame["verdict"])
    seeds = {int(seed) for source in sources for seed in source.tables.cells["seed"]}
    trained = any((source.tables.cells["train.steps"] > 0).any() for source in sources)
    return {
        "cells": sum(status.values()),
        "failed": status["failed"],
        "diverged": status["diverged"],
        "seeds": len(seeds),
        "configurations": len(frame),
        "verdicts": {name: verdicts[name] for name in _VERDICTS if verdicts[name]},
        "learned": int((frame["learned"].astype(float) > LEARNED_SHARE).sum()) if trained else None,
    }


def _limits(sources: Sequence[Source]) -> dict[str, float | None]:
    """Return the thresholds, None where they are not the same everywhere."""
    found = {}
    for name in ("vanish", "explode"):
        values = {float(value) for source in sources for value in source.tables.cells[f"thresholds.{name}"].unique()}
        found[name] = values.pop() if len(values) == 1 else None
    return found


def _run(source: Source, files: list[dict[str, Any]]) -> dict[str, Any]:
    cells = source.tables.cells
    lost = cells[cells["status"] == "failed"]
    groups = lost.assign(error=lost["error"].fillna("")).groupby("error", sort=False)
    return {
        "name": source.name,
        "directory": str(source.path),
        "description": source.description,
        "cells": len(cells),
        "why": [
            sentence
            for tables in (by_axis(source.tables) if len(source.tables.summary) else ())
            for sentence in causes(rows_of(tables))
        ],
        "expected": [
            one | {"numbers": [_digits(judgement.measured), _digits(judgement.against)]}
            for one, judgement in zip(expected(source.judged), source.judged, strict=True)
        ],
        "failures": [
            {"error": str(error), "cells": len(some), "bank": str(some["bank"].iloc[0])} for error, some in groups
        ],
        "sessions": list(source.sessions),
        "spec": source.spec,
        "files": files,
    }


def _digits(number: Decimal | None) -> str | None:
    return None if number is None else number_text(number, UNICODE.infinite)


def _columns(found: Configurations) -> dict[str, list[Any]]:
    frame = found.frame
    columns: dict[str, list[Any]] = {}
    for name in ("run", "along", "failed", *found.keys, *NUMBERS):
        values = frame[name].tolist()
        if name in _COUNTS:
            columns[name] = [int(value) if value == value else None for value in values]
        elif name in NUMBERS:
            columns[name] = [None if value is None else float(f"{float(value):.{_DIGITS}g}") for value in values]
        else:
            columns[name] = values
    for name in ("verdict", "verdict_final", "mark", "mark_final", "shade", "shade_final", "theory_note"):
        columns[name] = _coded(frame[name].tolist())
    return {name: values for name, values in columns.items() if name not in NUMBERS or any(v == v for v in values)}


def _coded(values: list[Any]) -> Any:
    """Return texts that repeat as their levels with one code each."""
    levels = {text: index for index, text in enumerate(dict.fromkeys(values))}
    return {"levels": list(levels), "codes": [levels[text] for text in values]}
