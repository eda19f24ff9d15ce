"""`gradlab compare`: one report over any number of run directories."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from gradlab.analysis.compare.changes import Change
from gradlab.analysis.compare.collect import Collection, collect
from gradlab.analysis.compare.comparison import Check, Comparison, Question, Weight
from gradlab.analysis.compare.comparison import compare as answer
from gradlab.analysis.compare.effects import Term
from gradlab.cli.common import console, print_json, report_width
from gradlab.errors import UsageError
from gradlab.report.view import text_of
from gradlab.report.words import count
from gradlab.store.csvfile import write_csv

__all__ = ["compare"]

_CHECKS_SHOWN = 20


def compare(paths: Sequence[Path], question: Question, *, csv: str | None, json: bool) -> int:
    """Print the comparison; return the exit code: 3 if a check failed, 1 if a file was damaged, otherwise 0.

    Raises UsageError and StoreError as `collect` and `gradlab.analysis.compare.compare` do.
    """
    if csv == "-" and json:
        raise UsageError("--csv - and --json both want stdout", "write the table to a file: --csv FILE")
    collection = collect(paths)
    found = answer(collection, question)
    damaged = _warn(collection, found)
    if csv == "-":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            write_csv(path, found.table)
            sys.stdout.write(path.read_text(encoding="utf-8"))
    elif csv is not None:
        write_csv(Path(csv), found.table)
    if json:
        print_json(_document(found))
    elif csv != "-":
        _show(found)
    for check in found.checks:
        _report_check(check)
    return 3 if any(check.failed for check in found.checks) else 1 if damaged else 0


def _warn(collection: Collection, found: Comparison) -> bool:
    for run in collection.runs:
        for name, reason in run.damaged:
            print(f"warning: {run.path}/{name} is damaged ({reason}): compared without it\n"
                  "  run its spec again: that repairs it", file=sys.stderr)  # fmt: skip
        if run.aside:
            are = "is" if run.aside == 1 else "are"
            print(f"{count(run.aside, 'stored cell')} of {run.path} {are} not part of its spec any more and left out",
                  file=sys.stderr)  # fmt: skip
        if not run.cells and not run.damaged:
            print(f"warning: {run.path} has no finished cell", file=sys.stderr)
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return any(run.damaged for run in collection.runs)


def _show(found: Comparison) -> None:
    from gradlab.report.comparison import comparison_report
    from gradlab.report.glyphs import glyphs_for

    target = console()
    for line in comparison_report(found, glyphs_for(target.encoding), report_width(target)):
        target.print(line, soft_wrap=True)


def _report_check(check: Check) -> None:
    for rows, what in ((check.holds, "holds for"), (check.unknown, "cannot be told, for want of a value, of")):
        if not len(rows):
            continue
        print(f"--fail-on {check.text!r} {what} {count(len(rows), 'configuration')}:", file=sys.stderr)
        for _, row in rows.head(_CHECKS_SHOWN).iterrows():
            print("  " + " ".join(f"{key}={text_of(value)}" for key, value in row.items()), file=sys.stderr)
        if len(rows) > _CHECKS_SHOWN:
            print(f"  and {len(rows) - _CHECKS_SHOWN} more", file=sys.stderr)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _document(found: Comparison) -> dict[str, Any]:
    from gradlab.report.conclusions import conclusions

    return {
        "runs": [
            {"name": run.name, "directory": str(run.path), "cells": run.cells, "known": run.known,
             "damaged": [{"file": file, "reason": reason} for file, reason in run.damaged]}
            for run in found.runs
        ],
        "warnings": list(found.warnings),
        "where": found.question.where,
        "metric": found.metric.name,
        "metric_name": found.metric_name,
        "cells": len(found.cells),
        "cells_before_where": found.total,
        "seeds": found.plan.seeds,
        "fixed": found.plan.fixed,
        "follows": found.plan.follows,
        "by": list(found.by),
        "rows": _records(found.table),
        "factors": [_weight(weight) for weight in found.weights],
        "baseline": found.baseline,
        "comparisons": [_change(change) for change in found.changes],
        "cures": {
            verdict: [
                {**_change(cure.change), "networks": cure.networks, "healthy": cure.healthy,
                 "learned_before": cure.learned_before, "learned": cure.learned}
                for cure in every
            ]
            for verdict, every in found.cures.items()
        },
        "checks": [
            {"condition": check.text, "failed": check.failed, "holds": _records(check.holds),
             "unknown": _records(check.unknown)}
            for check in found.checks
        ],
        "conclusions": conclusions(found),
    }  # fmt: skip


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
