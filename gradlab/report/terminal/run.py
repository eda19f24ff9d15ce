"""The report of a run for a terminal or a pipe, as lines of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rich.text import Text

from gradlab.analysis.compare.design import setting_text
from gradlab.cell import SETTINGS
from gradlab.errors import UsageError
from gradlab.families.axes import length_settings
from gradlab.report.formatting import count, duration, joined
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.causes import causes
from gradlab.report.model.marks import sign_names
from gradlab.report.model.profiles import ProfileIndex, longest_cells, longest_profiles
from gradlab.report.model.rows import RowGroup, by_axis, rows_of, shown_lengths
from gradlab.report.model.stacked import LayerSurvival, stacked_survival
from gradlab.report.terminal.best import best_lines
from gradlab.report.terminal.entries import (
    EMPTY,
    conclusion_lines,
    labels,
    largest_half_width,
    legend_text,
    wrapped,
)
from gradlab.report.terminal.run_tables import (
    longest_columns,
    outcome_columns,
    stacked_columns,
    survival_columns,
    training_columns,
)
from gradlab.report.terminal.table import Column, fold, fold_optional, varying
from gradlab.results.tables import Tables
from gradlab.store.records import Failure

__all__ = ["RunReport", "run_report"]

_FAILURES_SHOWN = 5


class RunReport(Protocol):
    """What a run reports besides its tables, as `gradlab.api.run.RunResult` has it."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def tables(self) -> Tables: ...
    @property
    def cells(self) -> int: ...
    @property
    def computed(self) -> int: ...
    @property
    def reused(self) -> int: ...
    @property
    def missing(self) -> int: ...
    @property
    def failures(self) -> tuple[Failure, ...]: ...
    @property
    def seconds(self) -> float: ...
    @property
    def interrupted(self) -> bool: ...
    @property
    def stopped(self) -> str: ...
    @property
    def workers(self) -> int: ...


def run_report(
    result: RunReport, glyphs: Glyphs, width: int | None, *, verbose: bool = False, best: str | None = None
) -> list[Text]:
    """Return the lines of a report, folded to `width` columns; None: as wide as it takes.

    The conclusions come first, at most six unless `verbose`. With `best`, what training made of each configuration is
    that at its best value of these settings.
    """
    lines: list[Text] = []
    parts = by_axis(result.tables)
    for index, tables in enumerate(parts):
        group = rows_of(tables)
        name = result.name if len(parts) == 1 else f"{result.name}, {group.axis.networks}"
        lines += wrapped(_heading(name, group, glyphs), width, "bold")
        if not index:
            lines += wrapped(_counts(result, glyphs), width)
        lines += [Text(), *_along_one_axis(tables, group, glyphs, width, verbose=verbose, best=best)]
    if not parts:
        lines += [Text(result.name, "bold"), *wrapped(_counts(result, glyphs), width)]
    return [*lines, *_failures(result, width), *wrapped(f"Tables: {result.path}/summary.csv, cells.csv, ...", width)]


def _along_one_axis(
    tables: Tables, group: RowGroup, glyphs: Glyphs, width: int | None, *, verbose: bool, best: str | None
) -> list[Text]:
    if not len(tables.summary):
        return []
    sentences = [glyphs.plain(sentence) for sentence in causes(group, brief=not verbose)]
    shortened = replace(group, lengths=shown_lengths(group.lengths, width))
    lines = conclusion_lines(sentences, width, whole=verbose)
    if len(shortened.lengths) < len(group.lengths):
        part = f"{len(shortened.lengths)} of {len(group.lengths)} {group.lengths_name} are shown"
        lines += [*wrapped(f"{part}; all are in summary.csv", width, "dim"), Text()]
    return [
        *lines,
        *_survival(tables, shortened, glyphs, width, whole=verbose),
        *(
            _training(shortened, glyphs, width, whole=verbose)
            if best is None
            else _at_best(tables, shortened, best, glyphs, width, whole=verbose)
        ),
    ]


_PHRASES = {
    "depth": "depth {}", "width": "width {}", "activation": "{}", "init": "{}", "train.steps": "{} steps",
    "seq_len": "seq_len {}", "probe.at": "", "probe.batch_size": "",
}  # fmt: skip
"""Settings that a heading names even at their default, and those it never names."""


def _heading(name: str, group: RowGroup, glyphs: Glyphs) -> str:
    fixed = {key: setting_text(value) for key, value in group.fixed.items()}
    if group.axis.along != "depth" and fixed.get("depth") == "1":
        del fixed["depth"]  # one layer is what one expects of a recurrent network
    parts = [name]
    parts.append(" on ".join(fixed[key] for key in ("model", "task") if key in fixed))
    for key, setting in SETTINGS.items():
        if key not in fixed or key in ("model", "task", "lr") or (key in length_settings() and fixed[key] == "none"):
            continue
        if key in _PHRASES:
            parts.append(_PHRASES[key].format(fixed[key]))
        elif key == "optimizer":
            parts.append(fixed[key] + (f" lr {fixed['lr']}" if "lr" in fixed else ""))
        elif fixed[key] != setting_text(setting.default):
            parts.append(f"{key.rpartition('.')[2].replace('_', ' ')} {fixed[key]}")
    seeds = group.seeds
    parts.append(count(len(seeds), "seed") if len(seeds) > 1 else f"seed {seeds[0]}")
    return f" {glyphs.dot} ".join(part for part in parts if part)


def _counts(result: RunReport, glyphs: Glyphs) -> str:
    counts = f"{count(result.computed, 'cell')} in {duration(result.seconds)}"
    counts += f" on {result.workers} workers" if result.workers > 1 else ""
    if result.reused:
        counts += f", {result.reused:,} were there" if result.computed else " (nothing to do)"
        if not result.computed:
            counts = f"{count(result.reused, 'cell')}, all there already" if not result.missing else counts
    diverged = int((result.tables.cells["status"] == "diverged").sum())
    parts = [counts, f"{len(result.failures):,} failed", f"{diverged:,} diverged"]
    if result.missing:
        why = "interrupted" if result.interrupted else result.stopped.partition(",")[0] or "not run"
        parts.append(f"{why}: {result.missing:,} of {result.cells:,} not run")
    return f" {glyphs.dot} ".join(parts)


def _survival(tables: Tables, every: RowGroup, glyphs: Glyphs, width: int | None, *, whole: bool) -> list[Text]:
    group = every.before_training
    index = ProfileIndex(tables.layers, tables.stacked)
    first = tuple(row.longest_member for row in group.rows)
    cells = longest_cells(tables, replace(every, rows=first))
    profiles = longest_profiles(index, cells)
    largest = largest_half_width(group.rows, "log10_survival")
    longest, constant = varying(longest_columns(group, profiles, glyphs), whole=whole)
    wide = fold(_labels(group), [*survival_columns(group, glyphs, intervals=True), *longest], None, glyphs)
    inside = largest is not None and (width is None or max(line.cell_len for line in wide) <= width)
    columns = [*survival_columns(group, glyphs, intervals=inside), *longest]
    many = f"mean of {len(group.seeds)} seeds" if len(group.seeds) > 1 else "one seed"
    title = glyphs.plain(f"Survival before training: {group.axis.ratio} (log10, {many})")
    last = len(columns) - (max(map(len, profiles), default=0) > 1)  # where the curves along the depth stand
    table, omitted = fold_optional(_labels(group), columns[:last], columns[last:], width, glyphs, whole=whole)
    lines = wrapped(title, width, "bold") + table
    lines += [line for note in (omitted, constant) for line in wrapped(note, width, "dim")]
    if dropped := [key for key in every.keys if key not in group.keys]:
        lines += wrapped(f"the same before training with every {joined(dropped)}", width, "dim")
    lines += wrapped(_legend(tables, glyphs), width, "dim")
    if largest is not None:
        half, row, length = largest
        place = f"{row.name} {group.axis.at(length)}" if group.varies else row.name
        note = f"{glyphs.plus_minus} 95 % over seeds (Student t)"
        if not inside:
            note += f"; of the survivals at most {glyphs.plus_minus}{half:.2f} ({place}), all in summary.csv"
        lines += wrapped(note, width, "dim")
    return [*lines, Text(), *_stacked(*stacked_survival(group, index, cells), glyphs, width)]


def _stacked(
    group: RowGroup, survivals: Sequence[Sequence[LayerSurvival]], glyphs: Glyphs, width: int | None
) -> list[Text]:
    """Return the table of single layers; nothing where no network is a stacked one."""
    if not survivals:
        return []
    length = group.axis.at(group.lengths[0]) if len(group.lengths) == 1 else f"at the largest {group.axis.setting}"
    title = f"Survival of each stacked layer by itself before training, {length} (log10; 1: the lowest)"
    columns = stacked_columns(survivals, glyphs)
    return [*wrapped(title, width, "bold"), *fold(_labels(group), columns, width, glyphs), Text()]


def _labels(group: RowGroup) -> list[Column]:
    if not group.keys and not group.varies:
        return [Column("", tuple(EMPTY for _ in group.rows))]
    return labels(group)


def _legend(tables: Tables, glyphs: Glyphs) -> str:
    summary = tables.summary
    limits = {name: {float(value) for value in summary[f"thresholds.{name}"]} for name in ("vanish", "explode")}
    vanish, explode = (limit.pop() if len(limit) == 1 else None for limit in limits.values())
    names = sign_names(vanish, explode, {*summary["verdict"], *summary["verdict_final"]})
    return legend_text(names, glyphs)


def _training(group: RowGroup, glyphs: Glyphs, width: int | None, *, whole: bool) -> list[Text]:
    if group.fixed.get("train.steps") == 0:
        return []
    steps = f"{group.fixed['train.steps']:,} steps" if "train.steps" in group.fixed else "training"
    title = f"After {steps}: {group.metric} on held-out samples ({glyphs.learned} most seeds learned)"
    outcomes, constant = varying(outcome_columns(group, glyphs), whole=whole)
    table = fold(_labels(group), [*training_columns(group, glyphs), *outcomes], width, glyphs)
    return [*wrapped(title, width, "bold"), *table, *wrapped(constant, width, "dim"), Text()]


def _at_best(
    tables: Tables, group: RowGroup, best: str, glyphs: Glyphs, width: int | None, *, whole: bool
) -> list[Text]:
    """Return the results at the best values, or where they cannot be chosen all of them, and why."""
    try:
        return best_lines(tables, best, glyphs, width)
    except UsageError as error:
        lines = _training(group, glyphs, width, whole=whole)[:-1]
        return [*lines, *wrapped(error.message, width), *wrapped(error.hint, width), Text()]


def _failures(result: RunReport, width: int | None) -> list[Text]:
    if not result.failures:
        return []
    lines = [Text(f"Failed: {count(len(result.failures), 'cell')}", "bold")]
    errors = Counter(failure.error for failure in result.failures).most_common()
    for error, number in errors[:_FAILURES_SHOWN]:
        example = next(failure for failure in result.failures if failure.error == error)
        lines += wrapped(f"  {count(number, 'cell')}: {error} (bank {example.bank})", width, indent="    ")
    if len(errors) > _FAILURES_SHOWN:
        lines.append(Text(f"  and {len(errors) - _FAILURES_SHOWN} other errors"))
    return [*lines, *wrapped(f"  tracebacks: {result.path}/run.log; --rerun-failed tries them again", width), Text()]
