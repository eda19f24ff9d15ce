"""The page of terms as the site has it: a section for each, so that the search leads to it."""

from __future__ import annotations

import re

from gradlab.api.explain import explain
from gradlab.cell import SETTINGS
from gradlab.terms import TERMS, Term
from sitepages import settings
from sitepages.markdown import code, table

__all__ = ["anchor", "page"]

_INTRODUCTION = """\
# Terms

The terms of reports, help and messages; `gradlab explain TERM` prints an entry, and also what a column, a setting or a
component is. The columns of the tables stand in [a page of their own](columns.md).

"""


def page() -> str:
    """Return the text of the page."""
    return _INTRODUCTION + "\n".join(map(_section, TERMS))


def anchor(name: str) -> str:
    """Return the anchor of a term: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("*", "-star")).strip("-")


def _section(entry: Term) -> str:
    meaning = explain(entry.name)[0]
    rows = [["formula", meaning.formula], ["unit", meaning.unit], ["used in", meaning.used]]
    rows.append(["also", ", ".join(entry.aliases)])
    rows.append(["see also", ", ".join(map(_link, entry.related))])
    text = f"{meaning.meaning[:1].upper()}{meaning.meaning[1:]}.\n\n"
    return f"## {entry.name} {{ #{anchor(entry.name)} }}\n\n{text}" + table(["", ""], [row for row in rows if row[1]])


def _link(name: str) -> str:
    if any(entry.name == name for entry in TERMS):
        return f"[{name}](#{anchor(name)})"
    if name in SETTINGS:
        return f"[{code(name)}](settings.md#{settings.anchor(SETTINGS[name])})"
    return f"[{code(name)}](columns.md)"
