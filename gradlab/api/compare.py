"""One answer over any number of run directories: what survives, which factor matters, what is more than chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.analysis.compare.collect import collect
from gradlab.analysis.compare.comparison import Comparison, Question, ResponseAnalysis
from gradlab.analysis.compare.comparison import compare as answer
from gradlab.analysis.compare.paired_comparisons import PairedComparison
from gradlab.api.compare_models import ModelComparison, compare_models, refuse_named
from gradlab.api.options import CompareOptions
from gradlab.errors import UsageError
from gradlab.report.plots import FORMATS
from gradlab.results.directories import open_directories

__all__ = ["compare", "document", "draw", "refuse_plot"]


def compare(paths: Sequence[Path], options: CompareOptions) -> Comparison | ModelComparison:
    """Return the comparison of the runs at `paths`, run directories or directories above them; of watched trainings and
    saved probes, where there are no runs, that block by block.

    Raises UsageError for a path without runs, for both kinds named beside each other, and for a question that cannot be
    answered; StoreError when there is no cell at all or a directory cannot be read.
    """
    directories = open_directories(paths)
    if not directories.runs:
        return compare_models(directories, options)
    refuse_named(directories)
    return answer(collect(directories.runs), Question(**dataclasses.asdict(options)))


def refuse_plot(path: str, options: CompareOptions) -> None:
    """Raise UsageError for a picture that cannot be drawn, before anything is compared."""
    if options.best is None:
        raise UsageError(f"--plot {path}: the picture shows the values of --best", "name a setting: --best lr")
    if Path(path).suffix.removeprefix(".").lower() not in FORMATS:
        raise UsageError(
            f"--plot {path}: there is no such format", f"name a file that ends in .{' or .'.join(FORMATS)}"
        )


def draw(comparison: Comparison, path: Path) -> None:
    """Draw the metric against the values of the settings that were folded into a file.

    Raises UsageError as `comparison_picture`, StoreError where the file cannot be written.
    """
    from gradlab.report import plots

    plots.load()
    from gradlab.report.plots.sensitivity import comparison_picture
    from gradlab.report.plots.style import save

    save(comparison_picture, comparison, [path])


def document(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values for JSON."""
    from gradlab.report.model.conclusions import conclusions

    return {
        "runs": [
            {"name": run.name, "directory": str(run.path), "cells": run.cells, "known": run.known,
             "damaged": [{"file": problem.file, "reason": problem.reason} for problem in run.unreadable]}
            for run in comparison.runs
        ],
        "warnings": list(comparison.warnings), "where": comparison.question.where,
        "metric": comparison.response.name, "metric_name": comparison.metric_name,
        "cells": len(comparison.cells), "cells_before_where": comparison.total, "seeds": comparison.design.seeds,
        "fixed": comparison.design.fixed, "follows": comparison.design.follows, "by": list(comparison.by),
        "rows": _rows(comparison.table), "factors": [_analysis(analysis) for analysis in comparison.analyses],
        "best": None if comparison.best is None else {
            "settings": list(comparison.best.keys), "configurations": _rows(comparison.best.table),
            "values": _rows(comparison.best.values),
        },
        "baseline": comparison.baseline,
        "comparisons": [_change(change) for change in comparison.paired],
        "improvements": {
            verdict: [
                {**_change(improvement.change), "networks": improvement.networks, "healthy": improvement.healthy,
                 "learned_before": improvement.learned_before, "learned": improvement.learned}
                for improvement in improvements
            ]
            for verdict, improvements in comparison.improvements.items()
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


def _analysis(analysis: ResponseAnalysis) -> dict[str, Any]:
    shares = analysis.shares
    parts = {"higher": shares.higher, "seed": shares.seed, "residual": shares.residual}
    return {
        "metric": analysis.response.name, "scale": "log10" if analysis.response.log else "linear",
        "sums_of_squares": "unweighted means of a complete grid", "cells": shares.cells, "left_out": shares.left_out,
        "terms": [dataclasses.asdict(term) for term in shares.terms],
        **{name: None if term is None else dataclasses.asdict(term) for name, term in parts.items()},
        "notes": list(shares.notes),
        "levels": [dataclasses.asdict(level) for level in analysis.effects.levels],
        "levels_notes": list(analysis.effects.notes),
    }  # fmt: skip


def _change(change: PairedComparison) -> dict[str, Any]:
    return {
        "settings": list(change.settings), "from": list(change.source), "to": list(change.target),
        "left_out": change.left_out, **dataclasses.asdict(change.difference),
    }  # fmt: skip
