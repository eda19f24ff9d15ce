"""Missing values of a table: the words for them, also with spaces around, and in columns of any type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gradlab.datafiles.dialect import is_number

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["trimmed", "without_numbers"]

_USUAL = frozenset((
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
))  # fmt: skip
"""Those of `pandas.read_csv` (https://pandas.pydata.org/docs/reference/api/pandas.read_csv.html, na_values)."""


def trimmed(frame: pd.DataFrame, words: Sequence[str] | None) -> pd.DataFrame:
    """Return a table whose texts have no spaces around them, with nothing in place of those that mean missing.

    A file with a space behind each comma is the same table as one without. None: the usual words.
    """
    import pandas as pd

    missing = _USUAL if words is None else frozenset(words)

    def value(field: object) -> object:
        if not isinstance(field, str):
            return field
        text = field.lstrip("\ufeff").strip()  # files with a byte-order mark each, put together
        return np.nan if text in missing else text

    frame = frame.copy(deep=False)
    for i, dtype in enumerate(frame.dtypes):
        if dtype.kind not in "biufcmM":
            fields = list(map(value, frame.iloc[:, i].astype(object)))
            frame.isetitem(i, pd.Series(fields, dtype=object).array)
    return frame


def without_numbers(frame: pd.DataFrame, words: Sequence[str]) -> pd.DataFrame:
    """Return a table with nothing in place of numbers that mean missing, -999 say."""
    numbers = [float(word) for word in words if is_number(word)]
    frame = frame.copy(deep=False)
    for i, dtype in enumerate(frame.dtypes):
        if dtype.kind in "iuf" and (marked := frame.iloc[:, i].isin(numbers)).any():
            frame.isetitem(i, frame.iloc[:, i].astype(float).mask(marked).array)
    return frame
