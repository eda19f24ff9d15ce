"""The cases that Python's interpreter of conditions and that of the report page are held to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gradlab.query import NUMBER, TEXT, TRUTH, Columns, Expression, parse, setting_columns

CASES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "query" / "cases.json").read_text(encoding="utf-8")
)
"""`rows`; what `holds` for which of them (1 yes, 0 no, ? unknown); `errors`; `words` to search for."""
COLUMNS = {**setting_columns(), "survival": NUMBER, "learned": TRUTH, "device": TEXT}


def read(text: str) -> Expression:
    return parse(text, Columns(COLUMNS).bind)


HOSTILE = {
    "digits and a letter": "survival>" + "1" * 1_000_000 + "x",
    "short enough": "survival>" + "1" * 19_000 + "x",
    "digits and underscores": "survival>" + "1_" * 9_000 + "x",
    "parentheses": "(" * 19_000,
    "parentheses of a value": "norm=a" + "(" * 19_000,
    "nots": "not " * 4_500 + "depth=3",
    "brackets": "depth in " + "[" * 19_000,
    "quotation marks": "norm=" + "'" * 19_000,
    "open quotation marks": "norm='a' " * 2_000 + "'",
    "dots": "depth=" + "." * 19_000,
    "spaces": "depth=3" + " " * 19_000 + "..",
    "commas": "," * 19_000,
    "a long list": "depth in [" + "3," * 9_000,
    "conditions": "depth=3 " * 2_400,
    "an unknown name": "x" * 19_000 + "=3",
}
"""Texts that a parser with a backtracking or a recursive part would not come back from."""
