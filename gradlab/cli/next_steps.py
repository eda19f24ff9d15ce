"""What to do after a command: one command line, shown on a terminal only, and derived here for all commands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradlab.api.options import Options, options_of
from gradlab.cell import SETTINGS
from gradlab.spelling import FLAGS

if TYPE_CHECKING:
    from gradlab.analysis.compare.comparison import Comparison
    from gradlab.api.run import RunResult

__all__ = [
    "NextStep",
    "after_compare",
    "after_critical_line",
    "after_explain",
    "after_export",
    "after_init",
    "after_list",
    "after_plan",
    "after_probe",
    "after_run",
    "after_theory",
    "after_width",
    "flags_of",
    "page",
    "plugin_files",
    "settings_flags",
    "suggest",
]  # fmt: skip

_AT_BEST = "each configuration at its best lr"

plugin_files: ContextVar[tuple[str, ...]] = ContextVar("plugin_files", default=())
"""The values of ``--plugin`` of the command that is carried out."""


@dataclass(frozen=True)
class NextStep:
    """A command line of gradlab, and what it gives."""

    result: str
    arguments: Sequence[str]

    def line(self) -> str:
        """Return the line that a shell takes."""
        plugins = [word for path in plugin_files.get() for word in ("--plugin", path)]
        return f"{self.result}: {shlex.join(['gradlab', *self.arguments, *plugins])}"


def suggest(step: NextStep | None) -> None:
    """Show a step in one dim line where stdout and stderr are terminals."""
    from gradlab.terminal.console import hint, on_terminal

    if step is not None and on_terminal():
        hint(step.line())


def flags_of(options: Options) -> list[str]:
    """Return the flags of a command line that make these options."""
    words: list[str] = []
    for name, described in options_of(type(options)).items():
        value, flag = getattr(options, name), f"--{name.replace('_', '-')}"
        if value == described.param.default:
            continue
        if described.param.kind is bool:
            words.append(flag if value else described.off or f"--no-{flag[2:]}")
        elif described.param.kind is tuple and not described.separated:
            words += [word for item in value for word in _flag(flag, item)]
        else:
            words += _flag(flag, ",".join(value) if isinstance(value, tuple) else value)
    return words


def _flag(flag: str, value: object) -> list[str]:
    text = str(value)
    return [f"{flag}={text}"] if text.startswith("-") or not text else [flag, text]


def settings_flags(settings: Mapping[str, object]) -> list[str]:
    """Return the flags of settings given by key."""
    return [word for key, value in settings.items() for word in _flag(FLAGS.name(key), value)]


def page(*paths: Path) -> NextStep:
    """Return the step to the page about one directory of results; to a comparison of several."""
    if len(paths) > 1:
        return NextStep("comparison", ["compare", *map(str, paths)])
    return NextStep("page with profiles and tables", ["report", str(paths[0]), "--open"])


def after_run(results: Sequence[RunResult], best: str | None) -> NextStep:
    """Return the step after runs that have ended: of one with several learning rates each configuration at its best,
    unless it was reported so; else the page, of several runs a comparison."""
    from gradlab.analysis.compare.best import has_choice

    paths = [result.path for result in results]
    if len(results) == 1 and best is None and has_choice(results[0].tables.cells, "lr"):
        return NextStep(_AT_BEST, ["compare", str(paths[0]), "--best", "lr"])
    return page(*paths)


def after_plan(command: Sequence[str], options: Options) -> NextStep:
    """Return the step after a plan: the `command` that computes it, with the same options."""
    return NextStep("computation", [*command, *flags_of(options)])


def after_theory(settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], options: Options) -> NextStep:
    """Return the sweep that measures predictions."""
    from gradlab.api.sweep import measuring

    flags = settings_flags(measuring(settings, rows))
    return NextStep("measurement before training", ["sweep", *flags, *flags_of(options)])


def after_critical_line(rows: Sequence[Mapping[str, Any]]) -> NextStep | None:
    """Return the step to the prediction at the first point of an order-to-chaos line."""
    row = next((row for row in rows if row["gain"] is not None), None)
    if row is None:
        return None
    bias = row["sigma_b2"] ** 0.5
    settings = {"activation": row["activation"], "init": "lecun_normal", "init.gain": f"{row['gain']:.6g}"}
    return NextStep(
        "prediction there", ["theory", *settings_flags(settings | ({"bias_std": f"{bias:.6g}"} if bias else {}))]
    )


def after_compare(paths: Iterable[Path], comparison: Comparison, options: Options, *, verbose: bool) -> NextStep:
    """Return the step after a comparison: of several learning rates each configuration at its best, paired differences
    from a baseline, else every table, else the values of all rows."""
    from gradlab.analysis.compare.best import has_choice
    from gradlab.analysis.compare.comparison import Question

    words = ["compare", *map(str, paths), *flags_of(options)]
    question = comparison.question
    if question == Question(where=question.where) and has_choice(comparison.cells, "lr"):
        return NextStep(_AT_BEST, [*words, "--best", "lr"])
    if not comparison.baseline and (baseline := _baseline(comparison)):
        return NextStep("paired differences", [*words, "--baseline", baseline])
    if not verbose:
        return NextStep("every table", [*words, "--verbose"])
    return NextStep("values of all rows", [*words, "--csv=-"])


def _baseline(comparison: Comparison) -> str:
    """Return a level of a setting that varies: its default, where that occurs."""
    from gradlab.analysis.compare.design import setting_text

    for key in comparison.by:
        if key not in SETTINGS or key not in comparison.cells:
            continue
        levels = list(dict.fromkeys(map(setting_text, comparison.cells[key])))
        default = setting_text(SETTINGS[key].default)
        if len(levels) > 1:
            return f"{key}={default if default in levels else levels[0]}"
    return ""


def after_export(command: str, paths: Sequence[Path], *, in_browser: bool = False) -> NextStep:
    """Return the step after ``report``, ``plot`` or ``tensorboard``; `in_browser`: whether a page was opened."""
    if command == "report" and in_browser and len(paths) == 1:
        return NextStep("pictures", ["plot", str(paths[0])])
    return page(*paths)


def after_probe(model: str, options: Sequence[Options], *, cured: bool, healthy: bool, out: Path | None) -> NextStep:
    """Return the step after a measurement of a model: changes that may help, else a page that stays."""
    words = ["probe", model, *(word for option in options for word in flags_of(option))]
    if not healthy and not cured:
        return NextStep("changes that may help, measured", [*words, "--cure"])
    if out is None:
        return NextStep("page and tables", [*words, *["--cure"] * cured, "--out", "probe"])
    return page(out)


def after_width(model: str, smallest: int, options: Options) -> NextStep:
    """Return the step after a coordinate check: the profile of the narrowest model."""
    return NextStep("profile of one width", ["probe", model, *flags_of(options), "--arg", f"width={smallest}"])


def after_list(kind: str | None, names: Sequence[str]) -> NextStep:
    """Return the step after names were listed."""
    if kind == "experiments":
        return NextStep("run of one", ["run", f"@{names[0].removeprefix('@')}"])
    return NextStep("meaning of one", ["explain", names[0]])


def after_init(path: Path) -> NextStep:
    """Return the step after a spec was written."""
    return NextStep("run", ["run", str(path)])


def after_explain(related: Sequence[str]) -> NextStep:
    """Return the step after a term was explained, or after all were listed."""
    return NextStep("related" if related else "one of them", ["explain", *(related or ("survival",))[:1]])
