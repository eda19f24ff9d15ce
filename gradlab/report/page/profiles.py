"""The profiles that go into a page: means over seeds at every probed step, with theory's, as much of it as fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gradlab.record import Floats
from gradlab.report.page.configurations import Configurations
from gradlab.report.page.heatmap import evenly
from gradlab.report.page.source import Source
from gradlab.report.words import count, size
from gradlab.results import statistics as stats

__all__ = ["BUDGET", "profiles"]

BUDGET = 1_600_000
"""Bytes that all profiles together may take."""
_NUMBER = 6.5
"""Bytes of one number with its comma, as measured."""
_DIGITS = 3
"""Of a log10: a fifth of a percent, a tenth of a line's width."""


_HISTORY = ("log10_survival", "metric", "loss")


@dataclass(frozen=True, slots=True)
class _Detail:
    """How much of a profile is kept: points along it, single seeds, probed steps."""

    points: int
    seeds: int
    steps: int


_DETAILS = (_Detail(64, 10, 16), _Detail(64, 5, 9), _Detail(48, 3, 6), _Detail(32, 0, 4), _Detail(24, 0, 2))


def profiles(
    found: Configurations, sources: Sequence[Source], budget: int = BUDGET
) -> tuple[dict[str, Any], list[str]]:
    """Return the profiles by the row of the configuration (as text), and sentences about what is left out."""
    probed = [_probed(source) for source in sources]
    sizes = _sizes(found, probed)
    detail = next((one for one in _DETAILS if _bytes(sizes, one) <= budget), _DETAILS[-1])
    chosen = [row for row in range(len(found.frame)) if sizes[row][1]]
    notes = []
    if _bytes(sizes, detail) > budget:
        most = max(int(budget / _bytes(sizes, detail) * len(chosen)), 1)
        rows = evenly(found.frame.iloc[chosen], most)
        notes.append(
            f"profiles are here for {len(rows):,} of {count(len(chosen), 'configuration')}, evenly from the least to "
            f"the most gradient left: all of them would take {size(_bytes(sizes, detail))} (they are in layers.csv)"
        )
        chosen = [chosen[row] for row in rows]
    if detail is not _DETAILS[0]:
        notes.append(
            f"to keep this file small, a profile has at most {detail.points} points, {detail.steps} of the probed "
            f"steps and " + (f"{detail.seeds} single seeds" if detail.seeds else "no single seeds")
        )
    made: dict[str, Any] = {}
    for run, source in enumerate(sources):
        rows_here = [row for row in chosen if found.frame["run"].iat[row] == run]
        made |= _of_run(found, source, run, rows_here, probed[run], detail)
    return made, notes


def _probed(source: Source) -> dict[str, list[int]]:
    """Return the probed steps of each cell, ascending."""
    steps = source.tables.steps
    return {str(cell): sorted(one.tolist()) for cell, one in steps.groupby("cell", sort=False)["step"]}


def _sizes(found: Configurations, probed: Sequence[Mapping[str, list[int]]]) -> list[tuple[int, int, int]]:
    """Return blocks, seeds and probed steps of each configuration."""
    most = [max((len(steps) for steps in one.values()), default=0) for one in probed]
    columns = found.frame[["along", "n", "run"]].to_numpy(np.int64).tolist()
    return [(blocks, seeds, most[run]) for blocks, seeds, run in columns]


def _bytes(sizes: Sequence[tuple[int, int, int]], detail: _Detail) -> float:
    return sum(
        _NUMBER * min(blocks, detail.points) * (5 + min(seeds, detail.seeds) + min(steps, detail.steps))
        + _NUMBER * 3 * steps
        + 80
        for blocks, seeds, steps in sizes
        if seeds
    )


def _of_run(
    found: Configurations, source: Source, run: int, rows: Sequence[int], probed: Mapping[str, list[int]],
    detail: _Detail,
) -> dict[str, Any]:  # fmt: skip
    cells = source.tables.cells
    members: dict[int, list[str]] = {row: [] for row in rows}
    for cell, row, status in zip(cells["cell"], found.group[run], cells["status"], strict=True):
        if row in members and status != "failed":
            members[row].append(cell)
    steps = {row: _some(sorted({at for cell in ids for at in probed.get(cell, ())}), detail.steps)
             for row, ids in members.items()}  # fmt: skip
    ids = {cell for cells_of in members.values() for cell in cells_of}
    at_all = {step for some in steps.values() for step in some}
    layers = _Layers(source.profiles(ids, at_all))
    row_of = {cell: row for row, cells_of in members.items() for cell in cells_of}
    history, lengths = _History(source.tables.steps, row_of), found.frame["along"].to_numpy(np.int64)
    made = {}
    for row, cells_of in members.items():
        one = _profile(layers, cells_of, steps[row], detail, int(lengths[row]))
        if one is not None:
            made[str(row)] = one | {"history": history.of(row)}
    return made


def _some(values: Sequence[int], most: int) -> list[int]:
    last = len(values) - 1
    return [values[at] for at in sorted({round(k * last / max(most - 1, 1)) for k in range(min(most, last + 1))})] if (
        last >= most) else list(values)  # fmt: skip


class _Layers:
    """The profiles of a table of layers, found by cell and step."""

    def __init__(self, layers: pd.DataFrame) -> None:
        starts = np.flatnonzero(layers["layer"].to_numpy() == 1)
        stops = np.append(starts, len(layers))[1:]
        keys = zip(layers["cell"].to_numpy()[starts], layers["step"].to_numpy()[starts], strict=True)
        self._places = dict(zip(keys, zip(starts, stops, strict=True), strict=True))
        self._measured = layers["log10_grad_norm"].to_numpy(np.float64)
        self._theory = layers["theory_log10_grad_norm"].to_numpy(np.float64)
        self._state = layers["log10_cell_grad_norm"].to_numpy(np.float64)

    def at(self, cells: Sequence[str], step: int, blocks: int, *, state: bool = False) -> Floats:
        """Return log10 g_l of the cells probed at `step`, [n, L]; with `state` that of an LSTM's cell state."""
        column = self._state if state else self._measured
        places = [self._places[cell, step] for cell in cells if (cell, step) in self._places]
        found = [column[start:stop] for start, stop in places if stop - start == blocks]
        return np.stack(found) if found else np.empty((0, blocks))

    def theory(self, cell: str, blocks: int) -> Floats | None:
        """Return the predicted log10 of g_l/g_L, [L]; None where there is none."""
        start, stop = self._places.get((cell, 0), (0, 0))
        found = self._theory[start:stop]
        return found if len(found) == blocks and np.isfinite(found).all() else None


def _profile(
    layers: _Layers, cells: Sequence[str], steps: Sequence[int], detail: _Detail, blocks: int
) -> dict[str, Any] | None:
    first = layers.at(cells, 0, blocks)
    if not len(first):
        return None
    at = np.unique(np.linspace(0, blocks - 1, min(blocks, detail.points)).round().astype(np.int64))
    relative = _to_last(first)
    state = _mean(_to_last(layers.at(cells, 0, blocks, state=True)), blocks)
    usable = relative[np.isfinite(relative).all(axis=1)]
    mean = stats.mean_interval(usable.ravel(), np.tile(np.arange(blocks), len(usable)), blocks)
    theory = layers.theory(cells[0], blocks)
    return {
        "at": (at + 1).tolist() if len(at) < blocks else None,
        "mean": _short(mean.mean[at]),
        "low": _short(mean.low[at]) if len(usable) > 1 else None,
        "high": _short(mean.high[at]) if len(usable) > 1 else None,
        "theory": None if theory is None else _short(theory[at]),
        "state": _short(state[at]) if np.isfinite(state).all() else None,
        "seeds": [_short(seed[at]) for seed in relative[: detail.seeds]],
        "lost": len(relative) - len(usable),
        "steps": list(steps),
        "by_step": [_short(_mean(layers.at(cells, step, blocks), blocks)[at]) for step in steps],
    }


def _to_last(profiles: Floats) -> Floats:
    """Return log10 of g_l/g_L, NaN throughout where g_L is zero or not finite."""
    with np.errstate(invalid="ignore"):
        relative: Floats = profiles - np.where(np.isfinite(profiles[:, -1:]), profiles[:, -1:], np.nan)
    return relative


def _mean(profiles: Floats, blocks: int) -> Floats:
    """Return the mean over those that are finite throughout, [L]; NaN without one."""
    usable = profiles[np.isfinite(profiles).all(axis=1)]
    return usable.mean(axis=0) if len(usable) else np.full(blocks, np.nan)


def _short(values: Floats) -> list[float | None]:
    return [round(float(value), _DIGITS) if np.isfinite(value) else None for value in values]


class _History:
    """Means over seeds of survival, metric and loss at each probed step; what is not finite is left out."""

    def __init__(self, steps: pd.DataFrame, row_of: Mapping[str, int]) -> None:
        mine = steps[steps["cell"].isin(row_of)]
        numbers = mine[list(_HISTORY)].astype(np.float64).replace([np.inf, -np.inf], np.nan)
        groups = [mine["cell"].map(row_of).to_numpy(np.int64), mine["step"].to_numpy(np.int64)]
        mean = numbers.groupby(groups, sort=True).mean()
        rows = mean.index.get_level_values(0).to_numpy()
        self._steps = mean.index.get_level_values(1).to_numpy()
        self._values = {key: mean[key].to_numpy() for key in _HISTORY}
        names, first = np.unique(rows, return_index=True)
        stops = np.append(first, len(rows))[1:]
        self._places = {int(row): slice(int(a), int(b)) for row, a, b in zip(names, first, stops, strict=True)}

    def of(self, row: int) -> dict[str, Any]:
        """Return the history of a row of configurations."""
        place = self._places.get(row, slice(0, 0))
        values = {key: _short(every[place]) for key, every in self._values.items()}
        return {"step": self._steps[place].tolist(), **values}
