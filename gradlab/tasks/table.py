"""The user's own table: a CSV or Parquet file with one target column, every other column a number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from gradlab.datafiles.samples import Standardize
from gradlab.datafiles.table import table
from gradlab.datafiles.text_table import Reading
from gradlab.tasks.base import ACCURACY, R2, Data, classification, regression

__all__ = ["load"]


def load(
    seeds: Sequence[int], path: str, target: str, kind: str, standardize: Standardize, separator: str | None,
    decimal: str | None, header: bool | None, encoding: str | None, missing: str | None,
) -> Data:  # fmt: skip
    """Return the rows of a table, see `gradlab.datafiles.table.table` for the parameters.

    Inputs are `[1, M, I]`, the same for all seeds; targets class indices `[1, M]` or numbers `[1, M, 1]`. Learned: half
    way from always guessing (the commonest class; the mean) to perfect.

    Raises:
        DataError: the file, a column or a value is not usable.
    """
    data = table(path, target, kind, standardize, Reading(separator, decimal, header, encoding, missing))
    x, y = torch.as_tensor(data.inputs).unsqueeze(0), torch.as_tensor(data.targets).unsqueeze(0)
    train, test = torch.as_tensor(data.train), torch.as_tensor(data.test)
    inputs, targets = (x[:, train], x[:, test]), (y[:, train], y[:, test])
    if not data.classes:
        return regression(inputs, targets, R2(0.5))
    commonest = np.bincount(data.targets[data.train]).max() / len(data.train)
    return classification(inputs, targets, len(data.classes), ACCURACY(float((1 + commonest) / 2)))
