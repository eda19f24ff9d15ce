"""JSON that somebody else may have written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

__all__ = ["parse"]

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


def _items(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
