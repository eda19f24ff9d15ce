"""The survival of the single layers of stacked networks, beside that of all layers together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradlab.record import Floats
from gradlab.report.model.marks import Mark, Point, mark, verdict_of
from gradlab.report.model.profiles import ProfileIndex
from gradlab.report.model.rows import RowGroup
from gradlab.results.statistics import mean_interval

__all__ = ["LayerSurvival", "stacked_survival"]


@dataclass(frozen=True, slots=True)
class LayerSurvival:
    """The survival before training of one layer by itself, or of all together."""

    mark: Mark
    half: float
    """Half width of the 95 % interval of its log10 over seeds; NaN with one seed."""


def stacked_survival(
    group: RowGroup, index: ProfileIndex, cells: Sequence[Sequence[str]]
) -> tuple[RowGroup, list[list[LayerSurvival]]]:
    """Return the rows whose longest network is a stacked one, with all its layers together, then each, lowest first.

    `cells`: see `longest_cells`.
    """
    rows, survivals = [], []
    for row, cell_ids in zip(group.rows, cells, strict=True):
        log_g, point = index.stacked(cell_ids), row.longest
        if point is not None and log_g.shape[1]:
            half = float(point["log10_survival_hi"] - point["log10_survival_lo"]) / 2
            rows.append(row)
            thresholds = float(point["thresholds.vanish"]), float(point["thresholds.explode"])
            together = mark(str(point["verdict"]), float(point["log10_survival"]), *thresholds)
            survivals.append([LayerSurvival(together, half), *_layers(log_g, point)])
    lengths = tuple(sorted({max(row.points) for row in rows}))
    return replace(group, rows=tuple(rows), lengths=lengths), survivals


def _layers(log_g: Floats, point: Point) -> list[LayerSurvival]:
    """Return the geometric means over seeds of g_1/g_T of the layers of `log_g` [n, D, T]; those that are not finite
    are left out."""
    with np.errstate(invalid="ignore"):
        survival = log_g[:, :, 0] - log_g[:, :, -1]
    seeds, layers = survival.shape
    interval = mean_interval(survival.ravel(), np.tile(np.arange(layers), seeds), layers)
    thresholds = float(point["thresholds.vanish"]), float(point["thresholds.explode"])
    survivals = []
    for layer, value in enumerate(interval.mean.tolist()):
        dead = np.isneginf(log_g[:, layer, 0]).all()
        verdict = "dead" if dead else verdict_of(value, *thresholds)
        half = float(interval.high[layer] - interval.low[layer]) / 2
        survivals.append(LayerSurvival(mark(verdict, value, *thresholds), half))
    return survivals
