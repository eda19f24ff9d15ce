"""JSON that somebody else may have written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gradlab.errors import StoreError
from gradlab.store.atomic import explained

__all__ = ["FORMAT", "document_of", "parse"]

FORMAT = 1
"""Of the documents about models of the user: ``run.json`` of a watched training, ``probe.json``."""

_DEEPEST = 32
"""Levels of lists and objects; those of gradlab have five."""


def parse(data: bytes | str) -> Any:
    """Return the document in `data`. Raises ValueError for what is none, or is nested too deeply or too large."""
    try:
        document = json.loads(data)
    except (RecursionError, MemoryError) as error:
        raise ValueError("nested too deeply, or too large") from error
    level = [document]
    for _ in range(_DEEPEST):
        level = [item for value in level for item in _items(value) if isinstance(item, (dict, list))]
        if not level:
            return document
    raise ValueError("nested too deeply")


def document_of(path: Path) -> dict[str, Any]:
    """Return the document in a file about a model of the user.

    Raises StoreError where there is none, where it is damaged, and where a newer version has written it.
    """
    with explained("read", path):
        if not path.is_file():  # a pipe would never end
            raise StoreError(f"{path} is not there", "")
        data = path.read_bytes()
    try:
        document = parse(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise StoreError(f"{path} is damaged: it is no JSON document", "")
    version = document.get("format")
    if not isinstance(version, int) or version > FORMAT:
        raise StoreError(
            f"{path} is of format {version!r}, which this version of gradlab does not know",
            "it was written by a newer version: update gradlab",
        )
    return document


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
