"""The one place that joins plan, store and executor: find what is done, compute the rest, write the tables."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab import grid
from gradlab.cell import Cell, cell_id
from gradlab.execution import failures
from gradlab.execution.base import Executor
from gradlab.execution.progress import Listener
from gradlab.execution.provenance import Session
from gradlab.execution.scheduling import Policy, Scheduler
from gradlab.planning import banks as plan
from gradlab.results.predictions import Predictions
from gradlab.spec import Spec, dump
from gradlab.store import RunDirectory

if TYPE_CHECKING:
    from gradlab.results.predicted import Predict
    from gradlab.results.tables import Tables
    from gradlab.store.records import Failure

__all__ = ["Prepared", "RunResult", "execute", "prepare"]

TABLES = ("cells", "layers", "steps", "summary")


@dataclass(frozen=True)
class Prepared:
    """What a run of `spec` in its directory would do. Making it changes nothing on the disk."""

    spec: Spec
    directory: RunDirectory
    cells: tuple[Cell, ...]
    ids: tuple[str, ...]
    """Of `cells`."""
    banks: tuple[plan.Bank, ...]
    """What is still to be computed."""
    done: frozenset[str]
    """Ids of the cells of this spec that are stored already."""
    aside: int
    """Stored cells that are not part of this spec."""
    damaged: tuple[tuple[str, str], ...]
    """Damaged parts: file name, reason."""
    failed: tuple[Failure, ...]
    """Cells of this spec that have failed before and would again: they are left alone."""
    duplicates: int
    excluded: int
    fresh: bool

    @property
    def estimate(self) -> plan.Estimate:
        """Time and disk of all banks one after the other, memory of the largest."""
        each = [plan.estimate(bank) for bank in self.banks]
        return plan.Estimate(
            seconds=sum(one.seconds for one in each),
            memory_bytes=max((one.memory_bytes for one in each), default=0),
            disk_bytes=sum(one.disk_bytes for one in each),
        )


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

    @property
    def missing(self) -> int:
        """Cells that were not run."""
        return self.cells - self.computed - self.reused - len(self.failures)


def prepare(
    spec: Spec,
    out: Path,
    *,
    limit: int,
    seed_offset: int = 0,
    fresh: bool = False,
    rerun_failed: bool = False,
    verify: bool = True,
    limits: plan.Limits = plan.CPU,
) -> Prepared:
    """Find out what a run of `spec` under `out` has to do.

    The cells are packed as if nothing were done, and of each bank those that are done are left out: so the banks of
    a run that was killed are those of one that was not. `verify` checks every byte of what is stored; `limits` are
    those of the kind of device the banks are for.
    Raises SpecError for a grid over `limit` cells, StoreError for a directory that cannot be used.
    """
    expansion = grid.expand(spec, limit=limit)
    cells = expansion.cells
    if seed_offset:
        cells = tuple(dataclasses.replace(cell, seed=cell.seed + seed_offset) for cell in cells)
    directory = RunDirectory(out / spec.name)
    stored: dict[str, str] = {}
    damaged: tuple[tuple[str, str], ...] = ()
    there = directory.exists() and not fresh
    if there:
        stored, damaged = directory.done(verify=verify)
    ids = tuple(cell_id(cell) for cell in cells)
    done = frozenset(ids) & stored.keys()
    left = {name: cell for name, cell in zip(ids, cells, strict=True) if name not in done}
    failed = failures.remembered(directory, left) if there and not rerun_failed else ()
    for one in failed:
        del left[cell_id(one.cell)]
    return Prepared(
        spec=spec,
        directory=directory,
        cells=cells,
        ids=ids,
        banks=tuple(_left(cells, frozenset(left.values()), limits)) if left else (),
        done=done,
        aside=len(stored) - len(done),
        damaged=damaged,
        failed=failed,
        duplicates=expansion.duplicates,
        excluded=expansion.excluded,
        fresh=fresh,
    )


def _left(cells: tuple[Cell, ...], left: frozenset[Cell], limits: plan.Limits) -> Iterable[plan.Bank]:
    for bank in plan.pack(cells, limits):
        missing = tuple(cell for cell in bank.cells if cell in left)
        if len(missing) == len(bank.cells):
            yield bank
        elif missing:
            yield plan.bank_of(missing)


def execute(
    prepared: Prepared,
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
    """Compute what `prepared` says with `executor`, publishing each bank as it comes, and write the tables.

    The tables are written after failures and after Ctrl-C too; the result says so. See `scheduling.Policy` for
    `fail_fast` and `retries`. Closes the executor if it is to `close` it or fails. Raises StoreError when the
    directory cannot be written to, and what the executor raises.
    """
    from gradlab.results.tables import tables

    begun = time.perf_counter()
    directory = prepared.directory
    policy = Policy(fail_fast, retries)
    try:
        with directory.lock(listener.say):  # held by then, if it was taken before `prepare`
            directory.create()
            _say_what_is_there(prepared, listener)
            directory.write_text("spec.yaml", dump(prepared.spec))
            kept = bool(prepared.banks)
            session = Session(directory, prepared.spec.name, command, device, cells=len(prepared.cells), kept=kept)
            work = Scheduler(directory, session, executor, listener, policy)
            if prepared.banks:
                work.run(prepared.banks)
                _remember(prepared, work)
            workers = executor.workers
            if close:
                executor.close()
            failed = [*prepared.failed, *work.failures]
            found = tables(directory.load(prepared.ids), failed, order=prepared.ids, predict=predict)
            paths = directory.write_tables({f"{name}.csv": getattr(found, name) for name in TABLES})
            files = dict(zip(TABLES, paths.values(), strict=True))
            if isinstance(predict, Predictions):
                predict.save()
            session.end(
                computed=work.computed, reused=len(prepared.done), failed=len(failed), interrupted=work.interrupted
            )
            result = RunResult(
                name=prepared.spec.name,
                path=directory.path,
                tables=found,
                files=files,
                cells=len(prepared.cells),
                reused=len(prepared.done),
                computed=work.computed,
                failures=tuple(failed),
                seconds=time.perf_counter() - begun,
                interrupted=work.interrupted,
                stopped=work.stopped,
                workers=workers,
            )
            if not result.failures and not result.missing:
                directory.drop_checkpoints()
    except BaseException:
        executor.close()
        raise
    return result


def _remember(prepared: Prepared, work: Scheduler) -> None:
    """Note the failures that would come again. One that ended the run is to be mended: it is run again."""
    new = [] if work.stopped else [one for one in work.failures if one.error in work.lasting]
    failures.remember(prepared.directory, [*prepared.failed, *new])


def _say_what_is_there(prepared: Prepared, listener: Listener) -> None:
    directory = prepared.directory
    messages = list(directory.mend())
    if prepared.fresh and (old := directory.start_over()) is not None:
        messages.append(f"starting over: what was done before lies in {old}")
    for part, reason in prepared.damaged:
        aside = directory.set_aside(part)
        messages.append(f"{part} is damaged ({reason}): kept as {aside}, its cells run again")
    if prepared.done:
        messages.append(f"{len(prepared.done):,} of {_count(len(prepared.cells), 'cell')} were already there")
    if prepared.failed:
        errors = {failure.error for failure in prepared.failed}
        what = errors.pop() if len(errors) == 1 else f"{len(errors)} kinds of errors"
        failed = _count(len(prepared.failed), "cell")
        messages.append(f"{failed} failed before and stay so ({what}); --rerun-failed runs them again")
    if prepared.aside:
        were = "is" if prepared.aside == 1 else "are"
        aside_cells = _count(prepared.aside, "stored cell")
        messages.append(f"{aside_cells} {were} not part of this spec any more and stay aside")
    for message in messages:
        listener.say(message)
        directory.log(message)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
