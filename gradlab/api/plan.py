"""What a run would do: which cells of a spec are done, which banks are left, and what they take."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gradlab import grid
from gradlab.api import machine
from gradlab.api.options import PlanOptions
from gradlab.cell import SETTINGS, Cell, cell_id, settings_of
from gradlab.components import TASKS, Named
from gradlab.datafiles import Checked, check, require_image
from gradlab.errors import DataError, OptionError
from gradlab.execution import failures
from gradlab.execution.devices import limits_of
from gradlab.families import FAMILIES
from gradlab.planning.banks import Bank, Estimate, Limits, bank_of, estimate, pack
from gradlab.report.formatting import count, duration, size
from gradlab.spec import Spec
from gradlab.store import RunDirectory

if TYPE_CHECKING:
    from gradlab.store.records import Failure

__all__ = ["Plan", "plan", "prepare"]


@dataclass(frozen=True, repr=False)
class Plan:
    """What a run of `spec` in its directory would do. Making it changes nothing on the disk."""

    spec: Spec
    directory: RunDirectory
    cells: tuple[Cell, ...]
    ids: tuple[str, ...]
    """Of `cells`."""
    banks: tuple[Bank, ...]
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
    data: tuple[Checked, ...] = ()
    """What there is to say of the data files of the cells that would be computed."""
    devices: tuple[str, ...] = ()
    """Where the banks would be computed, as far as is known without loading torch; empty where nobody asked."""

    @property
    def new(self) -> int:
        """Cells that would be computed."""
        return len(self.cells) - len(self.done) - len(self.failed)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of the spec and of its data files."""
        warnings = (warning for checked in self.data for warning in checked.warnings)
        return tuple(dict.fromkeys((*self.spec.warnings, *warnings)))

    @property
    def reads(self) -> tuple[str, ...]:
        """How the data files were read, a line for each way."""
        return tuple(dict.fromkeys(checked.read for checked in self.data))

    @property
    def on_gpu(self) -> bool:
        """Whether the banks would be computed on GPUs."""
        return any(device.startswith(("cuda", "GPU")) for device in self.devices)

    @property
    def estimate(self) -> Estimate:
        """Time and disk of all banks one after the other on one thread of a CPU, memory of the largest."""
        estimates = [estimate(bank) for bank in self.banks]
        return Estimate(
            seconds=sum(cost.seconds for cost in estimates),
            memory_bytes=max((cost.memory_bytes for cost in estimates), default=0),
            disk_bytes=sum(cost.disk_bytes for cost in estimates),
        )

    def __repr__(self) -> str:
        return f"<Plan {self.spec.name}: {len(self.cells):,} cells, {self.new:,} new, {len(self.banks):,} banks>"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, *, banks: bool = False) -> list[str]:
        """Return the plan as lines of text, with one for each of its `banks` if they are asked for."""
        total = self.estimate
        lines = [self.spec.name, f"  cells   {len(self.cells):,}: {self.new:,} new, {len(self.done):,} done"]
        dropped = [
            (len(self.failed), "failed before and left alone (run with --rerun-failed)"),
            (self.duplicates, "the same as another"),
            (self.excluded, "excluded"),
            (self.aside, "stored, not in this spec"),
        ]
        lines += [f"          {number:,} {reason}" for number, reason in dropped if number]
        lines += [f"          {part} is damaged ({reason}): its cells run again" for part, reason in self.damaged]
        if not self.banks:
            return [*lines, f"  nothing to do: {self.directory.path} has it all"]
        sizes = sorted({len(bank.cells) for bank in self.banks})
        replicas = f"R = {sizes[0]}" if len(sizes) == 1 else f"R = {sizes[0]} to {sizes[-1]}"
        lines += [f"  data    {source}" for source in self.reads]
        lines += [
            f"  banks   {len(self.banks):,}, {replicas}",
            f"  device  {', '.join(self.devices)}",
            f"  time    about {duration(total.seconds)} in one process" + (" of a CPU" if self.on_gpu else ""),
            f"  memory  {size(total.memory_bytes)} for the largest bank",
            f"  disk    {size(total.disk_bytes)} in {self.directory.path}",
        ]
        return lines + (self._bank_lines() if banks else [])

    def _bank_lines(self) -> list[str]:
        rows = [settings_of(cell) for cell in self.cells]
        varying = [key for key in rows[0] if len({row[key] for row in rows}) > 1]
        lines = []
        for bank in self.banks:
            rows = [settings_of(cell) for cell in bank.cells]
            values_of = {key: list(dict.fromkeys(str(row[key]) for row in rows)) for key in varying}
            varied = ", ".join(f"{key} {' '.join(values)}" for key, values in values_of.items())
            cost = estimate(bank)
            costs = f"{duration(cost.seconds)}, {size(cost.memory_bytes)}"
            lines.append(f"    {bank.id}  {count(len(bank.cells), 'cell')}, {costs}: {varied}")
        return lines

    def document(self) -> dict[str, Any]:
        """Return the plan as plain values for JSON."""
        return {
            "name": self.spec.name, "directory": str(self.directory.path), "devices": list(self.devices),
            "cells": len(self.cells), "new": self.new, "done": len(self.done), "failed": len(self.failed),
            "aside": self.aside, "damaged": [{"part": part, "reason": reason} for part, reason in self.damaged],
            "duplicates": self.duplicates, "excluded": self.excluded,
            "estimate": dataclasses.asdict(self.estimate),
            "banks": [{"bank": bank.id, "cells": len(bank.cells), "seconds": estimate(bank).seconds}
                      for bank in self.banks],
            "data": list(self.reads),
            "warnings": list(self.warnings),
        }  # fmt: skip


def plan(specs: Sequence[Spec], options: PlanOptions) -> tuple[Plan, ...]:
    """Return what a run of each spec would do on the devices that `options` name.

    Raises UsageError for a device this machine does not have, and what `prepare` raises.
    """
    devices = machine.devices(options)
    return tuple(dataclasses.replace(prepare(spec, options, verify=False), devices=devices) for spec in specs)


def prepare(spec: Spec, options: PlanOptions, *, verify: bool = True) -> Plan:
    """Find out what a run of `spec` has to do; `verify` checks every byte of what is stored.

    The cells are packed as if nothing were done, and of each bank those that are done are left out: so the banks of
    a run that was killed are those of one that was not. They are as large as the device that `options` name wants them.
    Raises SpecError for a grid over the limit, OptionError for seeds beyond the largest, StoreError for a directory
    that cannot be used, DataError for a data file of a cell to be computed that cannot.
    """
    expansion = grid.expand(spec, limit=options.limit)
    cells = expansion.cells
    if offset := options.seed_offset:
        most = SETTINGS["seed"].param.high
        if max(cell.seed for cell in cells) + offset > most:
            raise OptionError("seed_offset", offset, f"a seed can be at most {most:,}")
        cells = tuple(dataclasses.replace(cell, seed=cell.seed + offset) for cell in cells)
    directory = RunDirectory(options.out / spec.name)
    exists = directory.exists() and not options.fresh
    stored, damaged = directory.done(verify=verify) if exists else ({}, ())
    ids = tuple(cell_id(cell) for cell in cells)
    done = frozenset(ids) & stored.keys()
    pending = {name: cell for name, cell in zip(ids, cells, strict=True) if name not in done}
    data = _checked(pending.values())
    _try(pending.values())
    failed = failures.remembered(directory, pending, options.device) if exists and not options.rerun_failed else ()
    for failure in failed:
        del pending[cell_id(failure.cell)]
    banks = tuple(_banks(cells, set(pending.values()), limits_of(options.device))) if pending else ()
    return Plan(
        spec=spec, directory=directory, cells=cells, ids=ids, banks=banks, done=done, aside=len(stored) - len(done),
        damaged=damaged, failed=failed, duplicates=expansion.duplicates, excluded=expansion.excluded,
        fresh=options.fresh, data=data,
    )  # fmt: skip


def _checked(cells: Iterable[Cell]) -> tuple[Checked, ...]:
    """Read the data files of cells. Raises DataError for one that cannot be used."""
    tasks: dict[tuple[Named, int | None], dict[Named, None]] = {}
    for cell in cells:
        tasks.setdefault((cell.task, cell.seq_len), {})[cell.model] = None
    results = []
    for (task, seq_len), models in tasks.items():
        if (result := check(task, seq_len)) is None:
            continue
        for model in models:
            family = FAMILIES[model.name]
            if {"images", "features"}.intersection(family.inputs) == {"images"}:
                require_image(task, result, model.name)
            if (refused := family.refuses_shape(model, TASKS[task.name], result.sample or ())) is not None:
                raise DataError(f"{result.read.partition(':')[0]}: {refused[0]}", refused[1])
        results.append(result)
    return tuple(dict.fromkeys(results))


def _try(cells: Iterable[Cell]) -> None:
    """Try the cells of families that ask for it. Raises what is wrong with them."""
    by_check: dict[str, list[Cell]] = {}
    for cell in cells:
        if trial := FAMILIES[cell.model.name].check:
            by_check.setdefault(trial, []).append(cell)
    for trial, tried in by_check.items():
        module, _, attribute = trial.partition(":")
        getattr(importlib.import_module(module), attribute)(tried)


def _banks(cells: tuple[Cell, ...], pending: set[Cell], limits: Limits) -> Iterator[Bank]:
    """Yield the banks of all cells without those that are not left."""
    for bank in pack(cells, limits):
        unfinished = tuple(cell for cell in bank.cells if cell in pending)
        if unfinished:
            yield bank if len(unfinished) == len(bank.cells) else bank_of(unfinished)
