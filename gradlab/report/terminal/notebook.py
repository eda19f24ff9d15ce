"""Lines of a report as HTML for a notebook: the terminal's colours, in the notebook's own background."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from gradlab.analysis.expectations import Judgement
from gradlab.errors import printable
from gradlab.report.glyphs import UNICODE, shown
from gradlab.report.terminal.expectations import expectation_lines
from gradlab.report.terminal.run import RunReport, run_report

__all__ = ["html", "lines"]

_PRE = (
    '<pre style="line-height:1.25;overflow-x:auto;white-space:pre;'
    "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\">{code}</pre>"
)


def lines(result: RunReport, judgements: Sequence[Judgement], width: int | None, best: str | None = None) -> list[Text]:
    """Return the lines of a report with what came of the expectations, as `gradlab run` prints them; with `best` each
    configuration at its best value of these settings."""
    return [
        *run_report(result, UNICODE, width, verbose=True, best=best),
        *([Text(), *expectation_lines(judgements, UNICODE, width)] if judgements else []),
    ]


def html(text: Sequence[Text | str]) -> str:
    """Return lines as one block of preformatted text; everything in them is escaped."""
    console = Console(
        record=True,
        file=io.StringIO(),
        width=10_000,
        force_terminal=True,
        force_jupyter=False,  # it would show the lines there, one by one
        color_system="truecolor",
        highlight=False,
        markup=False,
        emoji=False,
    )
    for line in text:
        console.print(printable(line) if isinstance(line, str) else shown(line), soft_wrap=True)
    return console.export_html(inline_styles=True, code_format=_PRE)
