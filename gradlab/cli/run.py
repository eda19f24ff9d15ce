"""`gradlab run`: compute what is not done, write the tables, print the report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from gradlab.api.run import Prepared, RunResult, execute
from gradlab.cell import cell_id
from gradlab.cli.common import Choice, console, prepared, print_json, report_width
from gradlab.cli.expected import DID_NOT_HOLD, complain, expected, judged, show
from gradlab.cli.flags import Machine
from gradlab.cli.plot import draw_result
from gradlab.cli.progress import Progressing
from gradlab.cli.signals import Signals
from gradlab.execution import Executor, InlineExecutor, LocalExecutor
from gradlab.results.predictions import Predictions
from gradlab.store import RunDirectory

if TYPE_CHECKING:
    from gradlab.query import Judgement
    from gradlab.spec import Spec

__all__ = ["WORK", "run"]

WORK = "gradlab.execution.worker:train"
"""What a worker does with a bank; ``GRADLAB_WORK`` names another, for tests and for a user's own training."""


def run(specs: Sequence[Spec], choice: Choice, machine: Machine) -> int:
    """Run every spec, one after the other; return the exit code. Holds the locks of all their directories meanwhile."""
    if machine.tensorboard:
        from gradlab.report.events import require

        require()
    with ExitStack() as stack:  # before anything is read: two runs started at once must not both find it undone
        directories = [RunDirectory(choice.out / spec.name) for spec in specs]
        for directory in directories:
            stack.enter_context(directory.lock(_warn))
        new = choice.fresh or not all(directory.parts.is_dir() for directory in directories)
        # workers take seconds to load what they need: where there is sure to be work, while the plan is being made
        executor = stack.enter_context(closing(_executor(machine))) if new else None
        plans = [prepared(choice, spec, verify=True, device=machine.device) for spec in specs]
        banks = sum(len(one.banks) for one in plans)
        if executor is None:
            executor = stack.enter_context(closing(_executor(machine))) if banks else InlineExecutor("", "")
        if isinstance(executor, LocalExecutor):
            executor.expect(banks)
        return _run(plans, executor, choice, machine)


def _executor(machine: Machine) -> Executor:
    work = os.environ.get("GRADLAB_WORK", WORK)
    if machine.executor == "inline":
        return InlineExecutor(work, machine.device)
    if machine.executor == "ray":
        from gradlab.execution.ray import RayExecutor

        return RayExecutor(
            work, machine.device, machine.address, workers=machine.workers, timeout_s=machine.bank_timeout
        )
    return LocalExecutor(work, machine.device, workers=machine.workers, timeout_s=machine.bank_timeout)


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr)


def _run(plans: Sequence[Prepared], executor: Executor, choice: Choice, machine: Machine) -> int:
    results: list[RunResult] = []
    judgements: list[tuple[Judgement, ...]] = []
    for one in plans:
        with (
            Progressing(console(stderr=True), quiet=machine.quiet, verbose=choice.verbose) as listener,
            Signals(executor, listener) as signals,
        ):
            for warning in one.spec.warnings:
                listener.say(f"warning: {warning}")
            result = execute(
                one,
                executor,
                listener,
                command=["gradlab", *sys.argv[1:]],
                device=machine.device,
                fail_fast=machine.fail_fast,
                retries=machine.retries,
                predict=Predictions(one.directory),
                close=one is plans[-1],
            )
        results.append(result)
        judgements.append(judged(one, result))
        if not choice.json and not machine.quiet:
            _show(result, first=len(results) == 1)
            show(judgements[-1])
        if machine.plots and not result.interrupted:
            drawn = draw_result(result)
            if drawn is not None and not choice.json and not machine.quiet:
                print(f"Plots: {drawn}")
        if machine.tensorboard:
            from gradlab.cli.tensorboard import write_events

            board = write_events(result.tables, result.path)
            if board and not choice.json and not machine.quiet:
                print(f"TensorBoard: tensorboard --logdir {result.path.parent}")
        if result.interrupted or result.stopped:
            break
    if choice.json:
        documents = [_document(result) | expected(those) for result, those in zip(results, judgements, strict=True)]
        print_json({"runs": documents})
    if results[-1].stopped and not machine.fail_fast and not machine.quiet:
        _explain(results[-1])
    if results[-1].interrupted:
        print("interrupted; what is finished is kept, the same command goes on from there", file=sys.stderr)
        return signals.exit_code
    if machine.check and complain([one for those in judgements for one in those]):
        return DID_NOT_HOLD
    return 1 if any(result.failures for result in results) else 0


def _explain(result: RunResult) -> None:
    print(
        f"gradlab: {result.stopped}\n"
        f"  what happened is in {result.path / 'run.log'}; mend it, then run the same command again",
        file=sys.stderr,
    )


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
