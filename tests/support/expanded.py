"""A grid from the text of a spec."""

from __future__ import annotations

from gradlab import grid, spec


def expand(text: str) -> grid.Expansion:
    return grid.expand(spec.loads(f"name: x\n{text}"))
