"""The conditions of `--where`, `--fail-on` and `--baseline` over frames."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.errors import UsageError, pointer
from gradlab.query import (
    NUMBER,
    TEXT,
    TRUTH,
    Columns,
    ColumnType,
    Expression,
    QueryError,
    evaluate_columns,
    names,
    parse,
    setting_columns,
)

__all__ = ["Truth", "read_condition", "read_equalities", "truth"]

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Truth:
    """What a condition says of each row, [rows]: it holds, or it is unknown because a field is empty."""

    holds: Flags
    unknown: Flags


def read_condition(text: str, frame: pd.DataFrame, flag: str) -> Expression:
    """Return the expression behind `text`, which may speak of the columns of `frame`; `flag` is the option it is of.

    Raises UsageError that points at the position, for anything that is none.
    """
    return _read(text, Columns(_columns_of(frame)), flag)


def read_equalities(text: str, keys: Collection[str], flag: str) -> Expression:
    """Return the expression behind `text`, which may speak of some settings. Raises UsageError as `read_condition`."""
    settings = setting_columns()
    return _read(text, Columns({key: settings[key] for key in keys}, "setting"), flag)


def truth(expression: Expression, frame: pd.DataFrame) -> Truth:
    """Return what an expression says of the rows of `frame`."""
    columns = {name: _plain(frame[name]) for name in names(expression)}
    truths = evaluate_columns(expression, columns, len(frame))
    return Truth(
        np.array([value is True for value in truths], bool), np.array([value is None for value in truths], bool)
    )


def _read(text: str, columns: Columns, flag: str) -> Expression:
    try:
        return parse(text, columns.bind)
    except QueryError as error:
        message = f"{flag}, column {error.at + 1}: {error.message}"
        raise UsageError(message, error.hint, lines=pointer(text, error.at + 1)) from None


def _columns_of(frame: pd.DataFrame) -> dict[str, ColumnType]:
    settings = setting_columns()
    return {str(name): settings.get(str(name)) or _kind(frame[name]) for name in frame}


def _kind(column: pd.Series[Any]) -> ColumnType:
    if pd.api.types.is_bool_dtype(column.dtype):
        return TRUTH
    return NUMBER if pd.api.types.is_numeric_dtype(column.dtype) else TEXT


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Return the values as Python's own, None where a field is empty."""
    return column.astype(object).where(column.notna(), None).tolist()
