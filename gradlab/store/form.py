"""The form of a stored part, for which a checksum does not vouch: another version, or anybody, may have written it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gradlab import columns
from gradlab.cell import Cell
from gradlab.store import parts
from gradlab.store.setting import UnknownSetting

__all__ = ["check_columns", "check_profiles"]

_STATUS = {"ok", "diverged"}
_SIZES = ("in_features", "out_features")
_LARGEST = 2**53


def check_columns(table: pa.Table) -> None:
    """Raise UnknownSetting where a column is of another kind, or cells have no id, setting, steps, status or sizes."""
    kinds = {field.name: field.type for field in parts.schema(stacked=True)}
    for field in table.schema:
        if field.name in kinds and field.type != kinds[field.name]:
            raise UnknownSetting(f"{field.name} of another kind")
    for name in ("cell", "setting", "probe_steps"):
        if name not in table.schema.names or table.column(name).null_count:
            raise UnknownSetting(f"no {name}")
    if not all(map(parts.ID.fullmatch, table.column("cell").to_pylist())):
        raise UnknownSetting("an id of another form")
    if "status" in table.schema.names and not _STATUS.issuperset(table.column("status").to_pylist()):
        raise UnknownSetting("another status")
    for name in _SIZES:
        if name in table.schema.names:
            sizes = table.column(name).to_pylist()
            if not all(size is not None and 1 <= size <= _LARGEST for size in sizes):
                raise UnknownSetting(f"impossible {name}")


def check_profiles(table: pa.Table, cells: Sequence[Cell]) -> None:
    """Raise UnknownSetting where the steps are none, or a profile has not the length that its cell asks for."""
    if not cells:
        return
    table = table.combine_chunks()
    steps = table.column("probe_steps").combine_chunks()
    probes = _lengths(steps)
    if (probes < 1).any():
        raise UnknownSetting("no probe_steps")
    values = pc.list_flatten(steps).to_numpy(zero_copy_only=False)
    ends = np.cumsum(probes)
    rising = np.diff(values) > 0
    rising[ends[:-1] - 1] = True  # from one cell to the next
    if values.min() < 0 or not rising.all():
        raise UnknownSetting("impossible probe_steps")
    blocks = np.array([cell.blocks for cell in cells], dtype=np.int64)
    for field in columns.fields("step", "layer", "stacked"):
        if field.name not in table.schema.names:
            continue
        column = table.column(field.name).combine_chunks()
        filled = column.is_valid().to_numpy(zero_copy_only=False)
        lengths = [probes[filled], np.repeat(blocks[filled], probes[filled])]
        for expected in lengths[: 1 if field.kept == "step" else 2]:
            if not np.array_equal(_lengths(column.drop_null()), expected):
                raise UnknownSetting(f"a profile ({field.name}) of another length")
            column = pc.list_flatten(column)


def _lengths(lists: Any) -> NDArray[np.int64]:
    lengths: NDArray[np.int64] = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths
