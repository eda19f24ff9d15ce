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
    kept: Callable[[Column], Any],
    only: Collection[str] | None = None,
) -> pd.DataFrame:
    """Return the columns of a table (those of `only`): what `derived` computes, otherwise what is `kept` of them."""
    return pd.DataFrame(
        {
            column.name: derived[column.name]() if column.name in derived else kept(column)
            for column in columns_of(table)
            if only is None or column.name in only
        }
    )
