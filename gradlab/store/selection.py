"""Only what a comparison needs of a run directory: a few columns of every part, without the damaged ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gradlab.measured import Measured
from gradlab.store.atomic import explained
from gradlab.store.rundir import RunDirectory
from gradlab.store.setting import decode

__all__ = ["Selection", "select"]

_SCALARS = (
    "cell", "status", "learned", "metric_name", "in_features", "out_features", "input_mean_square",
    "device", "gradlab", "torch",
)  # fmt: skip
_BY_STEP = ("loss", "metric")
_BY_LAYER = ("log_grad_norm",)
_COLUMNS = (*_SCALARS, "setting", "probe_steps", *_BY_STEP, *_BY_LAYER)


@dataclass(frozen=True, slots=True)
class Selection:
    """The cells of one run directory, each once. `measured` is None when there is none."""

    measured: Measured | None
    damaged: tuple[tuple[str, str], ...]
    """Damaged parts: file name, reason."""


def select(directory: RunDirectory) -> Selection:
    """Return the cells in `directory` with their survival, loss and metric: `loss`, `metric` and `log_grad_norm` only.

    Every byte is checked against the checksums, as `RunDirectory.load` does, which reads all columns and takes four
    times as long. Raises StoreError for what cannot be read, or was written by a newer version.
    """
    bank_of, damaged = directory.done(verify=True)
    tables = []
    for bank in dict.fromkeys(bank_of.values()):
        path = directory.parts / f"{bank}.parquet"
        with explained("read", path), pq.ParquetFile(path) as file:
            names = set(file.schema_arrow.names)
            table = file.read([name for name in _COLUMNS if name in names])
        own = [bank_of[cell] == bank for cell in table.column("cell").to_pylist()]
        tables.append(table if all(own) else table.filter(pa.array(own)))
    if not tables:
        return Selection(None, damaged)
    return Selection(_measured(pa.concat_tables(tables, promote_options="default").combine_chunks()), damaged)


def _measured(table: pa.Table) -> Measured:
    def column(name: str) -> Any:
        return table.column(name) if name in table.schema.names else pa.nulls(len(table), pa.string())

    cells = tuple(decode(text) for text in table.column("setting").to_pylist())
    return Measured(
        cells=cells,
        scalars={name: column(name).to_numpy(zero_copy_only=False) for name in _SCALARS},
        probes=pc.list_value_length(table.column("probe_steps")).to_numpy().astype(np.int64),
        blocks=np.array([cell.depth for cell in cells], dtype=np.int64),
        probe_steps=pc.list_flatten(table.column("probe_steps")).to_numpy().astype(np.int64),
        by_step={name: pc.list_flatten(table.column(name)).to_numpy() for name in _BY_STEP},
        by_layer={name: pc.list_flatten(table.column(name), recursive=True).to_numpy() for name in _BY_LAYER},
    )
