"""The one place that joins plan, store and executor: find what is done, compute the rest, write the tables."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab import grid, plan
from gradlab.cell import Cell, cell_id
from gradlab.executor.base import Executor
from gradlab.progress import Clock, Listener
from gradlab.session import Session
from gradlab.spec import Spec, dump
from gradlab.store import RunDirectory

if TYPE_CHECKING:
    from gradlab.measured import Failure
    from gradlab.survival import Predict, Tables

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
    stopped: bool = field(default=False)
    """Whether the first failure ended it (`fail_fast`)."""

    @property
    def missing(self) -> int:
        """Cells that were not run."""
        return self.cells - self.computed - self.reused - len(self.failures)


def prepare(
    spec: Spec, out: Path, *, limit: int, seed_offset: int = 0, fresh: bool = False, verify: bool = True
) -> Prepared:
    """Find out what a run of `spec` under `out` has to do.

    Cells of banks none of which is done keep their banks, so that a resumed run computes what the first would have;
    the rest, left over when a spec has changed, is packed anew. `verify` checks every byte of what is stored.
    Raises SpecError for a grid over `limit` cells, StoreError for a directory that cannot be used.
    """
    expansion = grid.expand(spec, limit=limit)
    cells = expansion.cells
    if seed_offset:
        cells = tuple(dataclasses.replace(cell, seed=cell.seed + seed_offset) for cell in cells)
    directory = RunDirectory(out / spec.name)
    stored: dict[str, str] = {}
    damaged: tuple[tuple[str, str], ...] = ()
    if directory.exists() and not fresh:
        stored, damaged = directory.done(verify=verify)
    id_of = {cell: cell_id(cell) for cell in cells}
    done = frozenset(id_of.values()) & stored.keys()
    return Prepared(
        spec=spec,
        directory=directory,
        cells=cells,
        ids=tuple(id_of[cell] for cell in cells),
        banks=tuple(_left(cells, frozenset(cell for cell in cells if id_of[cell] in done))),
        done=done,
        aside=len(stored) - len(done),
        damaged=damaged,
        duplicates=expansion.duplicates,
        excluded=expansion.excluded,
        fresh=fresh,
    )


def _left(cells: tuple[Cell, ...], done: frozenset[Cell]) -> Iterable[plan.Bank]:
    left_over: list[Cell] = []
    for bank in plan.pack(cells):
        missing = [cell for cell in bank.cells if cell not in done]
        if len(missing) == len(bank.cells):
            yield bank
        else:
            left_over += missing
    if left_over:
        yield from plan.pack(tuple(left_over))


def execute(
    prepared: Prepared,
    executor: Executor,
    listener: Listener,
    *,
    command: Sequence[str],
    device: str,
    fail_fast: bool = False,
    predict: Predict | None = None,
) -> RunResult:
    """Compute what `prepared` says with `executor`, publishing each bank as it comes, and write the tables.

    The tables are written after failures and after Ctrl-C too; the result says so. Closes the executor. Raises
    StoreError when the directory cannot be written to.
    """
    from gradlab.survival import tables

    begun = time.perf_counter()
    directory = prepared.directory
    directory.create()
    _say_what_is_there(prepared, listener)
    directory.write_text("spec.yaml", dump(prepared.spec))
    session = Session(
        directory, prepared.spec.name, command, device, cells=len(prepared.cells), kept=bool(prepared.banks)
    )
    try:
        failures, computed, interrupted = _compute(prepared, executor, listener, session, fail_fast)
    finally:
        executor.close()
    found = tables(directory.load(prepared.ids), failures, order=prepared.ids, predict=predict)
    files = {name: directory.write_csv(f"{name}.csv", getattr(found, name)) for name in TABLES}
    session.end(computed=computed, reused=len(prepared.done), failed=len(failures), interrupted=interrupted)
    return RunResult(
        name=prepared.spec.name,
        path=directory.path,
        tables=found,
        files=files,
        cells=len(prepared.cells),
        reused=len(prepared.done),
        computed=computed,
        failures=tuple(failures),
        seconds=time.perf_counter() - begun,
        interrupted=interrupted,
        stopped=fail_fast and bool(failures),
    )


def _say_what_is_there(prepared: Prepared, listener: Listener) -> None:
    directory = prepared.directory
    messages = []
    if prepared.fresh and (old := directory.start_over()) is not None:
        messages.append(f"starting over: what was done before lies in {old}")
    for part, reason in prepared.damaged:
        aside = directory.set_aside(part)
        messages.append(f"{part} is damaged ({reason}): kept as {aside}, its cells run again")
    if prepared.done:
        messages.append(f"{len(prepared.done):,} of {_count(len(prepared.cells), 'cell')} were already there")
    if prepared.aside:
        were = "is" if prepared.aside == 1 else "are"
        aside_cells = _count(prepared.aside, "stored cell")
        messages.append(f"{aside_cells} {were} not part of this spec any more and stay aside")
    for message in messages:
        listener.say(message)
        directory.log(message)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _compute(
    prepared: Prepared, executor: Executor, listener: Listener, session: Session, fail_fast: bool
) -> tuple[list[Failure], int, bool]:
    from gradlab.measured import Failure

    failures: list[Failure] = []
    computed = 0
    if not prepared.banks:
        return failures, computed, False
    clock = Clock(prepared.banks)
    try:
        for bank in prepared.banks:
            executor.submit(bank)
        listener.advance(clock.progress(), None)
        for outcome in executor.outcomes():
            if outcome.worked is None:
                failures += [Failure(cell, outcome.error, outcome.bank.id) for cell in outcome.bank.cells]
                prepared.directory.log(f"bank {outcome.bank.id} failed in {outcome.worker}\n{outcome.traceback}")
            else:
                session.publish(outcome)
                computed += len(outcome.bank.cells)
            clock.passed(outcome.bank)
            listener.advance(clock.progress(), outcome)
            if failures and fail_fast:
                break
    except KeyboardInterrupt:
        prepared.directory.log("interrupted")
        return failures, computed, True
    return failures, computed, False
