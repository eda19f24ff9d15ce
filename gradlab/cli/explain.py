"""`gradlab explain`: what a number or a word means, with its formula and where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gradlab.cli import completion
from gradlab.cli.flags import Output
from gradlab.cli.next_steps import after_explain, suggest

if TYPE_CHECKING:
    from rich.text import Text

    from gradlab.api.explain import Explanation
    from gradlab.report.glyphs import Glyphs

__all__ = ["explain"]


def explain(
    output: Output,
    name: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]", help="A term, a column, a setting or a component.", autocompletion=completion.explained
        ),
    ] = None,
) -> int:
    """Explain a term or a column of a report, with its formula and where it is used: gradlab explain survival.

    Without a name: all terms, columns and settings.
    """
    from gradlab.api.explain import explain as meanings_of
    from gradlab.api.explain import listed
    from gradlab.terminal.console import print_json, print_report

    if not name:
        kinds = listed()
        if output.json:
            print_json(kinds)
        else:
            print_report(lambda glyphs, width: _listing(kinds, width))
            suggest(after_explain(()))
        return 0
    meanings = meanings_of(" ".join(name))
    if output.json:
        print_json({"meanings": [meaning.document() for meaning in meanings]})
    else:
        print_report(lambda glyphs, width: _lines(meanings, glyphs, width))
        suggest(after_explain(meanings[0].related))
    return 0


def _listing(kinds: dict[str, list[str]], width: int | None) -> Iterator[Text]:
    from rich.text import Text

    from gradlab.report.terminal.entries import wrapped

    for kind, names in kinds.items():
        yield Text(kind, "bold")
        text = ", ".join(name.replace(" ", "\N{NO-BREAK SPACE}") for name in names)
        yield from wrapped(f"  {text}", width)
        yield Text()
    yield from wrapped("One of them: gradlab explain NAME. Values of a setting: gradlab list KIND.", width)


def _lines(meanings: Sequence[Explanation], glyphs: Glyphs, width: int | None) -> Iterator[Text]:
    from rich.text import Text

    from gradlab.report.terminal.entries import wrapped

    for index, meaning in enumerate(meanings):
        if index:
            yield Text()
        yield Text.assemble((meaning.name, "bold"), f" {glyphs.dot} {meaning.kind}")
        labelled = (
            ("formula", meaning.formula), ("unit", meaning.unit), ("default", meaning.default),
            ("used in", meaning.used), ("see also", ", ".join(meaning.related)),
        )  # fmt: skip
        yield from wrapped(f"  {glyphs.plain(meaning.meaning)}", width)
        for label, text in labelled:
            if text:
                yield from wrapped(f"  {label + ':':<9} {glyphs.plain(text)}", width, indent=" " * 12)
