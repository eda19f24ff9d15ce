"""A Parquet file as a data frame."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradlab.datafiles.files import content, guarded, kind_of, shown_name
from gradlab.datafiles.missing import trimmed, without_numbers
from gradlab.datafiles.source import Source, listed, quoted
from gradlab.errors import DataError

__all__ = ["ENDINGS", "read_parquet"]

ENDINGS = (".parquet", ".pq")


def read_parquet(path: Path, words: Sequence[str] | None = None) -> Source:
    """Return the table in a Parquet file; `words` mean missing, beside the nulls of the file.

    Raises:
        DataError: it is none, is damaged, or names a column twice.
    """
    import pandas as pd
    from pyarrow import parquet

    name = shown_name(path)
    data = content(path)
    if kind_of(data) != "Parquet":
        raise DataError(
            f"{name} is no Parquet file, as its name says", "give it the ending of what it is, .csv perhaps"
        )
    warnings = []
    with guarded(name):
        names = parquet.ParquetFile(io.BytesIO(data)).schema_arrow.names
        twice = [column for column, count in Counter(names).items() if count > 1]
        if twice:
            places = " and ".join(str(i + 1) for i, other in enumerate(names) if other == twice[0])
            raise DataError(f"{name}: it has the column {quoted(twice[0])} twice, at {places}", "rename or delete one")
        frame = pd.read_parquet(io.BytesIO(data))
        if any(not str(column).strip() for column in frame.columns):
            raise DataError(f"{name}: a column has no name", "name it, or delete it")
        index = [str(level) for level in frame.index.names if level is not None]
        if index:
            levels = listed(index)
            warnings.append(
                f"{name}: the index of the data frame, {levels}, is not read; reset_index() makes it a column"
            )
        frame.columns = pd.Index([str(column) for column in frame.columns], dtype=object)
        frame = frame.reset_index(drop=True)
        filled = frame if words is None else without_numbers(trimmed(frame, words), words)

    def field(column: int, row: int) -> str:
        value: Any = frame.iloc[row, column]
        return "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)

    return Source(name, filled, "Parquet", field, tuple(warnings))
