"""The commands and their flags. Each returns what is to be done; `gradlab.cli.boundary` does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from gradlab import __version__
from gradlab.cli.sweep import save_spec, with_setting_flags
from gradlab.errors import UsageError

__all__ = ["app"]

Action = Callable[[], int]

app = typer.Typer(
    name="gradlab",
    help="A command-line laboratory: do gradients survive in a deep network, why not, and what mends it?",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Specs = Annotated[list[Path], typer.Argument(metavar="SPEC...", help="YAML files, each one experiment.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("-s", "--set", metavar="KEY=VALUE", help="Override the spec: -s depth=2..16 -s train.steps=50."),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the run directories are.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="Most cells a grid may have.")]
SeedOffset = Annotated[int, typer.Option("--seed-offset", min=0, metavar="N", help="Add N to every seed.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Every bank, and tracebacks.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over; what was done before is kept as parts.old.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gradlab {__version__}")
        raise typer.Exit()


@app.callback()
def _gradlab(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None: ...


Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:1.")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first failure.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Nothing but errors.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, like plan.")]
NoPlots = Annotated[bool, typer.Option("--no-plots", help="Draw no pictures.")]


def _check_device(device: str) -> None:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise UsageError(f"--device {device}: there is no such device", "use auto, cpu, cuda or cuda:1")


@app.command("run")
def run_command(
    specs: Specs,
    settings: Overrides = None,
    out: Out = Path("results"),
    device: Device = "auto",
    fail_fast: FailFast = False,
    fresh: Fresh = False,
    seed_offset: SeedOffset = 0,
    limit: Limit = 100_000,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
    no_plots: NoPlots = False,
) -> Action:
    """Run what is not done yet of each SPEC, write the tables and print the report.

    The same command again goes on where it stopped: no cell is run twice.
    """
    from gradlab.cli.common import Choice, load_specs

    _check_device(device)
    choice = Choice(out, limit, seed_offset, fresh, json, verbose)

    def action() -> int:
        found = load_specs(specs, settings or ())
        if dry_run:
            from gradlab.cli.plan import plan

            return plan(found, choice)
        from gradlab.cli.run import run

        return run(found, choice, device=device, fail_fast=fail_fast, quiet=quiet, plots=not no_plots)

    return action


@app.command("sweep")
@with_setting_flags
def sweep_command(
    settings: dict[str, str],
    name: Annotated[str, typer.Option("--name", help="Name of the run; made of what varies if left out.")] = "",
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the sweep as a spec, and run nothing.")
    ] = None,
    out: Out = Path("results"),
    device: Device = "auto",
    fail_fast: FailFast = False,
    fresh: Fresh = False,
    seed_offset: SeedOffset = 0,
    limit: Limit = 100_000,
    quiet: Quiet = False,
    json: Json = False,
    verbose: Verbose = False,
    dry_run: DryRun = False,
    no_plots: NoPlots = False,
) -> Action:
    """Run a grid given by flags: gradlab sweep --depth 2..64 --activation sigmoid,relu.

    What is left out has a default: the classical activations, each with its usual init, width 32, 100 steps,
    3 seeds. The same sweep again is the same run, and goes on where it stopped.
    """
    from gradlab.cli.common import Choice

    _check_device(device)
    choice = Choice(out, limit, seed_offset, fresh, json, verbose)

    def action() -> int:
        from gradlab import sweep

        found = sweep.build(settings, name=name, limit=limit)
        if save is not None:
            return save_spec(save, found)
        if dry_run:
            from gradlab.cli.plan import plan

            return plan([found], choice)
        from gradlab.cli.run import run

        return run([found], choice, device=device, fail_fast=fail_fast, quiet=quiet, plots=not no_plots)

    return action


@app.command("theory")
@with_setting_flags
def theory_command(
    settings: dict[str, str],
    critical: Annotated[
        bool,
        typer.Option("--critical", help="The order-to-chaos line instead, for --activation and --bias-std or --init."),
    ] = False,
    limit: Limit = 100_000,
    json: Json = False,
) -> Action:
    """Predict survival by mean-field theory, without training: gradlab theory --activation tanh --depth 2..64*2.

    What is left out has a default: the classical activations, each with its usual init, depth 30, width 64, digits.
    """

    def action() -> int:
        from gradlab.cli import theory

        answer = theory.critical if critical else theory.theory
        return answer(settings, limit=limit, json=json)

    return action


@app.command("plan")
def plan_command(
    specs: Specs,
    settings: Overrides = None,
    out: Out = Path("results"),
    fresh: Fresh = False,
    seed_offset: SeedOffset = 0,
    limit: Limit = 100_000,
    json: Json = False,
    verbose: Verbose = False,
) -> Action:
    """Say what a run of each SPEC would do: cells, banks, new and done, time, memory and disk."""
    from gradlab.cli.common import Choice, load_specs

    choice = Choice(out, limit, seed_offset, fresh, json, verbose)

    def action() -> int:
        from gradlab.cli.plan import plan

        return plan(load_specs(specs, settings or ()), choice)

    return action


@app.command("plot")
def plot_command(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Run directories, or one above them.")],
    only: Annotated[
        str, typer.Option("--only", metavar="NAME", help="Some pictures: profiles,survival,heatmap,training,effects.")
    ] = "",
    formats: Annotated[str, typer.Option("--format", metavar="png,svg", help="File formats.")] = "png,svg",
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Instead of RESULTS/plots.")] = None,
) -> Action:
    """Draw the pictures of finished runs anew from their tables."""

    def action() -> int:
        from gradlab.cli.plot import plot

        return plot(results, only=[name for name in only.split(",") if name], formats=formats.split(","), out=out)

    return action


@app.command("compare")
def compare_command(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Run directories, or one above them.")],
    by: Annotated[str | None, typer.Option("--by", metavar="KEY,...", help="Settings that make the rows.")] = None,
    metric: Annotated[
        str, typer.Option("--metric", help="survival, survival_final, decay, reach, metric, loss or learned.")
    ] = "survival",
    where: Annotated[str | None, typer.Option("--where", help="Only these cells: 'depth>=16 and norm=none'.")] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="KEY=VALUE,...", help="Compare all else with this, in pairs.")
    ] = None,
    sort: Annotated[str | None, typer.Option("--sort", metavar="COLUMN", help="Largest first; -COLUMN: last.")] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, metavar="N", help="Only the first N rows.")] = None,
    csv: Annotated[str | None, typer.Option("--csv", metavar="FILE", help="The table as CSV; - for stdout.")] = None,
    fail_on: Annotated[
        list[str] | None, typer.Option("--fail-on", metavar="CONDITION", help="Leave with 3: 'survival<1e-3'.")
    ] = None,
    json: Json = False,
) -> Action:
    """Compare any number of runs: what survives and learns, which factor matters, what is more than chance."""

    def action() -> int:
        from gradlab.cli.compare import compare
        from gradlab.compare.comparison import Question

        question = Question(metric, by, where, baseline, sort, top, tuple(fail_on or ()))
        return compare(results, question, csv=csv, json=json)

    return action


@app.command("list")
def list_command(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="activations, inits, optimizers, ...")] = None,
    json: Json = False,
) -> Action:
    """Say what a spec can name: all settings, or every name of one KIND with its parameters."""

    def action() -> int:
        from gradlab.cli.listing import listing

        return listing(kind, json=json)

    return action
