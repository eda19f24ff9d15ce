"""One answer over any number of run directories: what survives, which factor matters, what is more than chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.analysis.compare.changes import Change
from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Comparison, Question, Weight
from gradlab.analysis.compare.comparison import compare as answer
from gradlab.analysis.compare.effects import Term
from gradlab.api.options import CompareOptions

__all__ = ["compare", "document"]


def compare(paths: Sequence[Path], options: CompareOptions) -> Comparison:
    """Return the comparison of the runs at `paths`: run directories, or directories above them.

    Raises UsageError for a path without runs and for a question that cannot be answered, StoreError when there is no
    cell at all or a directory cannot be read.
    """
    return answer(collect(paths), Question(**dataclasses.asdict(options)))


def document(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values for JSON."""
    from gradlab.report.model.conclusions import conclusions

    return {
        "runs": [
            {"name": run.name, "directory": str(run.path), "cells": run.cells, "known": run.known,
             "damaged": [{"file": file, "reason": reason} for file, reason in run.damaged]}
            for run in comparison.runs
        ],
        "warnings": list(comparison.warnings),
        "where": comparison.question.where,
        "metric": comparison.metric.name,
        "metric_name": comparison.metric_name,
        "cells": len(comparison.cells),
        "cells_before_where": comparison.total,
        "seeds": comparison.plan.seeds,
        "fixed": comparison.plan.fixed,
        "follows": comparison.plan.follows,
        "by": list(comparison.by),
        "rows": _rows(comparison.table),
        "factors": [_weight(weight) for weight in comparison.weights],
        "baseline": comparison.baseline,
        "comparisons": [_change(change) for change in comparison.changes],
        "cures": {
            verdict: [
                {**_change(cure.change), "networks": cure.networks, "healthy": cure.healthy,
                 "learned_before": cure.learned_before, "learned": cure.learned}
                for cure in cures
            ]
            for verdict, cures in comparison.cures.items()
        },
        "checks": [
            {"condition": check.text, "failed": check.failed, "holds": _rows(check.holds),
             "unknown": _rows(check.unknown)}
            for check in comparison.checks
        ],
        "conclusions": conclusions(comparison),
    }  # fmt: skip


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _term(term: Term | None) -> dict[str, Any] | None:
    return None if term is None else dataclasses.asdict(term)


def _weight(weight: Weight) -> dict[str, Any]:
    shares = weight.shares
    return {
        "metric": weight.metric.name,
        "scale": "log10" if weight.metric.log else "linear",
        "sums_of_squares": "type II",
        "cells": shares.cells,
        "left_out": shares.left_out,
        "terms": [_term(term) for term in shares.terms],
        "higher": _term(shares.higher),
        "seed": _term(shares.seed),
        "chance": _term(shares.chance),
        "unsplit": shares.unsplit,
        "notes": list(shares.notes),
        "levels": [dataclasses.asdict(level) for level in weight.levels],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "settings": list(change.settings),
        "from": list(change.source),
        "to": list(change.target),
        "left_out": change.left_out,
        **dataclasses.asdict(change.difference),
    }
