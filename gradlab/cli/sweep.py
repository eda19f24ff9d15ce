"""`gradlab sweep`: a grid given by flags; every setting of a spec is one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradlab.api.options import RunOptions
from gradlab.cli.flags import RunOutput, Settings
from gradlab.cli.run import run_specs

__all__ = ["sweep"]


def sweep(
    settings: Settings,
    options: RunOptions,
    output: RunOutput,
    name: Annotated[str, typer.Option("--name", help="Name of the run; made of what varies if left out.")] = "",
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the sweep as a spec, and run nothing.")
    ] = None,
) -> int:
    """Run a grid given by flags: gradlab sweep --depth 2..64 --activation sigmoid,relu.

    What is left out has a default: the classical activations, each with its usual init, width 32, 100 steps,
    3 seeds. The same sweep again is the same run, and goes on where it stopped.
    """
    from gradlab.api.sweep import save_spec, sweep_spec

    spec = sweep_spec(settings, name=name, limit=options.limit)
    if save is None:
        return run_specs((spec,), options, output)
    save_spec(spec, save)
    print(f"saved as {save}; run it with: gradlab run {save}")
    return 0
