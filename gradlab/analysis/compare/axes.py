"""Which setting the tables of a comparison run over: `depth` or, of recurrent networks, `seq_len`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.families import axis_setting

__all__ = ["axes_of", "labels_of", "lengths_of", "over_of"]


def axes_of(cells: pd.DataFrame) -> tuple[str, ...]:
    """Return the settings that the tables run over, one for each kind of network among `cells`.

    Feed-forward networks: depth. Recurrent ones: seq_len, unless of the two only depth varies.
    """
    along = _recurrent(cells)
    own = cells[along]
    found = [] if along.all() else ["depth"]
    if len(own):
        found.append("depth" if own["seq_len"].nunique() < 2 <= own["depth"].nunique() else "seq_len")
    return tuple(dict.fromkeys(found))


def over_of(cells: pd.DataFrame, axes: Sequence[str]) -> NDArray[np.object_]:
    """Return which of `axes` each row runs over, [N]. Rows have columns `model` or, of a table, all of `axes`."""
    if len(axes) == 1:
        return np.full(len(cells), axes[0], dtype=object)
    along = _recurrent(cells) if "model" in cells else cells["seq_len"].notna().to_numpy()
    return np.where(along, "seq_len", "depth").astype(object)


def lengths_of(table: pd.DataFrame, axes: Sequence[str]) -> NDArray[np.int64]:
    """Return the value of each row's own axis, [N]."""
    over = over_of(table, axes)
    found = np.zeros(len(table), dtype=np.int64)
    for axis in axes:
        mine = over == axis
        found[mine] = table[axis].to_numpy()[mine].astype(np.int64)
    return found


def labels_of(table: pd.DataFrame, by: Sequence[str], axes: Sequence[str]) -> pd.DataFrame:
    """Return the columns `by` of a table, with None for the axis that a row runs over, if there are several."""
    found = table[list(by)].astype(object)
    if len(axes) > 1:
        over = over_of(table, axes)
        for key in set(by) & set(axes):
            found.loc[over == key, key] = None
    return found


def _recurrent(cells: pd.DataFrame) -> NDArray[np.bool_]:
    kinds: dict[Any, bool] = {model: axis_setting(str(model)) == "seq_len" for model in cells["model"].unique()}
    return cells["model"].map(kinds).to_numpy(dtype=bool)
