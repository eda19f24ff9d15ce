"""Runs of specs: the one place that joins plan, store and executor, and writes the tables."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gradlab.api import machine
from gradlab.api.options import RunOptions
from gradlab.api.plan import Plan, planned
from gradlab.cell import cell_id
from gradlab.execution import Executor, InlineExecutor, LocalExecutor, failures
from gradlab.execution.progress import Listener
from gradlab.execution.provenance import Provenance
from gradlab.execution.scheduling import Policy, Scheduler
from gradlab.report.formatting import count
from gradlab.results.theory_cache import Predictions
from gradlab.spec import Spec, dump
from gradlab.store import RunDirectory

if TYPE_CHECKING:
    from gradlab.analysis.expectations import Judgement
    from gradlab.results.tables import Tables
    from gradlab.results.theory import Predict
    from gradlab.store.records import Failure

__all__ = ["RunResult", "Runs", "execute", "run"]


@dataclass(frozen=True)
class RunResult:
    """What a run leaves: the tables of every cell of the spec that is done, and what is missing."""

    name: str
    path: Path
    tables: Tables
    files: dict[str, Path]
    """The tables on the disk, by name."""
    cells: int
    """Of the spec."""
    computed: int
    reused: int
    failures: tuple[Failure, ...]
    seconds: float
    interrupted: bool
    stopped: str = ""
    """Why it ended early, other than by an interrupt: the first failure (`fail_fast`), or nothing but failures."""
    workers: int = 1
    """How many banks were computed at a time."""
    expected: tuple[Judgement, ...] = ()
    """What came of the expectations of the spec, in their order."""

    @property
    def missing(self) -> int:
        """Cells that were not run."""
        return self.cells - self.computed - self.reused - len(self.failures)

    def document(self) -> dict[str, Any]:
        """Return the result as plain values for JSON."""
        from gradlab.report.model.expectations import document

        return {
            "name": self.name,
            "directory": str(self.path),
            "cells": self.cells,
            "computed": self.computed,
            "reused": self.reused,
            "failed": len(self.failures),
            "missing": self.missing,
            "diverged": int((self.tables.cells["status"] == "diverged").sum()),
            "interrupted": self.interrupted,
            "seconds": self.seconds,
            "failures": [
                {"cell": cell_id(failure.cell), "bank": failure.bank, "error": failure.error}
                for failure in self.failures
            ],
            "summary": self.tables.summary.to_dict("records"),
            "tables": {name: str(path) for name, path in self.files.items()},
            "expected": document(self.expected),
        }


class Runs:
    """The runs of some specs with one executor. As a context it holds the locks of all their directories meanwhile.

    Entering it takes the locks, before anything is read: two runs started at once must not both find it undone. It
    raises what `prepare`, the lock and the executor raise.
    """

    plans: tuple[Plan, ...]
    """What is to be done for each spec; there once the context has been entered."""

    def __init__(
        self, specs: Sequence[Spec], options: RunOptions, listener: Listener, *, command: Sequence[str] = ()
    ) -> None:
        """`command` is what ``run.json`` keeps of who asked for the runs."""
        self._specs, self._options, self._listener, self._command = specs, options, listener, command

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._executor = self._prepare(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _prepare(self, stack: ExitStack) -> Executor:
        directories = [RunDirectory(self._options.out / spec.name) for spec in self._specs]
        for directory in directories:
            stack.enter_context(directory.lock(lambda message: self._listener.say(f"warning: {message}")))
        executor: Executor | None = None
        if self._options.fresh or not all(directory.parts.is_dir() for directory in directories):
            # workers take seconds to load what they need: where there is sure to be work, while the plan is being made
            executor = stack.enter_context(closing(machine.executor(self._options)))
        self.plans = tuple(planned(spec, self._options, verify=True) for spec in self._specs)
        banks = sum(len(plan.banks) for plan in self.plans)
        if executor is None:
            executor = machine.executor(self._options) if banks else InlineExecutor("", "")
            stack.enter_context(closing(executor))
        if isinstance(executor, LocalExecutor):
            executor.expect(banks)
        return executor

    def run(self, plan: Plan) -> RunResult:
        """Carry out one of `plans`; after the last one the executor is closed. See `execute`."""
        for warning in plan.spec.warnings:
            self._listener.say(f"warning: {warning}")
        return execute(
            plan,
            self._executor,
            self._listener,
            command=self._command,
            device=self._options.device,
            fail_fast=self._options.fail_fast,
            retries=self._options.retries,
            predict=Predictions(plan.directory),
            close=plan is self.plans[-1],
        )

    def drain(self) -> int:
        """Begin no other bank, and return how many are in work. Safe in a signal handler."""
        return self._executor.drain()


def run(
    specs: Sequence[Spec], options: RunOptions, listener: Listener, *, command: Sequence[str] = ()
) -> tuple[RunResult, ...]:
    """Run what is not done yet of each spec, one after the other, and return a result for each that was begun.

    None is begun after one that was interrupted, or that stopped early. Pictures and event files are written where
    `options` ask for them. Raises SpecError, StoreError and UsageError as `Runs` does.
    """
    from gradlab.api import plot, tensorboard

    results: list[RunResult] = []
    if options.tensorboard:
        tensorboard.require()
    with Runs(specs, options, listener, command=command) as runs:
        for plan in runs.plans:
            result = runs.run(plan)
            results.append(result)
            if options.plots and not result.interrupted:
                plot.draw_result(result)
            if options.tensorboard:
                tensorboard.write_events(result.tables, result.path)
            if result.interrupted or result.stopped:
                break
    return tuple(results)


def execute(
    plan: Plan,
    executor: Executor,
    listener: Listener,
    *,
    command: Sequence[str],
    device: str,
    fail_fast: bool = False,
    retries: int | None = None,
    predict: Predict | None = None,
    close: bool = True,
) -> RunResult:
    """Compute what `plan` says with `executor`, publishing each bank as it comes, and write the tables.

    The tables are written after failures and after Ctrl-C too; the result says so. See `scheduling.Policy` for
    `fail_fast` and `retries`. Closes the executor if it is to `close` it or fails. Raises StoreError when the
    directory cannot be written to, and what the executor raises.
    """
    from gradlab.analysis.expectations import judge
    from gradlab.results.tables import tables

    begun = time.perf_counter()
    directory = plan.directory
    policy = Policy(fail_fast, retries)
    try:
        with directory.lock(listener.say):  # held by then, if it was taken before `prepare`
            directory.create()
            _report_state(plan, listener)
            directory.write_text("spec.yaml", dump(plan.spec))
            kept = bool(plan.banks)
            provenance = Provenance(directory, plan.spec.name, command, device, cells=len(plan.cells), kept=kept)
            work = Scheduler(directory, provenance, executor, listener, policy)
            if plan.banks:
                work.run(plan.banks)
                _remember(plan, work)
            workers = executor.workers
            if close:
                executor.close()
            failed = [*plan.failed, *work.failures]
            made = tables(directory.load(plan.ids), failed, order=plan.ids, predict=predict)
            files = directory.write_tables(made.frames)
            if isinstance(predict, Predictions):
                predict.save()
            provenance.end(
                computed=work.computed, reused=len(plan.done), failed=len(failed), interrupted=work.interrupted
            )
            result = RunResult(
                name=plan.spec.name,
                path=directory.path,
                tables=made,
                files=files,
                cells=len(plan.cells),
                reused=len(plan.done),
                computed=work.computed,
                failures=tuple(failed),
                seconds=time.perf_counter() - begun,
                interrupted=work.interrupted,
                stopped=work.stopped,
                workers=workers,
                expected=judge(plan.spec.expect, plan.cells, plan.ids, made),
            )
            if not result.failures and not result.missing:
                directory.drop_checkpoints()
    except BaseException:
        executor.close()
        raise
    return result


def _remember(plan: Plan, work: Scheduler) -> None:
    """Note the failures that would come again. One that ended the run is to be mended: it is run again."""
    failures.remember(plan.directory, [*plan.failed, *([] if work.stopped else work.repeatable)])


def _report_state(plan: Plan, listener: Listener) -> None:
    """Say and log in what state the directory was found."""
    directory = plan.directory
    messages = list(directory.mend())
    if plan.fresh and (old := directory.start_over()) is not None:
        messages.append(f"starting over: what was done before lies in {old}")
    for part, reason in plan.damaged:
        aside = directory.set_aside(part)
        messages.append(f"{part} is damaged ({reason}): kept as {aside}, its cells run again")
    if plan.done:
        messages.append(f"{len(plan.done):,} of {count(len(plan.cells), 'cell')} were already there")
    if plan.failed:
        errors = {failure.error for failure in plan.failed}
        what = errors.pop() if len(errors) == 1 else f"{len(errors)} kinds of errors"
        failed = count(len(plan.failed), "cell")
        messages.append(f"{failed} failed before and stay so ({what}); --rerun-failed runs them again")
    if plan.aside:
        were = "is" if plan.aside == 1 else "are"
        aside_cells = count(plan.aside, "stored cell")
        messages.append(f"{aside_cells} {were} not part of this spec any more and stay aside")
    for message in messages:
        listener.say(message)
        directory.log(message)
