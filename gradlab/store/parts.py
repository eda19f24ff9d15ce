"""One published bank as one Parquet file: records to columns and back, with a checksum over every byte.

The checksum lies in the file's own metadata: it is the SHA-256 of the file with the checksum's 64 digits
written as zeros. Parquet alone would notice a cut file, but not a bit that turned over inside a number.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gradlab import columns
from gradlab.cell import Cell, cell_id
from gradlab.errors import StoreError, printable
from gradlab.record import Floats, Record
from gradlab.store.atomic import explained, write_bytes
from gradlab.store.records import Integers, Records
from gradlab.store.setting import decode, encode

__all__ = ["Damaged", "digest", "measured", "read", "read_cells", "schema", "to_table", "write"]

_ZEROS = b"0" * 64
_MAGIC = b"PAR1"
ID = re.compile("[0-9a-f]{8,64}")
"""Form of the id of a cell."""
_CHECKSUM = re.compile(rb"sha256:([0-9a-f]{64})")
_TYPES = {"float": pa.float64(), "int": pa.int64(), "text": pa.string(), "bool": pa.bool_()}
_AXES: dict[columns.Kept, int] = {"cell": 0, "bank": 0, "step": 1, "layer": 2, "stacked": 3}
"""Axes of a field: probed steps, blocks, stacked layers."""


class Damaged(Exception):
    """A part whose bytes are not those that were published; the text says what is wrong."""


def schema(*, stacked: bool = False) -> pa.Schema:
    """Return the columns of a part: the fields of the schema, the probed steps and the setting as JSON text.

    `stacked` adds the fields per stacked layer, which only parts with such networks have.
    """
    fields = [(field.name, _type(field)) for field in columns.fields() if stacked or field.kept != "stacked"]
    ours = [("probe_steps", pa.list_(pa.int64())), ("setting", pa.string())]
    return pa.schema([*fields, *ours, *((field.name, _type(field)) for field in columns.fields("bank"))])


def _type(field: columns.Column) -> pa.DataType:
    kind = _TYPES[field.kind]
    for _ in range(_AXES[field.kept]):
        kind = pa.list_(kind)
    return kind


def to_table(cells: Sequence[Cell], records: Sequence[Record], provenance: Mapping[str, Any]) -> pa.Table:
    """Return one row per cell with the columns of `schema`; `provenance` has the fields that are kept of a bank.

    Raises ValueError when the records are not those of the cells, in their order, or disagree in their shapes.
    """
    if [record.cell for record in records] != [cell_id(cell) for cell in cells]:
        raise ValueError(f"the records of {len(records)} cells are not those of the {len(cells)} cells asked for")
    for cell, record in zip(cells, records, strict=True):
        lengths = (len(record.probe_steps), cell.blocks)
        for field in columns.fields("step", "layer", "stacked"):
            shape, axes = getattr(record, field.name).shape, _AXES[field.kept]
            if len(shape) != axes or shape[:2] != lengths[:axes]:
                raise ValueError(f"{field.name} of cell {record.cell} has shape {shape}, not {lengths[:axes]}")
    stacked = any(getattr(record, field.name).size for field in columns.fields("stacked") for record in records)
    layout = schema(stacked=stacked)
    shared = {field.name: [provenance[field.name]] * len(records) for field in columns.fields("bank")}
    values = {
        name: [_listed(getattr(record, name)) for record in records]
        for name in layout.names
        if name not in {"setting", *shared}
    }
    return pa.table({**values, "setting": [encode(cell) for cell in cells], **shared}, schema=layout)


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def write(path: Path, table: pa.Table) -> None:
    """Publish a table of `to_table` under `path`: afterwards it is there completely, or not at all."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"checksum": b"sha256:" + _ZEROS})
    data = sink.getvalue().to_pybytes()
    checksum = hashlib.sha256(data).hexdigest().encode()
    at = data.rindex(b"sha256:" + _ZEROS) + len(b"sha256:")
    write_bytes(path, data[:at] + checksum + data[at + 64 :])


def read(path: Path, names: Collection[str] | None = None) -> pa.Table:
    """Return the table of a part, or with `names` these fields, its cells, their settings and probed steps.

    Raises Damaged when any bit of it has changed, StoreError when it cannot be read.
    """
    data = _checked(path)
    try:
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
        if names is None:
            return file.read()
        requested = {"cell", "setting", "probe_steps", *names}
        return file.read([name for name in file.schema_arrow.names if name in requested])
    except (pa.ArrowException, OSError) as error:
        raise Damaged(str(error).splitlines()[0]) from error


def read_cells(path: Path, *, verify: bool) -> list[str]:
    """Return the ids of the cells in a part, reading only that column unless every byte is to be verified.

    Raises Damaged like `read`; without `verify` only for damage that Parquet itself notices.
    """
    with explained("open", path):
        _require_file(path)
        source = pa.BufferReader(_checked(path)) if verify else path.open("rb")
    try:
        with source:
            # a buffer would be filled by a thread that holds `source`, and may outlive the interpreter: it then aborts
            file = pq.ParquetFile(source, pre_buffer=False)
            ids: list[str] = file.read(["cell"], use_threads=False).column("cell").to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise Damaged(str(error).splitlines()[0]) from error
    if not all(isinstance(cell, str) and ID.fullmatch(cell) for cell in ids):
        raise Damaged("its cells have no ids")
    return ids


def digest(path: Path) -> str:
    """Return the checksum that a part carries, which tells one content from another; nothing but its end is read.

    Raises Damaged where there is none, StoreError when the part cannot be read.
    """
    _require_file(path)
    with explained("read", path), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        length = int.from_bytes(file.read(4), "little") + 8
        if file.read(4) != _MAGIC:
            raise Damaged("it is cut short")
        file.seek(max(0, size - length))
        return _checksum(file.read(), 0)[1]


def _checked(path: Path) -> bytes:
    _require_file(path)
    with explained("read", path):
        data = path.read_bytes()
    if len(data) < 12 or data[-4:] != _MAGIC:
        raise Damaged("it is cut short" if data[:4] == _MAGIC else "it is not a Parquet file")
    at, stored = _checksum(data, len(data) - 8 - int.from_bytes(data[-8:-4], "little"))
    actual = hashlib.sha256(data[:at])
    actual.update(_ZEROS)
    actual.update(data[at + 64 :])
    if actual.hexdigest() != stored:
        raise Damaged("its checksum does not fit its content")
    return data


def _require_file(path: Path) -> None:
    """Raise Damaged for a directory, a pipe or a device in the place of a part: opening it might wait forever."""
    with explained("read", path):
        if not stat.S_ISREG(path.stat().st_mode):
            raise Damaged("it is not a file")


def _checksum(data: bytes, footer: int) -> tuple[int, str]:
    """Return where the checksum in the footer begins, and the checksum."""
    matches = list(_CHECKSUM.finditer(data, max(footer, 0)))
    if footer < 0 or not matches:
        raise Damaged("its checksum is missing")
    return matches[-1].start(1), matches[-1][1].decode()


def measured(table: pa.Table, names: Collection[str] | None = None, cells: Sequence[Cell] | None = None) -> Records:
    """Return the rows of a table (`to_table`, with the column `bank` added) as flat numpy columns.

    With `names` the records have only these fields per step, block and stacked layer. `cells` are those of the rows,
    where they have been decoded already. A field that parts of an older version lack is NaN (a text None) for their
    cells. Raises StoreError for a profile whose length is not that of its cell.
    """
    table = table.combine_chunks()
    if cells is None:
        cells = [decode(text) for text in table.column("setting").to_pylist()]
    probes = pc.list_value_length(table.column("probe_steps")).to_numpy().astype(np.int64)
    blocks = np.array([cell.blocks for cell in cells], dtype=np.int64)
    stacked = _stacked_layers(table, probes * blocks)
    lengths = {"step": probes, "layer": probes * blocks, "stacked": probes * blocks * stacked}
    by_step, by_layer, by_stacked = (
        {
            field.name: _flat(table, field.name, lengths[field.kept])
            for field in columns.fields(extent)
            if names is None or field.name in names
        }
        for extent in ("step", "layer", "stacked")
    )
    return Records(
        cells=tuple(cells),
        scalars={"bank": table.column("bank").to_numpy()}
        | {
            field.name: _scalars(table, field)
            for field in columns.fields("cell", "bank")
            if names is None or field.name in {"cell", *names}
        },
        probes=probes,
        blocks=blocks,
        probe_steps=pc.list_flatten(table.column("probe_steps")).to_numpy().astype(np.int64),
        by_step=by_step,
        by_layer=by_layer,
        by_stacked=by_stacked,
        stacked_layers=stacked,
    )


def _scalars(table: pa.Table, field: columns.Column) -> NDArray[Any]:
    column = table.column(field.name) if field.name in table.schema.names else pa.nulls(len(table), _type(field))
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    if field.kind == "text":  # whoever wrote the part may have put anything there
        safe = {text: printable(text) for text in set(values.tolist()) if text is not None}
        values = np.array([safe.get(text) for text in values.tolist()], dtype=object)
    return values


def _stacked_layers(table: pa.Table, profile_lengths: Integers) -> Integers:
    """Return D of each row: the numbers that its first field per stacked layer has for each step and block."""
    name = next((field.name for field in columns.fields("stacked") if field.name in table.schema.names), None)
    if name is None:
        return np.zeros(len(table), dtype=np.int64)
    column = table.column(name)
    filled = column.is_valid().to_numpy()
    layers = pc.list_value_length(pc.list_flatten(pc.list_flatten(column))).to_numpy()
    starts = np.cumsum(profile_lengths[filled]) - profile_lengths[filled]
    depths = np.zeros(len(table), dtype=np.int64)
    depths[filled] = layers[starts]
    return depths


def _flat(table: pa.Table, name: str, lengths: Integers) -> Floats:
    """Return a column of lists laid end to end, `lengths` [rows] numbers each; NaN for rows without a list.

    Raises StoreError when the lists have other lengths.
    """
    flat = np.full(int(lengths.sum()), np.nan)
    if name in table.schema.names:
        column = table.column(name)
        values = pc.list_flatten(column, recursive=True).to_numpy()
        filled = np.repeat(column.is_valid().to_numpy(), lengths)
        if len(values) != np.count_nonzero(filled):
            raise StoreError(
                f"the stored profiles ({name}) have {len(values)} values where the settings ask for "
                f"{np.count_nonzero(filled)}",
                "it was written by another version: update gradlab, or run into another directory with --out",
            )
        flat[filled] = values
    return flat
