"""The setting that each row of a table runs over: the length of its family's profiles, or `depth`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.families import Axis
from gradlab.families.axes import axis_of, models_by_axis

__all__ = ["axes_of", "labels_of", "lengths_of", "over_of"]


def axes_of(cells: pd.DataFrame) -> dict[str, Axis]:
    """Return what the tables of these cells run over: the axes of their families by setting, each setting once."""
    axes: dict[str, Axis] = {}
    for axis, models in models_by_axis(cells["model"].unique().tolist()).items():
        cells_of_axis = cells[cells["model"].isin(models)]
        over = axis_of(models, [key for key in (axis.setting, "depth") if cells_of_axis[key].nunique() > 1])
        axes.setdefault(over.setting, over)
    return axes


def over_of(cells: pd.DataFrame, axes: Sequence[str]) -> NDArray[np.object_]:
    """Return which of the settings `axes` each row runs over, [N].

    Rows have a column `model` or, in a table, a value in one of the columns `axes`.
    """
    over = np.full(len(cells), axes[0], dtype=object)
    for setting in axes[1:]:
        if "model" in cells:
            models = [str(model) for model in cells["model"].unique() if axis_of([str(model)]).setting == setting]
            over[cells["model"].isin(models).to_numpy()] = setting
        else:
            over[cells[setting].notna().to_numpy()] = setting
    return over


def lengths_of(table: pd.DataFrame, axes: Sequence[str]) -> NDArray[np.int64]:
    """Return the value of each row's own axis, [N]."""
    over = over_of(table, axes)
    lengths = np.zeros(len(table), dtype=np.int64)
    for setting in axes:
        on_axis = over == setting
        lengths[on_axis] = table[setting].to_numpy()[on_axis].astype(np.int64)
    return lengths


def labels_of(table: pd.DataFrame, by: Sequence[str], axes: Sequence[str]) -> pd.DataFrame:
    """Return the columns `by` of a table, with None for the setting that a row runs over, if there are several."""
    labels = table[list(by)].astype(object)
    if len(axes) > 1:
        over = over_of(table, axes)
        for key in set(by) & set(axes):
            labels.loc[over == key, key] = None
    return labels
