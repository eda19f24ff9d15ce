"""The commands and their flags. Each returns what is to be done; `gradlab.cli.boundary` does it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradlab import __version__
from gradlab.cli import completion
from gradlab.cli.common import Choice
from gradlab.cli.flags import Fresh, Json, Limit, Machine, Out, SeedOffset, Verbose, with_run_flags
from gradlab.cli.sweep import save_spec, with_setting_flags

if TYPE_CHECKING:
    from gradlab.spec import Spec

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

Specs = Annotated[
    list[Path],
    typer.Argument(
        metavar="SPEC...", help="YAML files, each one experiment.", autocompletion=completion.overrides_or_files
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "-s",
        "--set",
        metavar="KEY=VALUE",
        help="Override the spec: -s depth=2..16 -s train.steps=50.",
        autocompletion=completion.overrides,
    ),
]


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


@app.command("run")
@with_run_flags
def run_command(specs: Specs, choice: Choice, machine: Machine, settings: Overrides = None) -> Action:
    """Run what is not done yet of each SPEC, write the tables and print the report.

    The same command again goes on where it stopped: no cell is run twice.
    """

    def action() -> int:
        from gradlab.cli.common import load_specs

        return _run(load_specs(specs, settings or ()), choice, machine)

    return action


@app.command("sweep")
@with_setting_flags
@with_run_flags
def sweep_command(
    settings: dict[str, str],
    choice: Choice,
    machine: Machine,
    name: Annotated[str, typer.Option("--name", help="Name of the run; made of what varies if left out.")] = "",
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the sweep as a spec, and run nothing.")
    ] = None,
) -> Action:
    """Run a grid given by flags: gradlab sweep --depth 2..64 --activation sigmoid,relu.

    What is left out has a default: the classical activations, each with its usual init, width 32, 100 steps,
    3 seeds. The same sweep again is the same run, and goes on where it stopped.
    """

    def action() -> int:
        from gradlab.api import sweep

        found = sweep.build(settings, name=name, limit=choice.limit)
        if save is not None:
            return save_spec(save, found)
        return _run((found,), choice, machine)

    return action


def _run(specs: Sequence[Spec], choice: Choice, machine: Machine) -> int:
    if machine.dry_run:
        from gradlab.cli.plan import plan

        return plan(specs, choice)
    from gradlab.cli.run import run

    return run(specs, choice, machine)


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
    choice = Choice(out, limit, seed_offset, fresh, json, verbose)

    def action() -> int:
        from gradlab.cli.common import load_specs
        from gradlab.cli.plan import plan

        return plan(load_specs(specs, settings or ()), choice)

    return action


@app.command("plot")
def plot_command(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Run directories, or one above them.")],
    only: Annotated[
        str,
        typer.Option(
            "--only",
            metavar="NAME",
            help="Some pictures: profiles,survival,heatmap,training,effects.",
            autocompletion=completion.choices("profiles", "survival", "heatmap", "training", "effects"),
        ),
    ] = "",
    formats: Annotated[str, typer.Option("--format", metavar="png,svg", help="File formats.")] = "png,svg",
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Instead of RESULTS/plots.")] = None,
) -> Action:
    """Draw the pictures of finished runs anew from their tables."""

    def action() -> int:
        from gradlab.cli.plot import plot

        return plot(results, only=[name for name in only.split(",") if name], formats=formats.split(","), out=out)

    return action


@app.command("report")
def report_command(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Run directories, or one above them.")],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Instead of RESULTS/report.html.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> Action:
    """Write one HTML page about finished runs: tables that sort, profiles beside theory, every CSV behind a button.

    The file needs no network and no other file: it can be mailed, or opened years later.
    """

    def action() -> int:
        from gradlab.cli.page import report

        return report(results, out=out, show=show)

    return action


@app.command("compare")
def compare_command(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Run directories, or one above them.")],
    by: Annotated[str | None, typer.Option("--by", metavar="KEY,...", help="Settings that make the rows.")] = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="survival, survival_final, decay, reach, metric, loss or learned.",
            autocompletion=completion.choices(
                "survival", "survival_final", "decay", "reach", "metric", "loss", "learned"
            ),
        ),
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
        from gradlab.analysis.compare.comparison import Question
        from gradlab.cli.compare import compare

        question = Question(metric, by, where, baseline, sort, top, tuple(fail_on or ()))
        return compare(results, question, csv=csv, json=json)

    return action


@app.command("show")
def show_command(
    cell: Annotated[
        str, typer.Argument(metavar="CELL", help="The id of a cell, or how it begins.", autocompletion=completion.cells)
    ],
    results: Annotated[
        list[Path] | None, typer.Argument(metavar="[RESULTS...]", help="Where to look; left out: results/.")
    ] = None,
    json: Json = False,
) -> Action:
    """Show one cell: its setting, the gradient along its depth beside theory, and how training went."""

    def action() -> int:
        from gradlab.cli.show import show

        return show(cell, results or [Path("results")], json=json)

    return action


@app.command("watch")
def watch_command(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="A run directory, now or soon in use.")],
    every: Annotated[float, typer.Option("--every", min=0.1, metavar="SECONDS", help="How often to look.")] = 1.0,
) -> Action:
    """Follow a run from another terminal until it ends: how far it is, what survives, what has failed."""

    def action() -> int:
        from gradlab.cli.watch import watch

        return watch(results, every=every)

    return action


@app.command("tensorboard")
def tensorboard_command(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Run directories, or one above them.")],
    per_cell: Annotated[
        bool, typer.Option("--per-cell", help="A run of TensorBoard for each cell, not for each configuration.")
    ] = False,
) -> Action:
    """Write what TensorBoard reads into the tensorboard/ of each run directory."""

    def action() -> int:
        from gradlab.cli.tensorboard import board

        return board(results, per_cell=per_cell)

    return action


@app.command("list")
def list_command(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="activations, inits, optimizers, ...", autocompletion=completion.kinds),
    ] = None,
    json: Json = False,
) -> Action:
    """Say what a spec can name: all settings, or every name of one KIND with its parameters."""

    def action() -> int:
        from gradlab.cli.listing import listing

        return listing(kind, json=json)

    return action
