"""`gradlab list`, `schema` and `init`: what a spec can name and hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradlab.cli import completion
from gradlab.cli.flags import Output
from gradlab.cli.next_steps import after_init, after_list, suggest

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["init", "list_names", "schema"]


def list_names(
    output: Output,
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="activations, inits, experiments, ...", autocompletion=completion.kinds),
    ] = None,
) -> int:
    """List what a spec can name: all settings, the components of one KIND with their parameters, or the experiments."""
    from gradlab.api import catalogue
    from gradlab.terminal.console import out, print_json, print_report

    if kind is None:
        rows, kinds = catalogue.settings(), catalogue.kinds()
        document = {"settings": rows, "kinds": sorted(kinds)}
        described = [(row["name"], f"{row['summary']} [{row['default']}]") for row in rows]
    else:
        key, rows = catalogue.components(kind)
        document = {"kind": key, "names": rows}
        described = [(row["name"], _description(row)) for row in rows]
    if output.json:
        print_json(document)
        return 0
    print_report(lambda glyphs, width: _lines(described, width))
    if kind is None:
        out(f"\nNames: gradlab list {' | '.join(kinds)}")
    suggest(after_list(kind, [row["name"] for row in rows]) if rows else None)
    return 0


def schema() -> int:
    """Print the JSON Schema of a spec, with which editors complete and check it: gradlab schema > schema.json.

    An editor with the YAML language server takes it by a first line in the spec, which gradlab init --schema writes:
    # yaml-language-server: $schema=schema.json
    """
    from gradlab.api import catalogue
    from gradlab.terminal.console import print_json

    print_json(catalogue.schema())
    return 0


def init(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Of the run, my_first_run if left out; the file is NAME.yaml."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="EXPERIMENT",
            help="Copy an experiment: gradlab list experiments.",
            autocompletion=completion.experiment_names,
        ),
    ] = None,
    schema: Annotated[
        bool,
        typer.Option("--schema", help="Write the JSON Schema too, with which an editor completes and checks the spec."),
    ] = False,
) -> int:
    """Write a commented spec with every setting and its default, or a copy of an experiment: gradlab init mine --from
    rnn_long_range."""
    from gradlab.api.starting_spec import write_starting_spec
    from gradlab.terminal.console import out

    paths = write_starting_spec(name, source, schema=schema)
    out("\n".join(f"wrote {path}" for path in paths))
    suggest(after_init(paths[0]))
    return 0


def _description(row: Mapping[str, Any]) -> str:
    text = str(row["summary"])
    if row.get("params"):
        params = (
            name if value is None else f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in row["params"].items()
        )
        text += f" [{', '.join(params)}]"
    return text + (f"; also {', '.join(row['aliases'])}" if row.get("aliases") else "")


def _lines(rows: Sequence[tuple[str, str]], width: int | None) -> Iterator[Text]:
    import textwrap

    from rich.text import Text

    indent = max(len(name) for name, _ in rows) + 2
    for name, text in rows:
        folded = [text] if width is None else textwrap.wrap(text, max(width - indent, 20), break_on_hyphens=False)
        yield Text.assemble((name.ljust(indent), "bold"), ("\n" + " " * indent).join(folded))
