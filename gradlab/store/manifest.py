"""``tables.json``: what the tables of a run were made from, so that their content shows whether they are stale."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from gradlab.store.documents import parse

__all__ = ["MANIFEST", "Manifest"]

MANIFEST = "tables.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The parts and the spec behind the tables, and the tables themselves."""

    parts: Mapping[str, str]
    """Checksum that the part of each bank carries (`parts.digest`)."""
    spec: str
    """SHA-256 of ``spec.yaml``; empty where there was none."""
    tables: Mapping[str, str]
    """SHA-256 of the file of each table, by the name of the table."""

    def encode(self) -> bytes:
        """Return the content of the file."""
        return (json.dumps({"format": 1, **asdict(self)}, indent=1) + "\n").encode()

    @classmethod
    def decode(cls, data: bytes) -> Manifest | None:
        """Return the manifest in a file's content; None for another format."""
        try:
            document = parse(data)
            texts = {
                name: {str(key): str(value) for key, value in document[name].items()} for name in ("parts", "tables")
            }
            return cls(texts["parts"], str(document["spec"]), texts["tables"]) if document["format"] == 1 else None
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
