"""`gradlab show`: one cell, wherever it lies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradlab.cli import completion
from gradlab.cli.flags import CompareOutput
from gradlab.cli.next_steps import page, suggest

__all__ = ["show"]


def show(
    cell: Annotated[
        str, typer.Argument(metavar="CELL", help="The id of a cell, or how it begins.", autocompletion=completion.cells)
    ],
    output: CompareOutput,
    results: Annotated[
        list[Path] | None, typer.Argument(metavar="[RESULTS...]", help="Where to look; left out: results/.")
    ] = None,
) -> int:
    """Show one cell: its setting, its gradient along the depth beside theory, and its training."""
    from gradlab.api.show import show as read_cell
    from gradlab.report.terminal.single_cell import cell_report
    from gradlab.terminal.console import print_json, print_report

    stored_cell = read_cell(cell, results or [Path("results")])
    if output.json:
        print_json(stored_cell.document())
    else:
        print_report(
            lambda glyphs, width: cell_report(
                stored_cell.tables, stored_cell.cell, stored_cell.run, glyphs, width, verbose=output.verbose
            )
        )
        suggest(page(stored_cell.directory))
    return 0
