"""The heat map of a page: a row for each configuration, a column for each depth, in every field one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from gradlab.report.page.configurations import Configurations

__all__ = ["evenly", "heat_map"]

_WIDEST_ACROSS, _MOST_ACROSS = 12, 40


def heat_map(found: Configurations, run: int) -> dict[str, Any]:
    """Return the map of one run: `rows` with labels and fields, which are rows of `Configurations.frame` or -1.

    Where there is one depth only, the last setting that leaves no more than a third of the fields empty goes across.
    """
    frame, keys, name = found.frame[found.frame["run"] == run], found.runs[run].keys, found.runs[run].along.name
    labels: list[tuple[str, ...]] = list(frame[list(keys)].itertuples(index=False, name=None)) if keys else [()] * len(
        frame)  # fmt: skip
    texts = [str(int(length)) for length in frame["along"]]
    order = sorted(set(texts), key=int)
    across = _across(labels, len(keys)) if len(order) <= 1 else None
    if across is not None:
        name, keys = keys[across], keys[:across] + keys[across + 1 :]
        texts = [row[across] for row in labels]
        order = list(dict.fromkeys(texts))
        labels = [row[:across] + row[across + 1 :] for row in labels]
    place = {text: column for column, text in enumerate(order)}
    rows: dict[tuple[str, ...], list[int]] = {}
    for index, row, text in zip(frame.index, labels, texts, strict=True):
        rows.setdefault(row, [-1] * len(order))[place[text]] = int(index)
    return {
        "name": name,
        "columns": order,
        "keys": list(keys),
        "rows": [{"labels": list(row), "fields": fields} for row, fields in rows.items()],
    }


def _across(labels: Sequence[tuple[str, ...]], keys: int) -> int | None:
    every = set(labels)
    for index in reversed(range(keys)):
        rows = {row[:index] + row[index + 1 :] for row in every}
        columns = {row[index] for row in every}
        if 1 < len(columns) <= _WIDEST_ACROSS and 1 < len(rows) <= _MOST_ACROSS and (
            3 * len(every) >= 2 * len(rows) * len(columns)
        ):  # fmt: skip
            return index
    return None


def evenly(frame: pd.DataFrame, most: int) -> list[int]:
    """Return at most `most` rows of `Configurations.frame`, evenly from the least to the most gradient left."""
    ranked = frame["log10_survival"].astype(float).fillna(float("-inf")).to_numpy().argsort(kind="stable")
    if len(ranked) <= most:
        return list(range(len(ranked)))
    last = len(ranked) - 1
    return sorted({int(ranked[round(at * last / max(most - 1, 1))]) for at in range(most)})
