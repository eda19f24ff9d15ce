"""A notebook as a page: its texts, its code, and the outputs that it was saved with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sitepages.markdown import fenced

__all__ = ["page"]


def page(path: Path) -> str:
    """Return the text of a page with the cells of a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    title = _text(cells[0]["source"]).partition("\n")[0]
    rest = _text(cells[0]["source"]).partition("\n")[2]
    note = f"\nThis page is [{path.name}](files/{path.name}) as it was saved, outputs included.\n"
    return "\n".join([title, note, rest, "", *map(_cell, cells[1:])])


def _cell(cell: dict[str, Any]) -> str:
    if cell["cell_type"] != "code":
        return f"{_text(cell['source'])}\n"
    outputs = "\n".join(filter(None, map(_output, cell.get("outputs", []))))
    return f"{fenced(_text(cell['source']), 'python')}\n{outputs}"


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        picture = _text(data["image/png"]).replace("\n", "")
        return f'<div class="notebook-output"><img alt="output" src="data:image/png;base64,{picture}"></div>\n'
    if "text/html" in data:
        return f'<div class="notebook-output" markdown="0">{_text(data["text/html"])}</div>\n'
    if "text/plain" in data:
        return fenced(_text(data["text/plain"]), "text")
    return ""


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)
