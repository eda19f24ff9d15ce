"""Frames as CSV and back: floats in the shortest text that reads back equal, nothing a spreadsheet would run."""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gradlab.columns import COLUMNS
from gradlab.errors import StoreError, printable
from gradlab.store.atomic import replacing

__all__ = ["put_csv", "read_csv", "write_csv"]

_TEXTS = {column.name: str for column in COLUMNS if column.kind == "text"}
"""Columns that stay texts when all of their fields look like numbers, or are empty."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_ROWS_AT_ONCE = 65536


def read_csv(path: Path, data: bytes, columns: Collection[str] | None = None) -> pd.DataFrame:
    """Return the table with the content `data`, or those of `columns` that it has. Raises StoreError for no table."""
    try:
        return pd.read_csv(
            io.BytesIO(data), keep_default_na=False, na_values=[""], dtype=_TEXTS, low_memory=False,
            usecols=None if columns is None else lambda name: name in columns,
        )  # fmt: skip
    except ValueError as error:  # pandas' own errors, and text that is no text, are ValueErrors
        raise StoreError(
            f"{path} is not a table of gradlab: {error}", "run the spec again: it writes it anew"
        ) from error


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Replace `path` atomically by the columns of `frame`, see `put_csv`."""
    with replacing(path) as file:
        put_csv(file, frame)


def put_csv(file: BinaryIO, frame: pd.DataFrame) -> None:
    """Write the columns of `frame`, without its index.

    None, NaN and the empty text are empty fields, infinities `inf` and `-inf`, booleans `true` and `false`. A text is
    `printable`; one that a spreadsheet would take for a formula gets an apostrophe in front; numbers never do. A field
    is in quotation marks only where it must be.
    """
    columns = [_column(frame[name]) for name in frame.columns]
    file.write((",".join(map(_quoted, frame.columns)) + "\n").encode())
    for start in range(0, len(frame), _ROWS_AT_ONCE):
        batch = [column.slice(start, _ROWS_AT_ONCE).cast(pa.string()) for column in columns]
        lines = pc.binary_join_element_wise(*batch, ",", null_handling="replace", null_replacement="")
        file.write(("\n".join(lines.to_pylist()) + "\n").encode())


def _column(values: pd.Series[Any]) -> pa.Array:
    if isinstance(values.dtype, pd.CategoricalDtype):
        texts = pa.array([_text(value) for value in values.cat.categories], pa.string())
        codes = values.cat.codes.to_numpy()
        return texts.take(pa.array(codes, mask=codes < 0))
    if pd.api.types.is_bool_dtype(values.dtype) or pd.api.types.is_numeric_dtype(values.dtype):
        return pa.array(values, from_pandas=True)
    if pd.api.types.infer_dtype(values, skipna=True) in ("string", "empty"):
        codes, different = pd.factorize(values)  # each text once: a column has few, and reading it one by one is slow
        texts = pa.array([_text(text) for text in different], pa.string())
        return texts.take(pa.array(codes, mask=codes < 0))
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        text = printable(value)
        return _quoted("'" + text if value.startswith(_FORMULA) else text) or None
    return None if pd.isna(value) else str(pa.scalar(value).cast(pa.string()).as_py())


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in ',"\r\n') else text
