"""How data get into HTML unharmed: JSON that no browser can take for markup, and compressed files as base64."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradlab.columns import TABLES as MEANINGS
from gradlab.report.formatting import size
from gradlab.report.json_values import json_value
from gradlab.report.page.source import TABLES, Source
from gradlab.store.atomic import explained

__all__ = ["BUDGET", "Attached", "as_json", "attach"]

BUDGET = 3_000_000
"""Bytes that the embedded tables may take in the page."""
_LARGEST = 40_000_000
"""Bytes of a table that is not even tried: compressed it takes about a third, which is far beyond the budget."""

_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def as_json(document: Any) -> str:
    """Return strict JSON that may stand in a script element: NaN is null, infinities are the texts inf and -inf.

    `<`, `>`, `&` and the line separators of JavaScript occur in strings only, where an escape means the same.
    """
    text = json.dumps(json_value(document), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


@dataclass(frozen=True, slots=True)
class Attached:
    """The tables of all runs: what the page says of each, and the contents of those that fit."""

    files: list[list[dict[str, Any]]]
    """For each run one entry for each table: `name`, `bytes`, `rows`, `id` of the content or None."""
    contents: dict[str, str]
    """gzip as base64, by id."""
    notes: list[str]


def attach(sources: Sequence[Source], unit: str, budget: int = BUDGET) -> Attached:
    """Return the CSV files of all runs, byte for byte, the shortest tables first, as many as fit into `budget`.

    `unit` is the word for an element of a profile.
    """
    files: list[list[dict[str, Any]]] = [[] for _ in sources]
    contents: dict[str, str] = {}
    lost = []
    for table in TABLES:
        for run, source in enumerate(sources):
            if table not in source.run.table_names:
                continue
            path = source.run.path / f"{table}.csv"
            with explained("read", path):
                length = path.stat().st_size if path.is_file() else 0
            text = ""
            if length <= _LARGEST:
                data = source.run.csv(table)
                length, text = len(data), base64.b64encode(gzip.compress(data, mtime=0)).decode("ascii")
            rows = None if table in ("layers", "stacked") else len(getattr(source.tables, table))
            fits = bool(text) and len(text) <= budget
            name = f"file-{run}-{table}"
            rows_are = f"one row per cell, probed step and {unit}" if table == "layers" else MEANINGS[table]
            about = {"name": path.name, "rows_are": rows_are, "bytes": length, "rows": rows}
            files[run].append(about | {"id": name if fits else None})
            if fits:
                budget -= len(text)
                contents[name] = text
            else:
                lost.append(f"{source.name}/{path.name} ({size(length)})" if len(sources) > 1 else
                            f"{path.name} ({size(length)})")  # fmt: skip
    notes = [f"too large for this file, and beside it in the run directory: {', '.join(lost)}"] if lost else []
    return Attached(files, contents, notes)
