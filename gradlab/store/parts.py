"""One published bank as one Parquet file: records to columns and back, with a checksum over every byte.

The checksum lies in the file's own metadata: it is the SHA-256 of the file with the checksum's 64 digits
written as zeros. Parquet alone would notice a cut file, but not a bit that turned over inside a number.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gradlab.cell import Cell, cell_id
from gradlab.errors import StoreError
from gradlab.record import LAYER_FIELDS, STEP_FIELDS, Floats, Record
from gradlab.store.atomic import explained, write_bytes
from gradlab.store.records import Integers, Records
from gradlab.store.setting import decode, encode

__all__ = ["PROVENANCE", "SCHEMA", "Damaged", "flat", "measured", "read", "read_cells", "to_table", "write"]

PROVENANCE = {"wall_s": pa.float64(), "device": pa.string(), "gradlab": pa.string(), "torch": pa.string()}
"""Columns beside the record: where and with what a cell was computed, and its share of its bank's time."""

_ZEROS = b"0" * 64
_CHECKSUM = re.compile(rb"sha256:([0-9a-f]{64})")
_INTEGERS = {"diverged_at", "steps", "in_features", "out_features"}
_TEXTS = {"cell", "status", "metric_name"}


class Damaged(Exception):
    """A part whose bytes are not those that were published; the text says what is wrong."""


def _type(name: str) -> pa.DataType:
    if name == "probe_steps":
        return pa.list_(pa.int64())
    if name in STEP_FIELDS:
        return pa.list_(pa.float64())
    if name in LAYER_FIELDS:
        return pa.list_(pa.list_(pa.float64()))
    if name == "learned":
        return pa.bool_()
    return pa.int64() if name in _INTEGERS else pa.string() if name in _TEXTS else pa.float64()


SCHEMA = pa.schema(
    [(f.name, _type(f.name)) for f in dataclasses.fields(Record)] + [("setting", pa.string()), *PROVENANCE.items()]
)


def to_table(cells: Sequence[Cell], records: Sequence[Record], provenance: Mapping[str, Any]) -> pa.Table:
    """Return one row per cell with the columns of `Record`, `setting` (JSON text) and the keys of `PROVENANCE`.

    Raises ValueError when the records are not those of the cells, in their order, or disagree in their shapes.
    """
    if [record.cell for record in records] != [cell_id(cell) for cell in cells]:
        raise ValueError(f"the records of {len(records)} cells are not those of the {len(cells)} cells asked for")
    for cell, record in zip(cells, records, strict=True):
        steps = (len(record.probe_steps),)
        for name in STEP_FIELDS + LAYER_FIELDS:
            expected = steps if name in STEP_FIELDS else (*steps, cell.blocks)
            if getattr(record, name).shape != expected:
                raise ValueError(
                    f"{name} of cell {record.cell} has shape {getattr(record, name).shape}, not {expected}"
                )
    columns: dict[str, list[Any]] = {
        name: [_listed(getattr(record, name)) for record in records] for name in SCHEMA.names if hasattr(Record, name)
    }
    columns["setting"] = [encode(cell) for cell in cells]
    columns |= {name: [provenance[name]] * len(records) for name in PROVENANCE}
    return pa.table(columns, schema=SCHEMA)


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def write(path: Path, table: pa.Table) -> None:
    """Publish a table of `to_table` under `path`: afterwards it is there completely, or not at all."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"checksum": b"sha256:" + _ZEROS})
    data = sink.getvalue().to_pybytes()
    digest = hashlib.sha256(data).hexdigest().encode()
    at = data.rindex(b"sha256:" + _ZEROS) + len(b"sha256:")
    write_bytes(path, data[:at] + digest + data[at + 64 :])


def read(path: Path) -> pa.Table:
    """Return the table of a part. Raises Damaged when any bit of it has changed, StoreError when it cannot be read."""
    data = _checked(path)
    try:
        return pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read()
    except (pa.ArrowException, OSError) as error:
        raise Damaged(str(error).splitlines()[0]) from error


def read_cells(path: Path, *, verify: bool) -> list[str]:
    """Return the ids of the cells in a part, reading only that column unless every byte is to be verified.

    Raises Damaged like `read`; without `verify` only for damage that Parquet itself notices.
    """
    with explained("open", path):
        source = pa.BufferReader(_checked(path)) if verify else path.open("rb")
    try:
        with source:
            # a buffer would be filled by a thread that holds `source`, and may outlive the interpreter: it then aborts
            file = pq.ParquetFile(source, pre_buffer=False)
            ids: list[str] = file.read(["cell"], use_threads=False).column("cell").to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise Damaged(str(error).splitlines()[0]) from error
    return ids


def _checked(path: Path) -> bytes:
    with explained("read", path):
        data = path.read_bytes()
    if len(data) < 12 or data[-4:] != b"PAR1":
        raise Damaged("it is cut short" if data[:4] == b"PAR1" else "it is not a Parquet file")
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    found = list(_CHECKSUM.finditer(data, max(footer, 0)))
    if footer < 0 or not found:
        raise Damaged("its checksum is missing")
    at = found[-1].start(1)
    digest = hashlib.sha256(data[:at])
    digest.update(_ZEROS)
    digest.update(data[at + 64 :])
    if digest.hexdigest().encode() != found[-1][1]:
        raise Damaged("its checksum does not fit its content")
    return data


def measured(table: pa.Table) -> Records:
    """Return the rows of a table (`to_table`, with the column `bank` added) as flat numpy columns.

    A column that parts of an older version lack is NaN for their cells. Raises StoreError for a profile whose length
    is not that of its cell.
    """
    table = table.combine_chunks()
    scalars = {
        name: table.column(name).to_numpy()
        for name in table.schema.names
        if name not in {*STEP_FIELDS, *LAYER_FIELDS, "probe_steps", "setting"}
    }
    cells = tuple(decode(text) for text in table.column("setting").to_pylist())
    probes = pc.list_value_length(table.column("probe_steps")).to_numpy().astype(np.int64)
    blocks = np.array([cell.blocks for cell in cells], dtype=np.int64)
    return Records(
        cells=cells,
        scalars=scalars,
        probes=probes,
        blocks=blocks,
        probe_steps=pc.list_flatten(table.column("probe_steps")).to_numpy().astype(np.int64),
        by_step={name: flat(table, name, probes) for name in STEP_FIELDS},
        by_layer={name: flat(table, name, probes * blocks) for name in LAYER_FIELDS},
    )


def flat(table: pa.Table, name: str, lengths: Integers) -> Floats:
    """Return a column of lists laid end to end, `lengths` [rows] numbers each; NaN for rows without a list.

    Raises StoreError when the lists have other lengths.
    """
    found = np.full(int(lengths.sum()), np.nan)
    if name in table.schema.names:
        column = table.column(name)
        values = pc.list_flatten(column, recursive=True).to_numpy()
        wanted = np.repeat(column.is_valid().to_numpy(), lengths)
        if len(values) != np.count_nonzero(wanted):
            raise StoreError(
                f"the stored profiles ({name}) have {len(values)} values where the settings ask for "
                f"{np.count_nonzero(wanted)}",
                "it was written by another version: update gradlab, or run into another directory with --out",
            )
        found[wanted] = values
    return found
