"""The user's own table: a CSV or Parquet file with one target column, every other column a number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gradlab.components import nearest
from gradlab.errors import DataError
from gradlab.tasks.base import ACCURACY, R2, Data, classification, regression

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load", "numbers", "read"]

TEST_SHARE = 0.25
FEWEST_ROWS = 8


def read(path: str) -> pd.DataFrame:
    """Read a CSV (`.csv`, `.tsv`, also compressed) or Parquet file.

    Raises:
        DataError: there is no such file, or it is not what its name says.
    """
    import pandas as pd

    file = Path(path)
    if not file.is_file():
        raise DataError(f"there is no data file {file}")
    suffixes = [suffix.lower() for suffix in file.suffixes]
    try:
        if suffixes[-1:] in ([".parquet"], [".pq"]):
            return pd.read_parquet(file)
        if {".csv", ".tsv"} & set(suffixes):
            return pd.read_csv(file, sep="\t" if ".tsv" in suffixes else ",")
    except (ValueError, OSError, UnicodeError) as error:  # pandas' and pyarrow's errors derive from these
        raise DataError(f"{file} cannot be read as a table: {str(error).splitlines()[0]}") from error
    raise DataError(f"{file.name}: a table must be .csv, .tsv or .parquet")


def load(seeds: Sequence[int], path: str, target: str, kind: str) -> Data:
    """Return the table's rows, a fixed quarter of them held out, features standardised on the training part.

    Learned: half way from always guessing (the commonest class; the mean) to perfect.

    Raises:
        DataError: the file, a column or a value is not usable; the message names the column and the row.
    """
    frame = read(path)
    name = Path(path).name
    if target not in frame.columns:
        close = nearest(target, map(str, frame.columns))
        hint = f"did you mean {close!r}?" if close else "columns: " + ", ".join(map(str, frame.columns[:12]))
        raise DataError(f"{name}: there is no column {target!r}", hint)
    if len(frame.columns) < 2:
        raise DataError(f"{name}: {target!r} is the only column; a task needs at least one input beside it")
    if len(frame) < FEWEST_ROWS:
        raise DataError(f"{name}: {len(frame)} rows are too few; a task needs at least {FEWEST_ROWS}")
    columns = [numbers(frame[column], name) for column in frame.columns if column != target]
    x = np.stack(columns, axis=1)
    shuffled = np.random.default_rng(0).permutation(len(x))
    test, train = np.split(shuffled, [max(round(TEST_SHARE * len(x)), 2)])
    deviation = x[train].std(0)
    x = (x - x[train].mean(0)) / np.where(deviation > 0, deviation, 1)
    inputs = (_seed_axis(x[train]), _seed_axis(x[test]))
    if kind == "regression":
        y = numbers(frame[target], name)[:, None]
        spread = float(y[train].std())
        if spread == 0:
            raise DataError(f"{name}: column {target!r} has one value only; there is nothing to predict")
        y = (y - y[train].mean()) / spread
        return regression(inputs, (_seed_axis(y[train]), _seed_axis(y[test])), R2(0.5))
    if frame[target].isna().any():
        raise DataError(f"{name}: column {target!r} is empty in row {_row(frame[target].isna())}")
    labels, classes = np.unique(frame[target].astype(str).to_numpy(), return_inverse=True)
    if len(labels) < 2:
        raise DataError(f"{name}: column {target!r} has one class only; there is nothing to predict")
    if len(labels) > len(x) // 2:
        raise DataError(
            f"{name}: column {target!r} has {len(labels)} different values in {len(x)} rows",
            "these look like numbers rather than classes: use kind: regression",
        )
    commonest = np.bincount(classes[train]).max() / len(train)
    targets = (torch.as_tensor(classes[train])[None], torch.as_tensor(classes[test])[None])
    return classification(inputs, targets, len(labels), ACCURACY(float((1 + commonest) / 2)))


def _seed_axis(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float64).unsqueeze(0)


def _row(wrong: pd.Series[bool]) -> int:
    """Return the first wrong row, counted from 1 without the header, as an editor beside the header shows it."""
    return int(np.flatnonzero(wrong.to_numpy())[0]) + 1


def numbers(column: pd.Series[float], name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return a column as float64.

    Raises:
        DataError: it holds text, an empty cell or an infinity; the message names the first one.
    """
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    if column.isna().any():
        raise DataError(f"{name}: column {column.name!r} is empty in data row {_row(column.isna())}")
    if numbers.isna().any():
        row = _row(numbers.isna())
        raise DataError(
            f"{name}: column {column.name!r} must hold numbers, found {column.iloc[row - 1]!r} in data row {row}",
            "drop the column, or turn it into numbers first",
        )
    values = numbers.to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise DataError(
            f"{name}: column {column.name!r} is infinite in data row {int(np.argmin(np.isfinite(values))) + 1}"
        )
    return values
