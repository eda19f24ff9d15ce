"""`gradlab list`: what a spec can name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gradlab.cli import completion
from gradlab.cli.flags import Output

if TYPE_CHECKING:
    from rich.text import Text

    from gradlab.api.catalogue import ComponentRow

__all__ = ["list_names"]


def list_names(
    output: Output,
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="activations, inits, optimizers, ...", autocompletion=completion.kinds),
    ] = None,
) -> int:
    """Say what a spec can name: all settings, or every name of one KIND with its parameters."""
    from dataclasses import asdict

    from gradlab.api import catalogue
    from gradlab.terminal.console import print_json, print_report

    if kind is not None:
        listed = catalogue.components(kind)
        if output.json:
            print_json({"kind": listed.setting, "names": [asdict(row) for row in listed.components]})
        else:
            rows = [(row.name, _description(row)) for row in listed.components]
            print_report(lambda glyphs, width: _lines(rows, width))
        return 0
    settings = catalogue.settings()
    if output.json:
        print_json({"settings": [asdict(row) for row in settings], "kinds": sorted(catalogue.kinds())})
        return 0
    described = [(row.name, f"{row.summary} [{row.default}]") for row in settings]
    print_report(lambda glyphs, width: _lines(described, width))
    print(f"\nNames: gradlab list {' | '.join(catalogue.kinds())}")
    return 0


def _description(row: ComponentRow) -> str:
    text = row.summary
    if row.params:
        params = (
            name if value is None else f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in row.params.items()
        )
        text += f" [{', '.join(params)}]"
    return text + (f"; also {', '.join(row.aliases)}" if row.aliases else "")


def _lines(rows: Sequence[tuple[str, str]], width: int | None) -> list[Text]:
    import textwrap

    from rich.text import Text

    indent = max(len(name) for name, _ in rows) + 2
    lines = []
    for name, text in rows:
        folded = [text] if width is None else textwrap.wrap(text, max(width - indent, 20), break_on_hyphens=False)
        lines.append(Text.assemble((name.ljust(indent), "bold"), ("\n" + " " * indent).join(folded)))
    return lines
