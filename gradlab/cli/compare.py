"""`gradlab compare`: one report over any number of runs, or of models of the user."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradlab.api.options import CompareOptions
from gradlab.cli.flags import CompareOutput, Results
from gradlab.cli.help import OUTPUT
from gradlab.cli.next_steps import after_compare, page, suggest
from gradlab.cli.run import DID_NOT_HOLD
from gradlab.terminal.console import err, out, warn

if TYPE_CHECKING:
    from rich.text import Text

    from gradlab.analysis.compare.comparison import Check, Comparison
    from gradlab.api.compare_models import ModelComparison
    from gradlab.report.glyphs import Glyphs

    _Lines = Callable[[Glyphs, int | None], Iterable[Text]]

__all__ = ["compare"]

_CHECKS_SHOWN = 20


def compare(
    results: Results,
    options: CompareOptions,
    output: CompareOutput,
    csv: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", rich_help_panel=OUTPUT, help="Write the table as CSV; -: to stdout."),
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            "--plot",
            metavar="FILE",
            rich_help_panel=OUTPUT,
            help="Draw the metric against the values of --best (PNG, SVG).",
        ),
    ] = None,
) -> int:
    """Compare runs: survival and learning of each configuration, effects of the factors, paired tests.

    Directories of models of your own (gl.watch, a saved probe) are compared with each other, block by block.
    """
    from gradlab.api.compare import compare as comparison_of
    from gradlab.api.compare import document, draw, refuse_plot
    from gradlab.api.compare_models import ModelComparison
    from gradlab.errors import UsageError
    from gradlab.report.terminal.comparison import comparison_report
    from gradlab.report.terminal.module_comparison import module_comparison_report
    from gradlab.store.csvfile import put_csv, write_csv
    from gradlab.terminal.console import print_json, print_report

    if csv == "-" and output.json:
        raise UsageError("--csv - and --json both want stdout", "write the table to a file: --csv FILE")
    if plot is not None:
        refuse_plot(plot, options)
    comparison = comparison_of(results, options)
    if isinstance(comparison, ModelComparison):
        damaged, noun, values = _left_out(comparison), "measured model", comparison.document
        lines: _Lines = partial(module_comparison_report, comparison.models)
    else:
        damaged, noun, values = _warn(comparison), "configuration", partial(document, comparison)
        lines = partial(comparison_report, comparison, verbose=output.verbose)
    if csv == "-":
        table = io.BytesIO()
        put_csv(table, comparison.table)
        out(table.getvalue().decode().removesuffix("\n"))
    elif csv is not None:
        write_csv(Path(csv), comparison.table)
    if plot is not None and not isinstance(comparison, ModelComparison):
        draw(comparison, Path(plot))
    if output.json:
        print_json(values())
    elif csv != "-":
        print_report(lines)
        if isinstance(comparison, ModelComparison):
            suggest(page(results[0]) if len(results) == 1 else None)
        else:
            suggest(after_compare(results, comparison, options, verbose=output.verbose))
    for check in comparison.checks:
        _report_check(check, noun)
    return DID_NOT_HOLD if any(check.failed for check in comparison.checks) else 1 if damaged else 0


def _left_out(comparison: ModelComparison) -> bool:
    for error in comparison.errors:
        warn(f"{error.message}: compared without it", error.hint)
    return bool(comparison.errors)


def _warn(comparison: Comparison) -> bool:
    """Say on stderr what the comparison had to do without; return whether anything is damaged."""
    from gradlab.report.formatting import count

    for run in comparison.runs:
        for problem in run.unreadable:
            warn(f"{run.path}/{problem}: compared without it", problem.hint)
        if run.failed:
            cells, are = count(run.failed, "failed cell"), "is" if run.failed == 1 else "are"
            warn(f"{cells} of {run.path} {are} left out")
        if run.aside:
            cells, are = count(run.aside, "stored cell"), "is" if run.aside == 1 else "are"
            err(f"{cells} of {run.path} {are} not part of its spec any more and left out")
        if not run.cells and not run.unreadable:
            warn(f"{run.path} has no finished cell")
    for warning in comparison.warnings:
        warn(warning)
    return any(run.unreadable or not run.cells for run in comparison.runs)


def _report_check(check: Check, noun: str) -> None:
    from gradlab.analysis.compare.design import setting_text
    from gradlab.report.formatting import count

    for rows, outcome in ((check.holds, "holds for"), (check.unknown, "cannot be told, for want of a value, of")):
        if not len(rows):
            continue
        err(f"--fail-on {check.text!r} {outcome} {count(len(rows), noun)}:")
        for _, row in rows.head(_CHECKS_SHOWN).iterrows():
            err("  " + " ".join(f"{key}={setting_text(value)}" for key, value in row.items()))
        if len(rows) > _CHECKS_SHOWN:
            err(f"  and {len(rows) - _CHECKS_SHOWN} more")
