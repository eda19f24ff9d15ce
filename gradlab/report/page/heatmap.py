"""The heat map of a page: a row for each configuration, a column for each length, in every field one of them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gradlab.report.model.heatmap import evenly, heat_map
from gradlab.report.page.configurations import Configurations

__all__ = ["run_map", "spread"]


def run_map(configurations: Configurations, run: int) -> dict[str, Any]:
    """Return the map of one run: `rows` with labels and fields, which are rows of `Configurations.frame` or -1."""
    frame, settings = configurations.frame[configurations.frame["run"] == run], configurations.runs[run]
    keys = list(settings.keys)
    labels: list[tuple[str, ...]] = list(frame[keys].itertuples(index=False, name=None)) if keys else [()] * len(frame)
    name = " or ".join(configurations.axes[axis].along for axis in settings.axes)
    drawn = heat_map(labels, frame["length"].astype(int).tolist(), settings.keys, name)
    index = [int(row) for row in frame.index]
    return {
        "name": drawn.name,
        "columns": list(drawn.columns),
        "keys": list(drawn.keys),
        "rows": [
            {"labels": list(row), "fields": [-1 if at is None else index[at] for at in fields]}
            for row, fields in zip(drawn.rows, drawn.fields, strict=True)
        ],
    }


def spread(frame: pd.DataFrame, most: int) -> list[int]:
    """Return at most `most` rows of `Configurations.frame`, evenly from the smallest to the largest survival."""
    return sorted(set(evenly(frame["log10_survival"].astype(float).tolist(), most)))
