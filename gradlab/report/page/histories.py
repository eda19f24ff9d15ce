"""How survival, metric, loss and gradient went on in training: means over seeds at each probed step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.definitions import measures, verdicts
from gradlab.record import Floats
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.marks import mark
from gradlab.report.model.profiles import thinned
from gradlab.report.page.configurations import Configurations, shade
from gradlab.report.page.quantities import short
from gradlab.report.page.source import Source
from gradlab.results.statistics import mean_interval

__all__ = ["History", "survival_by_step"]

LN10 = log(10.0)
_HISTORY = ("log10_survival", "metric", "loss", "log10_grad_norm_total")
_MOST_MARKS = 60_000
"""Configurations times steps that the heat map has of survival over training."""


class History:
    """Means over seeds at each probed step; what is not finite, and metrics that measure nothing, are left out."""

    def __init__(self, steps: pd.DataFrame, row_of: Mapping[str, int]) -> None:
        rows = steps[steps["cell"].isin(row_of)]
        numbers = rows.drop(columns=["cell", "step"]).astype(np.float64)
        with np.errstate(divide="ignore"):
            numbers["log10_grad_norm_total"] = np.log10(numbers.pop("grad_norm_total"))
        numbers = numbers[list(_HISTORY)].replace([np.inf, -np.inf], np.nan)
        numbers["metric"] = numbers["metric"].where(measures(numbers["metric"].to_numpy()))
        groups = [rows["cell"].map(row_of).to_numpy(np.int64), rows["step"].to_numpy(np.int64)]
        mean = numbers.groupby(groups, sort=True).mean()
        places = mean.index.get_level_values(0).to_numpy()
        self._steps = mean.index.get_level_values(1).to_numpy()
        self._values = {key: mean[key].to_numpy() for key in _HISTORY}
        names, first = np.unique(places, return_index=True)
        stops = np.append(first, len(places))[1:]
        self._places = {int(row): slice(int(a), int(b)) for row, a, b in zip(names, first, stops, strict=True)}

    def of(self, row: int) -> dict[str, Any]:
        """Return the history of a row of configurations."""
        place = self._places.get(row, slice(0, 0))
        values = {key: short(column[place]) for key, column in self._values.items()}
        return {"step": self._steps[place].tolist(), **values}


def survival_by_step(
    configurations: Configurations, sources: Sequence[Source], most: int = _MOST_MARKS
) -> dict[str, Any] | None:
    """Return the marks of all configurations at the probed steps, as the heat map shows them: `steps`, the marks that
    occur as `levels` [text, sign, shade], and `codes`, for each step that of each configuration.

    At a step that a network was not probed at stands its last probe before. None where nothing was probed in training;
    of too many steps for `most` marks some, both ends among them.
    """
    every = sorted({int(step) for source in sources for step in source.tables.steps["step"].unique()})
    if len(every) < 2:
        return None
    total = len(configurations.frame)
    chosen = [every[at] for at in thinned(len(every), max(most // max(total, 1), 2))]
    means, names = np.full((total, len(chosen)), np.nan), np.full((total, len(chosen)), "failed", dtype=object)
    limits = configurations.settings[["thresholds.vanish", "thresholds.explode"]].to_numpy(np.float64)
    for run, source in enumerate(sources):
        _fill(means, names, np.log(limits), source, configurations.group[run], chosen)
    levels: dict[tuple[str, str, str], int] = {}
    codes = []
    for step in range(len(chosen)):
        values, verdict = means[:, step].tolist(), names[:, step].tolist()
        marks = [mark(*entry) for entry in zip(verdict, values, *limits.T.tolist(), strict=True)]
        entries = [(mark.text, UNICODE.sign(mark.sign).strip(), shade(mark)) for mark in marks]
        codes.append([levels.setdefault(entry, len(levels)) for entry in entries])
    return {"steps": chosen, "levels": list(levels), "codes": codes}


def _fill(
    means: Floats, names: NDArray[Any], limits: Floats, source: Source, group: pd.Series[int], chosen: Sequence[int]
) -> None:
    """Put the means over seeds of log10 survival, and their verdicts, of one run into [configurations, steps].

    As in summary.csv: the mean leaves out what is not finite, which is the verdict where half of the seeds have it.
    """
    steps = source.tables.steps.reset_index(drop=True)
    row_of = dict(zip(source.tables.cells["cell"], group, strict=True))
    places = steps.assign(place=np.arange(len(steps))).pivot(index="cell", columns="step", values="place")
    places = places.ffill(axis=1).reindex(columns=list(chosen), method="ffill")
    rows = np.array([row_of[cell] for cell in places.index], dtype=np.int64)
    usable = rows >= 0  # the others are not listed
    measured = np.unique(rows[usable])
    values = steps["log10_survival"].to_numpy(np.float64)
    for step in range(len(chosen)):
        place = places.iloc[:, step].to_numpy(np.float64)[usable]
        at_step = np.where(np.isnan(place), np.nan, values[np.nan_to_num(place).astype(np.int64)])
        mean = mean_interval(at_step, rows[usable], len(means)).mean
        count, zero, lost = (
            np.bincount(rows[usable], condition, len(means))
            for condition in (None, np.isneginf(at_step), np.isnan(at_step) | np.isposinf(at_step))
        )
        verdict = verdicts(mean * LN10, *limits.T, dead=2 * zero >= count, nonfinite=2 * lost >= count)
        means[measured, step], names[measured, step] = mean[measured], verdict[measured]
