"""A full setting as text and back, so that a part says by itself what was run."""

from __future__ import annotations

import dataclasses
import json
from functools import lru_cache
from typing import Any

from gradlab.cell import Cell, Named
from gradlab.errors import StoreError

__all__ = ["decode", "encode"]


def encode(cell: Cell) -> str:
    """Return a cell as JSON text from which `decode` makes an equal cell; a component is a list [name, params]."""
    values = {f.name: _plain(getattr(cell, f.name)) for f in dataclasses.fields(Cell)}
    return json.dumps(values, separators=(",", ":"))


def decode(text: str) -> Cell:
    """Return the cell behind `encode`'s text. A field that is missing, because it is newer, has its default.

    Raises StoreError for a field this version does not know.
    """
    values = json.loads(text)
    unknown = sorted(values.keys() - _KINDS.keys())
    if unknown:
        raise StoreError(
            f"a stored cell has the setting {unknown[0]!r}, which this version of gradlab does not know",
            "it was written by a newer version: update gradlab, or run into another directory with --out",
        )
    fields: dict[str, Any] = {name: _KINDS[name](value) for name, value in values.items()}
    return Cell(**fields)


def _plain(value: Any) -> Any:
    return [value.name, dict(value.params)] if isinstance(value, Named) else value


@lru_cache(maxsize=65536)
def _shared(name: str, params: tuple[tuple[str, Any], ...]) -> Named:
    return Named(name, params)


def _named(value: Any) -> Named:
    name, params = value
    return _shared(name, tuple(params.items()))


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_KINDS = {f.name: _named if isinstance(f.default, Named) else _tuple for f in dataclasses.fields(Cell)}
