"""One HTML file out of a document: style, script and data in a single page that asks for nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from gradlab.errors import printable
from gradlab.report.page.document import document
from gradlab.report.page.embed import as_json

__all__ = ["Page", "build_page", "stylesheet"]

_SCRIPTS = (
    "elements", "formatting", "document", "state", "clipboard", "downloads", "virtual",
    "query/scanner", "query/parser", "query/columns", "query/expressions", "filter",
    "chart", "figure", "export", "export_table", "steps", "pins", "configuration",
    "profile", "profile_gradient", "profile_blocks", "curves",
    "heatmap_measures", "heatmap_grid", "heatmap_navigation", "heatmap",
    "overview_columns", "overview", "effects", "header", "conclusions", "provenance", "link", "page",
)  # fmt: skip
"""Files of ``assets/`` that make up the script, in the order in which they build on each other."""
_STYLES = ("colours", "base", "tables", "heatmap", "profile", "media")
"""Files of ``assets/`` that make up the style; the last for narrow screens, paper and wishes of readers."""


@dataclass(frozen=True, slots=True)
class Page:
    """A finished page, and of `Document` what was left out, what cannot be read and what was made anew."""

    html: str
    notes: tuple[str, ...]
    lost: tuple[tuple[str, str], ...]
    rebuilt: tuple[tuple[str, str], ...]


def build_page(paths: Sequence[Path]) -> Page:
    """Return the page of the run directories among `paths` and directly below them. The same runs, the same bytes.

    Nothing of a run becomes markup: the title is escaped, all else is JSON (see `as_json`) that the script puts into
    text nodes, and by its content security policy the page runs no script but ours and loads nothing.
    Raises UsageError and StoreError as `document` does.
    """
    page = document(paths)
    style, script = stylesheet(), _script()
    contents = "\n".join(
        f'<script type="application/gzip;base64" id="{name}">{text}</script>'
        for name, text in page.attached.contents.items()
    )
    text = Template(_asset("page.html")).substitute(
        title=html.escape(printable(page.title)),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=as_json(page.content),
        files=contents,
    )
    return Page(text, page.notes, page.lost, page.rebuilt)


def _asset(name: str) -> str:
    return (resources.files("gradlab.report.page") / "assets" / name).read_text(encoding="utf-8")


_COMMENT = re.compile(r"^\s*(?:/\*.*?\*/|//[^\n]*)\n", re.DOTALL | re.MULTILINE)


def _compact(text: str) -> str:
    """Return a script or style without its comments that fill whole lines, and without indents: a third of it."""
    lines = (line.strip() for line in _COMMENT.sub("", text).split("\n"))
    return "".join(f"{line}\n" for line in lines if line)


def stylesheet() -> str:
    """Return the style of all pages."""
    return _compact("".join(_asset(f"{name}.css") for name in _STYLES))


def _script() -> str:
    """Return all scripts as one, in a scope of its own."""
    return _compact('"use strict";\n(() => {\n' + "\n".join(_asset(f"{name}.js") for name in _SCRIPTS) + "})();\n")


def _hash(text: str) -> str:
    """Return the source expression by which a content security policy knows an inline element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
