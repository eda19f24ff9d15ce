"""Runs of specs: the one place that joins plan, store and executor, and writes the tables."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from gradlab.api import exports, machine
from gradlab.api.options import PlotOptions, RunOptions
from gradlab.api.plan import Plan, prepare
from gradlab.cell import cell_id
from gradlab.errors import GradlabError, UsageError
from gradlab.execution import failures
from gradlab.execution.base import Executor
from gradlab.execution.inline import InlineExecutor
from gradlab.execution.processes.pool import LocalExecutor
from gradlab.execution.progress import Listener
from gradlab.execution.provenance import Provenance
from gradlab.execution.scheduling import Policy, Scheduler
from gradlab.report import plots
from gradlab.report.formatting import count
from gradlab.results.theory_cache import Predictions
from gradlab.spec import Spec, dump
from gradlab.store import RunDirectory

if TYPE_CHECKING:
    from gradlab.analysis.expectations import Judgement
    from gradlab.results.tables import Tables
    from gradlab.results.theory import Predict
    from gradlab.store.records import Failure

__all__ = ["RunResult", "Runs", "execute"]


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
            "name": self.name, "directory": str(self.path), "cells": self.cells, "computed": self.computed,
            "reused": self.reused, "failed": len(self.failures), "missing": self.missing,
            "diverged": int((self.tables.cells["status"] == "diverged").sum()),
            "interrupted": self.interrupted, "seconds": self.seconds,
            "failures": [{"cell": cell_id(failure.cell), "bank": failure.bank, "error": failure.error}
                         for failure in self.failures],
            "summary": self.tables.summary.to_dict("records"),
            "tables": {name: str(path) for name, path in self.files.items()},
            "expected": document(self.expected),
        }  # fmt: skip


@dataclass(frozen=True)
class Runs:
    """The runs of some specs with one executor, see `begin`."""

    plans: tuple[Plan, ...]
    """What is to be done for each spec."""
    executor: Executor
    options: RunOptions
    listener: Listener
    command: Sequence[str]
    """What ``run.json`` keeps of who asked for the runs."""

    @classmethod
    @contextmanager
    def begin(
        cls, specs: Sequence[Spec], options: RunOptions, listener: Listener, *, command: Sequence[str] = ()
    ) -> Iterator[Self]:
        """As a context: hold the locks of all run directories, and close the executor at the end.

        The locks are taken before anything is read: two runs started at once must not both find it undone. Raises what
        `prepare`, the lock and the executor raise, and UsageError without the TensorBoard that is wanted.
        """
        if options.tensorboard:
            exports.require_tensorboard()
        with ExitStack() as stack:
            directories = [RunDirectory(options.out / spec.name) for spec in specs]
            for directory in directories:
                stack.enter_context(directory.lock(lambda message: listener.say(f"warning: {message}")))
            executor: Executor | None = None
            if options.fresh or not all(directory.parts.is_dir() for directory in directories):
                # workers take seconds to load what they need: where there is sure to be work, while plans are made
                executor = stack.enter_context(closing(machine.executor(options)))
            plans = tuple(prepare(spec, options) for spec in specs)
            banks = sum(len(plan.banks) for plan in plans)
            if executor is None:
                executor = machine.executor(options) if banks else InlineExecutor("", "")
                stack.enter_context(closing(executor))
            if isinstance(executor, LocalExecutor):
                executor.expect(banks)
            yield cls(plans, executor, options, listener, command)

    def run(self, plan: Plan) -> RunResult:
        """Carry out one of `plans`; after the last one the executor is closed. See `execute`."""
        for warning in plan.warnings:
            self.listener.say(f"warning: {warning}")
        if plan.banks and self.options.plots:
            with suppress(UsageError):  # `export` says it
                plots.load()  # now, while the workers load what they need, and not when everything else is done
        return execute(
            plan, self.executor, self.listener, command=self.command, device=self.options.device,
            fail_fast=self.options.fail_fast, retries=self.options.retries, predict=Predictions(plan.directory),
            close=plan is self.plans[-1],
        )  # fmt: skip

    def export(self, result: RunResult) -> list[str]:
        """Draw the pictures of a run and write its event files, as far as they are wanted; return a line on each."""
        lines = []
        try:
            if (
                self.options.plots
                and not result.interrupted
                and exports.draw(result.tables, result.path, PlotOptions())
            ):
                lines.append(f"Plots: {result.path / 'plots'}")
        except UsageError as error:  # nothing else depends on the pictures
            self.listener.say(f"warning: no pictures: {error.message}")
        if self.options.tensorboard and exports.write_events(result.tables, result.path):
            lines.append(f"TensorBoard: tensorboard --logdir {result.path.parent}")
        return lines

    def drain(self) -> int:
        """Begin no other bank, and return how many are in work. Safe in a signal handler."""
        return self.executor.drain()


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
    directory, cells = plan.directory, len(plan.cells)
    try:
        with directory.lock(listener.say), _left_as_it_was(directory):  # held by then, if taken before `prepare`
            directory.create()
            _report_state(plan, listener)
            directory.write_text("spec.yaml", dump(plan.spec))
            provenance = Provenance(directory, plan.spec.name, command, device, cells=cells, kept=bool(plan.banks))
            work = Scheduler(directory, provenance, executor, listener, Policy(fail_fast, retries))
            if plan.banks:
                work.run(plan.banks)
                # those that would come again; one that ended the run is to be mended: it is run again
                failures.remember(directory, [*plan.failed, *([] if work.stopped else work.repeatable)], device)
            workers = executor.workers
            if close:
                executor.close()
            failed = (*plan.failed, *work.failures)
            result_tables = tables(directory.load(plan.ids), failed, order=plan.ids, predict=predict)
            files = directory.write_tables(result_tables.frames)
            if isinstance(predict, Predictions):
                predict.save()
            counts = {"computed": work.computed, "reused": len(plan.done)}
            provenance.end(**counts, failed=len(failed), interrupted=work.interrupted)
            result = RunResult(
                name=plan.spec.name, path=directory.path, tables=result_tables, files=files, cells=cells, **counts,
                failures=failed, seconds=time.perf_counter() - begun, interrupted=work.interrupted,
                stopped=work.stopped, workers=workers,
                expected=judge(plan.spec.expect, plan.cells, plan.ids, result_tables),
            )  # fmt: skip
            if not result.failures and not result.missing:
                directory.drop_checkpoints()
    except BaseException:
        executor.close()
        raise
    return result


@contextmanager
def _left_as_it_was(directory: RunDirectory) -> Iterator[None]:
    """As a context: a run that is refused (no such device, work that cannot be loaded) leaves no new directory."""
    new = not directory.exists()
    try:
        yield
    except GradlabError:
        if new:
            directory.discard()
        raise


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
        reason = errors.pop() if len(errors) == 1 else f"{len(errors)} kinds of errors"
        failed = count(len(plan.failed), "cell")
        messages.append(f"{failed} failed before and stay so ({reason}); --rerun-failed runs them again")
    messages += [f"data: {source}" for source in plan.reads]
    if plan.aside:
        are = "is" if plan.aside == 1 else "are"
        messages.append(f"{count(plan.aside, 'stored cell')} {are} not part of this spec any more and stay aside")
    for message in messages:
        listener.say(message)
        directory.log(message)
