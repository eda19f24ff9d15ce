"""Tables and sentences of cells that are trained here, in this process."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from gradlab.cell import SETTINGS, Cell
from gradlab.record import Record
from gradlab.report.model.causes import causes
from gradlab.report.model.rows import by_axis, rows_of
from gradlab.results.tables import Tables, tables
from gradlab.store import parts
from gradlab.training.loop import train_bank

PROVENANCE = {"wall_s": 0.5, "device": "cpu", "gradlab": "0", "torch": "2"}


def trained(cells: Sequence[Cell]) -> Tables:
    """Return the tables of cells, those that may share a bank lying together in them."""

    def shared(cell: Cell) -> tuple[Any, ...]:
        return tuple(getattr(cell, field.attribute) for field in SETTINGS.values() if not field.per_replica)

    records = [record for _, bank in groupby(cells, shared) for record in train_bank(list(bank))]
    return tables_of(cells, records)


def tables_of(cells: Sequence[Cell], records: Sequence[Record]) -> Tables:
    """Return the tables of cells with these records."""
    table = parts.to_table(cells, records, PROVENANCE)
    return tables(parts.measured(table.append_column("bank", [["b"] * len(cells)])))


def seeds(count: int = 2, **settings: Any) -> list[Cell]:
    """Return one configuration with some seeds."""
    return [Cell(**settings, seed=seed) for seed in range(count)]


def said(made: Tables) -> list[str]:
    """Return the conclusions of a run with these tables."""
    return [sentence for part in by_axis(made) for sentence in causes(rows_of(part))]


def sentence(made: Tables, begins: str) -> str:
    """Return the conclusion that begins with some words; empty without one."""
    return next((text for text in said(made) if text.startswith(begins)), "")


def number_after(text: str, words: str) -> float:
    """Return the number behind some words, `10^-3.5` as one."""
    match = re.search(re.escape(words) + r" ?(?:(10\^)?(-?\d[\d.,]*(?:e[-+]\d+)?))", text)
    assert match, (words, text)
    value = float(match[2].rstrip(".,"))
    return 10**value if match[1] else value
