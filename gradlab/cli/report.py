"""`gradlab report`: finished runs as one HTML file."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gradlab.api.options import ReportOptions
from gradlab.cli.flags import Results

__all__ = ["report"]


def report(
    results: Results,
    options: ReportOptions,
    show: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> int:
    """Write one HTML page about finished runs: tables that sort, profiles beside theory, every CSV behind a button.

    The file needs no network and no other file: it can be mailed, or opened years later.
    """
    import webbrowser

    from gradlab.api.report import report as write_page
    from gradlab.report.formatting import size
    from gradlab.terminal.console import warn

    page = write_page(results, options)
    print(f"{page.path} ({size(page.bytes)})")
    for note in page.notes:
        print(f"left out: {note}", file=sys.stderr)
    for warning in (*page.lost, *page.rebuilt):
        warn(*warning)
    if show and not webbrowser.open(page.path.resolve().as_uri()):
        print(f"no browser could be started: open {page.path} yourself", file=sys.stderr)
    return 1 if page.lost else 0
