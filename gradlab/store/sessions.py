"""``run.json``: the name of a spec, and one entry for each session that computed something."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from gradlab.store.documents import parse

__all__ = ["decode", "encode", "moment"]

_COUNTS = ("cells", "computed", "reused", "failed")
_MOST = 2**63


def encode(name: str, sessions: Sequence[Mapping[str, Any]]) -> str:
    """Return the content of the file."""
    return json.dumps({"format": 1, "name": name, "sessions": list(sessions)}, indent=2) + "\n"


def decode(text: str) -> list[dict[str, Any]]:
    """Return the sessions of a file's content, oldest first; none where it is not what `encode` makes.

    Numbers of cells that are none are left out: whoever reads them has whole numbers of at least 0.
    """
    try:
        document = parse(text)
    except ValueError:  # provenance that someone edited must not stop a run
        return []
    sessions = document.get("sessions") if isinstance(document, dict) else None
    if not isinstance(sessions, list):
        return []
    return [
        {key: value for key, value in entry.items() if key not in _COUNTS or _is_count(value)}
        for entry in sessions
        if isinstance(entry, dict)
    ]


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def moment(text: object) -> float | None:
    """Return a time as ISO 8601 has it in seconds since 1970; None for what is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
