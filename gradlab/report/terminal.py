"""The report of a run for a terminal or a pipe, as lines of text."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gradlab.cell import SETTINGS, Named
from gradlab.report import heat
from gradlab.report.glyphs import Glyphs
from gradlab.report.layout import fold
from gradlab.report.view import View, by_kind, shown_depths, text_of, view_of
from gradlab.report.why import sentences
from gradlab.report.words import Axis, capital, count, duration

if TYPE_CHECKING:
    from gradlab.api.run import RunResult
    from gradlab.results.tables import Tables

__all__ = ["report"]

_FAILURES_SHOWN = 5


def report(result: RunResult, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the lines of a report, folded to `width` columns; None: as wide as it takes."""
    lines: list[Text] = []
    kinds = by_kind(result.tables) if len(result.tables.cells) else ()
    for index, tables in enumerate(kinds):
        view = view_of(tables)
        name = result.name if len(kinds) == 1 else f"{result.name}, {_KINDS[view.axis.unit]}"
        lines += _wrapped(_heading(name, view, glyphs), width, "bold")
        if not index:
            lines += _wrapped(_counts(result, glyphs), width)
        lines += [Text(), *_of_one_kind(tables, view, glyphs, width)]
    if not kinds:
        lines += [Text(result.name, "bold"), *_wrapped(_counts(result, glyphs), width)]
    return [*lines, *_failures(result, width), *_wrapped(f"Tables: {result.path}/summary.csv, cells.csv, ...", width)]


_KINDS = {"block": "feed-forward networks", "time step": "recurrent networks"}


def _of_one_kind(tables: Tables, view: View, glyphs: Glyphs, width: int | None) -> list[Text]:
    if not len(tables.summary):
        return []
    every = len(view.depths)
    view = replace(view, depths=shown_depths(view.depths, width))
    metric = _metric(tables.cells)
    lines: list[Text] = []
    if len(view.depths) < every:
        some = f"{len(view.depths)} of {every} {_plural(view.axis)} are shown; all are in summary.csv, and in a pipe"
        lines += [*_wrapped(some, width, "dim"), Text()]
    lines += [*_survival(tables, view, glyphs, width), *_training(view, glyphs, metric, width)]
    return [*lines, *_why(view, metric, width)]


def _plural(axis: Axis) -> str:
    return "depths" if axis.setting == "depth" else "lengths"


def _metric(cells: Any) -> str:
    names = {name for name in cells["metric_name"] if name}
    return names.pop() if len(names) == 1 else "metric"


def _wrapped(text: str, width: int | None, style: str = "", indent: str = "  ") -> list[Text]:
    if width is None:
        return [Text(text, style)]
    folded = textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [Text(line, style) for line in folded]


_PHRASES = {
    "depth": "depth {}", "width": "width {}", "activation": "{}", "init": "{}", "train.steps": "{} steps",
    "seq_len": "seq_len {}", "probe.at": "", "probe.batch_size": "",
}  # fmt: skip
"""Settings that a heading names even at their default, and those it never names."""


def _heading(name: str, view: View, glyphs: Glyphs) -> str:
    fixed = {key: text_of(value) for key, value in view.fixed.items()}
    if view.axis.unit != "block" and fixed.get("depth") == "1":
        del fixed["depth"]  # one layer is what one expects of a recurrent network
    parts = [name]
    parts.append(" on ".join(fixed[key] for key in ("model", "task") if key in fixed))
    for key, setting in SETTINGS.items():
        if key not in fixed or key in ("model", "task", "lr") or (key == "seq_len" and fixed[key] == "none"):
            continue
        if key in _PHRASES:
            parts.append(_PHRASES[key].format(fixed[key]))
        elif key == "optimizer":
            parts.append(fixed[key] + (f" lr {fixed['lr']}" if "lr" in fixed else ""))
        elif fixed[key] != _default(setting.default):
            parts.append(f"{key.rpartition('.')[2].replace('_', ' ')} {fixed[key]}")
    seeds = view.seeds
    parts.append(count(len(seeds), "seed") if len(seeds) > 1 else f"seed {seeds[0]}")
    return f" {glyphs.dot} ".join(part for part in parts if part)


def _default(value: Any) -> str:
    return str(value) if isinstance(value, Named) else text_of(value)


def _counts(result: RunResult, glyphs: Glyphs) -> str:
    what = f"{count(result.computed, 'cell')} in {duration(result.seconds)}"
    what += f" on {result.workers} workers" if result.workers > 1 else ""
    if result.reused:
        what += f", {result.reused:,} were there" if result.computed else " (nothing to do)"
        if not result.computed:
            what = f"{count(result.reused, 'cell')}, all there already" if not result.missing else what
    diverged = int((result.tables.cells["status"] == "diverged").sum())
    parts = [what, f"{len(result.failures):,} failed", f"{diverged:,} diverged"]
    if result.missing:
        why = "interrupted" if result.interrupted else result.stopped.partition(",")[0] or "not run"
        parts.append(f"{why}: {result.missing:,} of {result.cells:,} not run")
    return f" {glyphs.dot} ".join(parts)


def _survival(tables: Tables, view: View, glyphs: Glyphs, width: int | None) -> list[Text]:
    labels = heat.labels(view)
    largest = heat.largest_half(view)
    wide = fold(labels, heat.survival_columns(view, tables, glyphs, intervals=True), None, glyphs)
    inside = largest is not None and (width is None or max(line.cell_len for line in wide) <= width)
    columns = heat.survival_columns(view, tables, glyphs, intervals=inside)
    many = f"mean of {len(view.seeds)} seeds" if len(view.seeds) > 1 else "one seed"
    title = f"{capital(view.axis.left)} before training (log10, {many})"
    lines = _wrapped(title, width, "bold") + fold(labels, columns, width, glyphs)
    lines += [Text(line.plain, "dim") for line in _wrapped(_legend(tables, glyphs), width)]
    if largest is not None:
        half, row, depth = largest
        where = f"{row.name} {view.axis.at(depth)}" if view.over_depth else row.name
        note = f"{glyphs.plus_minus} 95 % over seeds (Student t)"
        note += (
            "" if inside else f"; of the survivals at most {glyphs.plus_minus}{half:.2f} ({where}), all in summary.csv"
        )
        lines += [Text(line.plain, "dim") for line in _wrapped(note, width)]
    return [*lines, Text()]


def _legend(tables: Tables, glyphs: Glyphs) -> str:
    summary = tables.summary
    vanish = {text_of(value) for value in summary["thresholds.vanish"]}
    explode = {text_of(value) for value in summary["thresholds.explode"]}
    below = f" (<{vanish.pop()})" if len(vanish) == 1 else ""
    above = f" (>{explode.pop()})" if len(explode) == 1 else ""
    signs = [
        f"{glyphs.fading} fading", f"{glyphs.vanished} vanished{below}",
        f"{glyphs.growing} growing", f"{glyphs.exploded} exploded{above}",
    ]  # fmt: skip
    found = set(summary["verdict"]) | set(summary["verdict_final"])
    signs += [f"{glyphs.dead} exactly zero"] if "dead" in found else []
    signs += [f"{glyphs.nonfinite} not finite"] if "nonfinite" in found else []
    return "  ".join(signs)


def _training(view: View, glyphs: Glyphs, metric: str, width: int | None) -> list[Text]:
    if view.fixed.get("train.steps") == 0:
        return []
    steps = f"{view.fixed['train.steps']:,} steps" if "train.steps" in view.fixed else "training"
    title = f"After {steps}: {metric} on held-out samples ({glyphs.learned} most seeds learned)"
    columns = heat.training_columns(view, glyphs, metric)
    return [*_wrapped(title, width, "bold"), *fold(heat.labels(view), columns, width, glyphs), Text()]


def _why(view: View, metric: str, width: int | None) -> list[Text]:
    found = [f"  {sentence}" for sentence in sentences(view, metric)]
    if not found:
        return []
    lines = [Text("Why", "bold")]
    for sentence in found:
        lines += _wrapped(sentence, width, indent="    ")
    return [*lines, Text()]


def _failures(result: RunResult, width: int | None) -> list[Text]:
    if not result.failures:
        return []
    lines = [Text(f"Failed: {count(len(result.failures), 'cell')}", "bold")]
    kinds = Counter(failure.error for failure in result.failures).most_common()
    for error, number in kinds[:_FAILURES_SHOWN]:
        example = next(failure for failure in result.failures if failure.error == error)
        lines += _wrapped(f"  {count(number, 'cell')}: {error} (bank {example.bank})", width, indent="    ")
    if len(kinds) > _FAILURES_SHOWN:
        lines.append(Text(f"  and {len(kinds) - _FAILURES_SHOWN} other errors"))
    return [*lines, *_wrapped(f"  tracebacks: {result.path}/run.log; --rerun-failed tries them again", width), Text()]
