"""`gradlab run`: compute what is not done, write the tables, print the report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gradlab.cell import cell_id
from gradlab.cli.common import Choice, console, prepared, print_json, report_width
from gradlab.cli.plot import draw_result
from gradlab.cli.progress import Progressing
from gradlab.executor import InlineExecutor
from gradlab.run import RunResult, execute
from gradlab.theory import predict

if TYPE_CHECKING:
    from gradlab.spec import Spec

__all__ = ["WORK", "run"]

WORK = "gradlab.worker:train"
"""What a worker does with a bank; ``GRADLAB_WORK`` names another, for tests and for a user's own training."""

INTERRUPTED = 130


def run(specs: Sequence[Spec], choice: Choice, *, device: str, fail_fast: bool, quiet: bool, plots: bool = True) -> int:
    """Run every spec, one after the other; return the exit code."""
    plans = [prepared(choice, spec, verify=True) for spec in specs]
    results: list[RunResult] = []
    for one in plans:
        with Progressing(console(stderr=True), quiet=quiet, verbose=choice.verbose) as listener:
            for warning in one.spec.warnings:
                listener.say(f"warning: {warning}")
            executor = InlineExecutor(os.environ.get("GRADLAB_WORK", WORK), device)
            command = ["gradlab", *sys.argv[1:]]
            result = execute(
                one, executor, listener, command=command, device=device, fail_fast=fail_fast, predict=predict
            )
        results.append(result)
        if not choice.json and not quiet:
            _show(result, first=len(results) == 1)
        if plots and not result.interrupted:
            drawn = draw_result(result)
            if drawn is not None and not choice.json and not quiet:
                print(f"Plots: {drawn}")
        if result.interrupted or result.stopped:
            break
    if choice.json:
        print_json({"runs": [_document(result) for result in results]})
    if results[-1].interrupted:
        print("interrupted; what is finished is kept, the same command goes on from there", file=sys.stderr)
        return INTERRUPTED
    return 1 if any(result.failures for result in results) else 0


def _show(result: RunResult, *, first: bool) -> None:
    from gradlab.report.glyphs import glyphs_for
    from gradlab.report.terminal import report

    target = console()
    if not first:
        target.print()
    for line in report(result, glyphs_for(target.encoding), report_width(target)):
        if not target.is_terminal:
            line.rstrip()
        target.print(line, soft_wrap=True)


def _document(result: RunResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "directory": str(result.path),
        "cells": result.cells,
        "computed": result.computed,
        "reused": result.reused,
        "failed": len(result.failures),
        "missing": result.missing,
        "diverged": int((result.tables.cells["status"] == "diverged").sum()),
        "interrupted": result.interrupted,
        "seconds": result.seconds,
        "failures": [
            {"cell": cell_id(failure.cell), "bank": failure.bank, "error": failure.error} for failure in result.failures
        ],
        "summary": result.tables.summary.to_dict("records"),
        "tables": {name: str(path) for name, path in result.files.items()},
    }
