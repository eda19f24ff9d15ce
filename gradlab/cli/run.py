"""`gradlab run`, `sweep` and `plan`: compute what is not done and print the report, or say what that would do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradlab.api.options import PlanOptions, RunOptions
from gradlab.cli.flags import Overrides, PlanOutput, RunOutput, Settings, Specs
from gradlab.cli.help import OUTPUT
from gradlab.cli.next_steps import after_init, after_plan, after_run, settings_flags, suggest
from gradlab.terminal.console import best_effort, console, err, out, print_json, print_report, warn

if TYPE_CHECKING:
    from gradlab.api.plan import Plan
    from gradlab.api.run import RunResult
    from gradlab.spec import Spec

__all__ = ["DID_NOT_HOLD", "INTERRUPTED", "plan", "run", "sweep"]

DID_NOT_HOLD = 3
"""Exit code of a command that was asked to check something which is not so."""
INTERRUPTED = "interrupted; what is finished is kept, the same command goes on from there"


def run(specs: Specs, options: RunOptions, output: RunOutput, settings: Overrides = None) -> int:
    """Run the cells of each SPEC that are not done yet, write the tables and print the report.

    The same command, run again, resumes where it stopped: no cell is computed twice.
    """
    from gradlab.api.specs import load_specs

    return _run(load_specs(specs, settings or ()), options, output, ["run", *_with_overrides(specs, settings)])


def sweep(
    settings: Settings,
    options: RunOptions,
    output: RunOutput,
    name: Annotated[
        str,
        typer.Option(
            "--name",
            metavar="NAME",
            rich_help_panel=OUTPUT,
            help="Name of the run; left out: made of the settings that vary.",
        ),
    ] = "",
    save: Annotated[
        Path | None,
        typer.Option(
            "--save", metavar="FILE", rich_help_panel=OUTPUT, help="Write the sweep as a spec, and compute nothing."
        ),
    ] = None,
) -> int:
    """Run a grid given by flags: gradlab sweep --depth 2..64 --activation sigmoid,relu.

    What is left out has a default: the classical activations, each with its usual init, width 32, 100 steps,
    3 seeds. The same sweep again is the same run, and goes on where it stopped.
    """
    from gradlab.api.sweep import save_spec, sweep_spec

    spec = sweep_spec(settings, name=name, limit=options.limit)
    if save is None:
        name_flags = ["--name", name] if name else []
        return _run((spec,), options, output, ["sweep", *settings_flags(settings), *name_flags])
    save_spec(spec, save)
    out(f"saved as {save}")
    suggest(after_init(save))
    return 0


def plan(specs: Specs, options: PlanOptions, output: PlanOutput, settings: Overrides = None) -> int:
    """Show what a run of each SPEC would do: cells, banks, new and done, time, memory and disk."""
    from gradlab.api.specs import load_specs

    return _plan(load_specs(specs, settings or ()), options, output, ["run", *_with_overrides(specs, settings)])


def _with_overrides(specs: Sequence[Path], settings: Sequence[str] | None) -> list[str]:
    return [*map(str, specs), *(word for setting in settings or () for word in ("-s", setting))]


def _plan(specs: Sequence[Spec], options: PlanOptions, output: PlanOutput, command: Sequence[str]) -> int:
    """Print the plan; `command` is the command line that carries it out, without `options`."""
    from gradlab.api.plan import plan as plans_of

    plans = plans_of(specs, options)
    for warning in (warning for plan in plans for warning in plan.warnings):
        warn(warning)
    if output.json:
        print_json({"plans": [plan.document() for plan in plans]})
    else:
        out("\n\n".join("\n".join(plan.lines(banks=output.verbose)) for plan in plans))
        suggest(after_plan(command, options) if any(plan.new for plan in plans) else None)
    return 0


def _run(specs: Sequence[Spec], options: RunOptions, output: RunOutput, command: Sequence[str]) -> int:
    if output.dry_run:
        return _plan(specs, options, output, command)
    from gradlab.api.run import Runs
    from gradlab.cli.signals import Signals
    from gradlab.terminal.progress import ProgressDisplay

    display = ProgressDisplay(console(stderr=True), quiet=output.quiet, verbose=output.verbose)
    printing = not output.json and not output.quiet
    results: list[RunResult] = []
    with Runs.begin(specs, options, display, command=["gradlab", *sys.argv[1:]]) as runs:
        if output.best is not None:
            _check_best(runs.plans, output.best)
        for plan in runs.plans:
            with display, Signals(runs.drain, display) as signals:
                result = runs.run(plan)
            if printing:
                with best_effort():
                    _show(result, first=not results, verbose=output.verbose, best=output.best)
            results.append(result)
            exported = runs.export(result)
            if printing:
                with best_effort():
                    out("\n".join(exported)) if exported else None
            if result.interrupted or result.stopped:
                break
    if output.json:
        with best_effort():
            print_json({"runs": [result.document() for result in results]})
    if result.stopped and not options.fail_fast and not output.quiet:
        hint = f"what happened is in {result.path / 'run.log'}; fix the cause, then run the same command again"
        err(f"gradlab: {result.stopped}\n  {hint}")
    if result.interrupted:
        err(INTERRUPTED)
        return signals.exit_code
    if output.check and _check(results):
        return DID_NOT_HOLD
    if printing and results:
        suggest(after_run(results, output.best))
    return 1 if any(result.failures for result in results) else 0


def _check_best(plans: Sequence[Plan], settings: str) -> None:
    """Raise UsageError before anything is computed where the cells leave nothing to choose."""
    from gradlab.analysis.compare.best import check_choice

    for plan in plans:
        check_choice(plan.cells, settings)


def _show(result: RunResult, *, first: bool, verbose: bool, best: str | None) -> None:
    from gradlab.report.terminal.expectations import expectation_lines
    from gradlab.report.terminal.run import run_report

    if not first:
        out()
    print_report(lambda glyphs, width: run_report(result, glyphs, width, verbose=verbose, best=best))
    if result.expected:
        out()
        print_report(lambda glyphs, width: expectation_lines(result.expected, glyphs, width, verbose=verbose))


def _check(results: Sequence[RunResult]) -> bool:
    """Say on stderr what did not hold or could not be judged; return whether there is such a thing."""
    from gradlab.report.model.expectations import summary_text

    judgements = [judgement for result in results for judgement in result.expected]
    wrong = [judgement for judgement in judgements if judgement.outcome != "held"]
    if wrong:
        err(f"gradlab: --check: {summary_text(judgements)}: {wrong[0].text}")
    return bool(wrong)
