"""Cells and values of a short spec."""

from __future__ import annotations

from typing import Any

from gradlab import grid, spec
from gradlab.cell import SETTINGS, Cell


def cells(text: str, *overrides: str) -> tuple[Cell, ...]:
    return grid.expand(spec.loads(f"name: x\n{text}", overrides=overrides)).cells


def only_cell(text: str) -> Cell:
    (cell,) = cells(text)
    return cell


def values(text: str, key: str) -> list[Any]:
    return [getattr(cell, SETTINGS[key].attribute) for cell in cells(text)]
