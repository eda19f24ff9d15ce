"""`gradlab run`: compute what is not done, write the tables, print the report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradlab.api.options import RunOptions
from gradlab.cli.flags import Overrides, RunOutput, Specs

if TYPE_CHECKING:
    from gradlab.api.run import RunResult
    from gradlab.spec import Spec

__all__ = ["DID_NOT_HOLD", "run", "run_specs"]

DID_NOT_HOLD = 3
"""Exit code of a command that was asked to check something which is not so."""


def run(specs: Specs, options: RunOptions, output: RunOutput, settings: Overrides = None) -> int:
    """Run what is not done yet of each SPEC, write the tables and print the report.

    The same command again goes on where it stopped: no cell is run twice.
    """
    from gradlab.api.specs import load_specs

    return run_specs(load_specs(specs, settings or ()), options, output)


def run_specs(specs: Sequence[Spec], options: RunOptions, output: RunOutput) -> int:
    """Run every spec, one after the other, or only say what that would do; return the exit code."""
    if output.dry_run:
        from gradlab.cli.plan import print_plans

        return print_plans(specs, options, output)
    from gradlab.api.run import Runs
    from gradlab.cli.signals import Signals
    from gradlab.terminal.console import console, print_json
    from gradlab.terminal.progress import ProgressDisplay

    display = ProgressDisplay(console(stderr=True), quiet=output.quiet, verbose=output.verbose)
    results: list[RunResult] = []
    with Runs(specs, options, display, command=["gradlab", *sys.argv[1:]]) as runs:
        for plan in runs.plans:
            with display, Signals(runs.drain, display) as signals:
                result = runs.run(plan)
            results.append(result)
            printing = not output.json and not output.quiet
            if printing:
                _show(result, first=len(results) == 1)
            for line in runs.export(result):
                if printing:
                    print(line)
            if result.interrupted or result.stopped:
                break
    if output.json:
        print_json({"runs": [result.document() for result in results]})
    if result.stopped and not options.fail_fast and not output.quiet:
        print(
            f"gradlab: {result.stopped}\n"
            f"  what happened is in {result.path / 'run.log'}; mend it, then run the same command again",
            file=sys.stderr,
        )
    if result.interrupted:
        print("interrupted; what is finished is kept, the same command goes on from there", file=sys.stderr)
        return signals.exit_code
    if output.check and _check(results):
        return DID_NOT_HOLD
    return 1 if any(result.failures for result in results) else 0


def _show(result: RunResult, *, first: bool) -> None:
    from gradlab.report.terminal.expectations import expectation_lines
    from gradlab.report.terminal.run import run_report
    from gradlab.terminal.console import print_report

    if not first:
        print()
    print_report(lambda glyphs, width: run_report(result, glyphs, width))
    if result.expected:
        print()
        print_report(lambda glyphs, width: expectation_lines(result.expected, glyphs, width))


def _check(results: Sequence[RunResult]) -> bool:
    """Say on stderr what did not hold or could not be judged; return whether there is such a thing."""
    from gradlab.report.model.expectations import summary_text

    judgements = [judgement for result in results for judgement in result.expected]
    wrong = [judgement for judgement in judgements if judgement.outcome != "held"]
    if wrong:
        print(f"gradlab: --check: {summary_text(judgements)}: {wrong[0].text}", file=sys.stderr)
    return bool(wrong)
