"""The commands. What one says on the command line becomes an action, which `gradlab.cli.entry` carries out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from gradlab import __version__
from gradlab.cli.catalogue import init, list_names, schema
from gradlab.cli.compare import compare
from gradlab.cli.explain import explain
from gradlab.cli.exports import plot, report, tensorboard
from gradlab.cli.flags import with_flags
from gradlab.cli.help import HelpedCommand, HelpedGroup
from gradlab.cli.probe import probe
from gradlab.cli.run import plan, run, sweep
from gradlab.cli.show import show
from gradlab.cli.theory import theory
from gradlab.cli.watch import watch
from gradlab.cli.width import width

__all__ = ["COMMANDS", "app"]

app = typer.Typer(
    name="gradlab",
    cls=HelpedGroup,
    help="Gradients in deep networks: whether they survive, why they do not, and what helps.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"gradlab {__version__}")
        raise typer.Exit()


@app.callback()
def _gradlab(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


COMMANDS: dict[str, Callable[..., int]] = {
    "run": run, "sweep": sweep, "theory": theory, "probe": probe, "width": width, "plan": plan, "plot": plot,
    "report": report, "compare": compare, "show": show, "watch": watch, "tensorboard": tensorboard,
    "list": list_names, "schema": schema, "init": init, "explain": explain,
}  # fmt: skip
for _name, _command in COMMANDS.items():
    app.command(_name, cls=HelpedCommand)(with_flags(_command))
