"""The directory of a saved probe: ``probe.json`` is what was measured, ``blocks.csv`` and ``probe.html`` show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gradlab.errors import StoreError
from gradlab.store.documents import document_of

__all__ = ["PROBE_FILES", "ProbeDirectory", "is_saved_probe"]

PROBE_FILES = ("probe.html", "blocks.csv", "probe.json")
_WHOLE = PROBE_FILES[-1]


def is_saved_probe(path: Path) -> bool:
    """Return whether a directory has the file of a saved probe, damaged or not."""
    try:
        return (path / _WHOLE).is_file()
    except (OSError, ValueError):
        return False


class ProbeDirectory:
    """One directory; making the object touches nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def document(self) -> dict[str, Any]:
        """Return what ``probe.json`` says. Raises StoreError where it is damaged, or of a newer version."""
        path = self.path / _WHOLE
        document = document_of(path)
        if not isinstance(document.get("blocks"), list) or not document["blocks"]:
            raise StoreError(f"{path} is not as gradlab wrote it: it has no blocks", "save the probe again")
        return document
