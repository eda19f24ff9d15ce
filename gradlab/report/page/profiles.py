"""The profiles that go into a page: means over seeds at every probed step, with theory's, as much of it as fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradlab.report.formatting import count, size
from gradlab.report.model.profiles import ProfileIndex, mean_series, profile, thinned
from gradlab.report.page.configurations import Configurations
from gradlab.report.page.heatmap import spread
from gradlab.report.page.histories import History
from gradlab.report.page.quantities import COLUMNS, in_blocks, over_training, short
from gradlab.report.page.source import Source

__all__ = ["BUDGET", "profiles"]

BUDGET = 1_600_000
"""Bytes that all profiles together may take."""
_NUMBER = 6.5
"""Bytes of one number with its comma, as measured."""


@dataclass(frozen=True, slots=True)
class _Detail:
    """How much of a profile is kept: points along it, single seeds, probed steps, and those of the other quantities."""

    points: int
    seeds: int
    steps: int
    others: int


_DETAILS = (
    _Detail(64, 10, 16, 16), _Detail(64, 10, 16, 4), _Detail(64, 5, 9, 3), _Detail(48, 3, 6, 2), _Detail(32, 0, 4, 2),
    _Detail(24, 0, 2, 0),
)  # fmt: skip


def profiles(
    configurations: Configurations, sources: Sequence[Source], budget: int = BUDGET
) -> tuple[dict[str, Any], list[str]]:
    """Return the profiles by the row of the configuration (as text), and sentences about what is left out."""
    probed = [_probed(source) for source in sources]
    sizes = _sizes(configurations, probed)
    detail = next((detail for detail in _DETAILS if _bytes(sizes, detail) <= budget), _DETAILS[-1])
    rows = [row for row, (_, seeds, _) in enumerate(sizes) if seeds]
    notes = []
    if _bytes(sizes, detail) > budget:
        most = max(int(budget / _bytes(sizes, detail) * len(rows)), 1)
        sample = spread(configurations.frame.iloc[rows], most)
        notes.append(
            f"profiles are here for {len(sample):,} of {count(len(rows), 'configuration')}, evenly from the smallest "
            f"to the largest survival: all of them would take {size(_bytes(sizes, detail))} (they are in layers.csv)"
        )
        rows = [rows[row] for row in sample]
    if detail is not _DETAILS[0]:
        notes.append(
            f"to keep this file small, a profile has at most {detail.points} points, {detail.steps} of the probed "
            f"steps ({detail.others} of weight gradient, activations and dead units) and "
            + (f"{detail.seeds} single seeds" if detail.seeds else "no single seeds")
        )
    of_row: dict[str, Any] = {}
    for run, source in enumerate(sources):
        rows_of_run = [row for row in rows if configurations.frame["run"].iat[row] == run]
        of_row |= _of_run(configurations, source, run, rows_of_run, probed[run], detail)
    return of_row, notes


def _probed(source: Source) -> dict[str, list[int]]:
    """Return the probed steps of each cell, ascending."""
    steps = source.tables.steps
    return {str(cell): sorted(group.tolist()) for cell, group in steps.groupby("cell", sort=False)["step"]}


def _sizes(configurations: Configurations, probed: Sequence[Mapping[str, list[int]]]) -> list[tuple[int, int, int]]:
    """Return blocks, seeds and probed steps of each configuration."""
    most = [max(map(len, steps.values()), default=0) for steps in probed]
    columns = configurations.frame[["length", "n", "run"]].to_numpy(np.int64).tolist()
    return [(blocks, seeds, most[run]) for blocks, seeds, run in columns]


def _bytes(sizes: Sequence[tuple[int, int, int]], detail: _Detail) -> float:
    return sum(
        _NUMBER
        * min(blocks, detail.points)
        * (6 + min(seeds, detail.seeds) + min(steps, detail.steps) + len(COLUMNS) * min(steps, detail.others))
        + _NUMBER * (5 * steps + 2 * min(steps, detail.steps))
        + 250
        for blocks, seeds, steps in sizes
        if seeds
    )


def _of_run(
    configurations: Configurations, source: Source, run: int, rows: Sequence[int], probed: Mapping[str, list[int]],
    detail: _Detail,
) -> dict[str, Any]:  # fmt: skip
    cells = source.tables.cells
    members: dict[int, list[str]] = {row: [] for row in rows}
    for cell, row, status in zip(cells["cell"], configurations.group[run], cells["status"], strict=True):
        if row in members and status != "failed":
            members[row].append(cell)
    steps: dict[int, list[int]] = {}
    for row, cell_ids in members.items():
        every = sorted({step for cell in cell_ids for step in probed.get(cell, ())})
        steps[row] = [every[at] for at in thinned(len(every), detail.steps)] if every else []
    ids = {cell for cell_ids in members.values() for cell in cell_ids}
    index = ProfileIndex(source.profiles(ids, {at for probes in steps.values() for at in probes}), source.stacked(ids))
    history = History(source.tables.steps, {cell: row for row, cell_ids in members.items() for cell in cell_ids})
    scatter = configurations.frame["theory_log10_sd"].astype(float).tolist()
    return {
        str(row): _profile(index, cell_ids, steps[row], detail, scatter[row]) | {"history": history.of(row)}
        for row, cell_ids in members.items()
        if cell_ids
    }


def _profile(
    index: ProfileIndex, cells: Sequence[str], steps: Sequence[int], detail: _Detail, theory_sd: float
) -> dict[str, Any]:
    series = profile(index, cells, theory_sd)
    at, mean = thinned(series.blocks, detail.points), series.mean
    return {
        "at": (at + 1).tolist() if len(at) < series.blocks else None,
        "mean": short(mean.mean[at]),
        "low": short(mean.low[at]) if mean.count > 1 else None,
        "high": short(mean.high[at]) if mean.count > 1 else None,
        "theory": None if series.theory is None else short(series.theory[at]),
        "scatter": None if series.scatter is None else short(series.scatter[at]),
        "state": None if series.state is None else short(series.state[at]),
        "layers": [short(layer[at]) for layer in series.layers],
        "seeds": [short(seed[at]) for seed in series.seeds[: detail.seeds]],
        "lost": series.lost,
        "steps": list(steps),
        "by_step": [short(mean_series(index.of(cells, step)).mean[at]) for step in steps],
        "courses": over_training(index, cells, steps),
        "blocks": in_blocks(index, cells, [steps[k] for k in thinned(len(steps), detail.others)], at),
    }
