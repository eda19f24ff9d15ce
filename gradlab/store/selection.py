"""Only what a comparison needs of a run directory: a few columns of every part, without the damaged ones."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gradlab.record import Floats
from gradlab.store.atomic import explained
from gradlab.store.records import Records
from gradlab.store.rundir import RunDirectory
from gradlab.store.setting import decode

__all__ = ["THEORY", "Selection", "select"]

_SCALARS = (
    "cell", "status", "learned", "metric_name", "in_features", "out_features", "input_mean_square",
    "device", "gradlab", "torch",
)  # fmt: skip
_BY_STEP = ("loss", "metric")
_BY_LAYER = ("log_grad_norm",)
THEORY = ("theory_log10_survival", "theory_decay", "theory_z")
_COLUMNS = (*_SCALARS, "setting", "probe_steps", *_BY_STEP, *_BY_LAYER)


@dataclass(frozen=True, slots=True)
class Selection:
    """The cells of one run directory, each once. `measured` is None when there is none."""

    measured: Records | None
    damaged: tuple[tuple[str, str], ...]
    """Damaged files: name in the directory, reason."""
    aside: int
    """Stored cells that are not part of the directory's spec any more: left out."""
    theory: dict[str, Floats]
    """The columns `THEORY` of ``cells.csv`` for the measured cells, [C] each; NaN where there is no prediction."""


def select(directory: RunDirectory) -> Selection:
    """Return the cells in `directory` with their survival, loss and metric: `loss`, `metric` and `log_grad_norm` only.

    Every byte is checked against the checksums, as `RunDirectory.load` does, which reads all columns and takes four
    times as long. Raises StoreError for what cannot be read, or was written by a newer version.
    """
    bank_of, lost = directory.done(verify=True)
    damaged = tuple((f"parts/{name}", reason) for name, reason in lost)
    listed = _listed(directory)
    if listed is None and (directory.path / "cells.csv").is_file():
        damaged += (("cells.csv", "it does not fit its checksum"),)
    bank_of, aside = _current(directory, bank_of, listed)
    tables = []
    for bank in dict.fromkeys(bank_of.values()):
        path = directory.parts / f"{bank}.parquet"
        with explained("read", path), pq.ParquetFile(path) as file:
            names = set(file.schema_arrow.names)
            table = file.read([name for name in _COLUMNS if name in names])
        own = [bank_of.get(cell) == bank for cell in table.column("cell").to_pylist()]
        tables.append(table if all(own) else table.filter(pa.array(own)))
    if not tables:
        return Selection(None, damaged, aside, {})
    whole = pa.concat_tables(tables, promote_options="default").combine_chunks()
    nothing = dict.fromkeys(THEORY, float("nan"))
    rows = [(listed or {}).get(cell, nothing) for cell in whole.column("cell").to_pylist()]
    theory = {name: np.array([row[name] for row in rows]) for name in THEORY}
    return Selection(_measured(whole), damaged, aside, theory)


def _listed(directory: RunDirectory) -> dict[str, dict[str, float]] | None:
    """Return the predictions in ``cells.csv`` by cell, or None where there is no such table as gradlab wrote it.

    A prediction takes some hundredths of a second: `gradlab run` makes it once, and the table keeps it.
    """
    text = directory.read_text("cells.csv")
    if text is None:
        return None
    try:
        return {
            row["cell"]: {name: float(row.get(name) or "nan") for name in THEORY}
            for row in csv.DictReader(io.StringIO(text, newline=""))
            if row.get("cell")
        }
    except (ValueError, csv.Error):  # written by a version that kept no checksums, and damaged since
        return None


def _current(
    directory: RunDirectory, bank_of: dict[str, str], listed: dict[str, dict[str, float]] | None
) -> tuple[dict[str, str], int]:
    """Return the stored cells that belong to the directory's spec, and how many do not.

    Those are the cells of ``cells.csv``, which the last run wrote, and of parts published since (by a run that was
    killed before it came to its tables).
    """
    if listed is None:
        return bank_of, 0
    with explained("look into", directory.path):
        written = (directory.path / "cells.csv").stat().st_mtime_ns
        since = {
            bank for bank in set(bank_of.values()) if (directory.parts / f"{bank}.parquet").stat().st_mtime_ns > written
        }
    current = {cell: bank for cell, bank in bank_of.items() if cell in listed or bank in since}
    return current, len(bank_of) - len(current)


def _measured(table: pa.Table) -> Records:
    def column(name: str) -> Any:
        return table.column(name) if name in table.schema.names else pa.nulls(len(table), pa.string())

    cells = tuple(decode(text) for text in table.column("setting").to_pylist())
    return Records(
        cells=cells,
        scalars={name: column(name).to_numpy(zero_copy_only=False) for name in _SCALARS},
        probes=pc.list_value_length(table.column("probe_steps")).to_numpy().astype(np.int64),
        blocks=np.array([cell.blocks for cell in cells], dtype=np.int64),
        probe_steps=pc.list_flatten(table.column("probe_steps")).to_numpy().astype(np.int64),
        by_step={name: pc.list_flatten(table.column(name)).to_numpy() for name in _BY_STEP},
        by_layer={name: pc.list_flatten(table.column(name), recursive=True).to_numpy() for name in _BY_LAYER},
    )
