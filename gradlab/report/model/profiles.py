"""The gradient profiles of configurations as series along the axis: single seeds, mean, theory, cell state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.analysis.compare.design import setting_text
from gradlab.record import Floats
from gradlab.report.model.rows import RowGroup
from gradlab.results.statistics import mean_interval
from gradlab.results.tables import Tables

__all__ = [
    "MeanSeries",
    "Profile",
    "ProfileIndex",
    "longest_cells",
    "longest_profiles",
    "mean_series",
    "profile",
    "thinned",
]

_NORMAL_95 = 1.96


class ProfileIndex:
    """Finds the profiles of a ``layers`` table by cell and probed step, and of a ``stacked`` one before training."""

    def __init__(self, layers: pd.DataFrame, stacked: pd.DataFrame | None = None) -> None:
        """Take tables whose rows of one cell and step lie together, block (or time step) 1 first."""
        self._layers = layers
        self._stacked = _stacked_profiles(stacked) if stacked is not None and len(stacked) else {}
        starts = np.flatnonzero(layers["layer"].to_numpy() == 1)
        stops = np.append(starts, len(layers))[1:]
        cells = layers["cell"].astype(object).to_numpy()[starts].tolist()
        steps = layers["step"].to_numpy()[starts].tolist()
        self._spans: dict[str, dict[int, slice]] = {}
        for cell, step, start, stop in zip(cells, steps, starts.tolist(), stops.tolist(), strict=True):
            self._spans.setdefault(cell, {})[step] = slice(start, stop)
        self._columns: dict[str, Floats] = {}

    def of(self, cells: Sequence[str], step: int, column: str = "log10_grad_norm") -> Floats:
        """Return a column for those of the cells, of one length L, that were probed at `step`, [n, L]."""
        if column not in self._columns:
            self._columns[column] = self._layers[column].to_numpy(np.float64, na_value=np.nan)
        values = self._columns[column]
        spans = [by_step[step] for cell in cells if step in (by_step := self._spans.get(cell, {}))]
        return np.stack([values[span] for span in spans]) if spans else np.empty((0, 0))

    def steps(self, cells: Sequence[str]) -> list[int]:
        """Return the probed steps of these cells, ascending."""
        return sorted({step for cell in cells for step in self._spans.get(cell, {})})

    def stacked(self, cells: Sequence[str]) -> Floats:
        """Return log10 g_t of the D single layers of stacked networks at step 0, [n, D, T]; D is 0 without any."""
        norms = [self._stacked[cell] for cell in cells if cell in self._stacked]
        return np.stack(norms) if norms else np.empty((len(cells), 0, 0))

    def has(self, column: str) -> bool:
        """Whether the table has this column; that of an older gradlab has fewer."""
        return column in self._layers


def _stacked_profiles(stacked: pd.DataFrame) -> dict[str, Floats]:
    first = stacked[stacked["step"] == 0]
    layer = first["stacked_layer"].to_numpy()
    starts = np.flatnonzero((first["layer"].to_numpy() == 1) & (layer == 1))
    values = np.split(first["log10_grad_norm"].to_numpy(np.float64, na_value=np.nan), starts[1:])
    layers = np.maximum.reduceat(layer, starts)
    cells = first["cell"].astype(object).to_numpy()[starts]
    return {cell: norms.reshape(-1, number).T for cell, norms, number in zip(cells, values, layers, strict=True)}


@dataclass(frozen=True)
class MeanSeries:
    """A mean over seeds along the axis with its 95 % interval, [L] each; NaN where there is none."""

    mean: Floats
    low: Floats
    high: Floats
    count: int
    """Seeds in the mean: those finite in all blocks."""


def mean_series(seeds: Floats) -> MeanSeries:
    """Return the mean of those of the profiles [n, L] that are finite in all blocks."""
    usable = seeds[np.isfinite(seeds).all(axis=1)]
    blocks = seeds.shape[1]
    interval = mean_interval(usable.ravel(), np.tile(np.arange(blocks), len(usable)), blocks)
    return MeanSeries(interval.mean, interval.low, interval.high, len(usable))


@dataclass(frozen=True)
class Profile:
    """The profile of one configuration before training: log10 of g_l/g_L, with the blocks (or time steps) l = 1..L."""

    seeds: Floats
    """Of each seed, [n, L]; NaN where g_L is zero or not finite."""
    mean: MeanSeries
    theory: Floats | None
    """Predicted, [L]."""
    scatter: Floats | None
    """Half width of the range where theory expects 95 % of single seeds at this width, [L]."""
    state: Floats | None
    """The mean of an LSTM's cell state, [L]."""
    layers: tuple[Floats, ...] = ()
    """The means of the single layers of a stacked network, the lowest first, [L] each; each is 1 at its last step."""

    @property
    def blocks(self) -> int:
        """L."""
        return int(self.seeds.shape[1])

    @property
    def lost(self) -> int:
        """Seeds left out of the mean: a gradient that is exactly zero or not finite."""
        return len(self.seeds) - self.mean.count

    @property
    def extent(self) -> tuple[float, float]:
        """The smallest and the largest finite value of all series, 0 among them."""
        values = np.concatenate([self.seeds.ravel(), *([] if self.theory is None else [self.theory]), *self.layers])
        finite = np.append(values[np.isfinite(values)], 0.0)
        return float(finite.min()), float(finite.max())


def profile(index: ProfileIndex, cells: Sequence[str], theory_sd: float = float("nan")) -> Profile:
    """Return the profile of the cells of one configuration, at least one of them measured.

    `theory_sd`: predicted standard deviation of one seed's log10 survival; that of block l is sqrt((L-l)/(L-1)) of it,
    as the logarithms of the blocks' factors add up.
    """
    seeds = _to_last(index.of(cells, 0))
    theory = _all_finite(index, cells, "theory_log10_grad_norm")
    state = _to_last(index.of(cells, 0, "log10_cell_grad_norm")) if index.has("log10_cell_grad_norm") else None
    mean_state = None if state is None else mean_series(state).mean
    blocks = seeds.shape[1]
    to_loss = np.arange(blocks - 1, -1, -1) / max(blocks - 1, 1)
    stacked = index.stacked(cells)
    return Profile(
        seeds=seeds,
        mean=mean_series(seeds),
        theory=theory,
        scatter=None if theory is None or np.isnan(theory_sd) else _NORMAL_95 * theory_sd * np.sqrt(to_loss),
        state=mean_state if mean_state is not None and np.isfinite(mean_state).all() else None,
        layers=tuple(mean_series(_to_last(stacked[:, layer])).mean for layer in range(stacked.shape[1])),
    )


def _to_last(log_g: Floats) -> Floats:
    last = log_g[:, -1:]
    return log_g - np.where(np.isfinite(last), last, np.nan)


def _all_finite(index: ProfileIndex, cells: Sequence[str], column: str) -> Floats | None:
    values = index.of(cells, 0, column) if index.has(column) else np.empty((0, 0))
    return values[0] if len(values) and np.isfinite(values).all() else None


def longest_cells(tables: Tables, group: RowGroup) -> list[list[str]]:
    """Return for each row the ids of the measured cells of its longest network, one for each seed."""
    cells = tables.cells
    members: dict[tuple[Any, ...], list[str]] = {}
    labels = [cells[key].map(setting_text) for key in group.keys]
    for cell, status, *place in zip(cells["cell"], cells["status"], cells[group.axis.setting], *labels, strict=True):
        if status != "failed":
            members.setdefault(tuple(place), []).append(cell)
    return [members[max(row.points), *row.labels] if row.points else [] for row in group.rows]


def longest_profiles(index: ProfileIndex, cells: Sequence[Sequence[str]]) -> list[Floats]:
    """Return for each row of `longest_cells` the mean over seeds of log10 g_l at step 0, [L]; empty without a cell."""
    with np.errstate(invalid="ignore"):
        return [index.of(cell_ids, 0).mean(axis=0) if cell_ids else np.empty(0) for cell_ids in cells]


def thinned(blocks: int, most: int) -> NDArray[np.int64]:
    """Return the indices of at most `most` evenly spaced blocks, both ends among them."""
    return np.unique(np.linspace(0, blocks - 1, min(blocks, most)).round().astype(np.int64))
