"""Cells out of published parts, side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from gradlab.cell import Cell
from gradlab.store import parts
from gradlab.store.form import check_columns, check_profiles
from gradlab.store.records import Records, Unreadable
from gradlab.store.setting import UnknownSetting, decode

__all__ = ["load"]

_TABLES_AT_ONCE = 256


def load(
    paths: Iterable[Path], ids: Sequence[str] | None, names: Collection[str] | None
) -> tuple[Records, list[Unreadable]]:
    """Return the cells `ids` out of parts, in that order (without `ids` all, ordered by part), and the parts that
    cannot be read. A cell that several have is that of the first. With `names` only these fields are read."""
    requested = None if ids is None else set(ids)
    joined: list[pa.Table] = []
    tables: list[pa.Table] = []
    cells: dict[str, Cell] = {}
    unreadable = []
    for path in paths:
        try:
            table = parts.read(path, names)
            check_columns(table)
            rows = [
                row
                for row, cell in enumerate(table.column("cell").to_pylist())
                if cell not in cells and (requested is None or cell in requested)
            ]
            table = table.take(pa.array(rows, pa.int64()))
            settings = [decode(text) for text in table.column("setting").to_pylist()]
            check_profiles(table, settings)
        except parts.Damaged as damage:
            unreadable.append(Unreadable(f"parts/{path.name}", str(damage)))
        except UnknownSetting as unknown:
            unreadable.append(Unreadable(f"parts/{path.name}", unknown.message, "cannot be read", unknown.hint))
        else:
            cells |= dict(zip(table.column("cell").to_pylist(), settings, strict=True))
            table = table.drop_columns(["setting"])  # most of the bytes of a small network
            tables.append(table.append_column("bank", pa.array([path.stem] * len(table), pa.string())))
            if len(tables) == _TABLES_AT_ONCE:  # each has buffers of its own for every column
                joined.append(pa.concat_tables(tables, promote_options="default").combine_chunks())
                tables = []
    tables = [*joined, *tables] or [parts.schema().empty_table().append_column("bank", pa.array([], pa.string()))]
    whole = pa.concat_tables(tables, promote_options="default")
    if ids is not None:
        place = {cell: row for row, cell in enumerate(cells)}
        ids = [cell for cell in ids if cell in cells]
        whole = whole.take(pa.array([place[cell] for cell in ids], pa.int64()))
    return parts.measured(whole, names, [cells[cell] for cell in (cells if ids is None else ids)]), unreadable
