"""Frames with the columns of the schema."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import pandas as pd

from gradlab.columns import Column, Table, columns_of

__all__ = ["frame_of"]


def frame_of(
    table: Table,
    derived: Mapping[str, Callable[[], Any]],
    stored: Callable[[Column], Any],
    names: Collection[str] | None = None,
) -> pd.DataFrame:
    """Return the columns of a table (those of `names`): what `derived` computes, otherwise what `stored` returns."""
    return pd.DataFrame(
        {
            column.name: derived[column.name]() if column.name in derived else stored(column)
            for column in columns_of(table)
            if names is None or column.name in names
        }
    )
