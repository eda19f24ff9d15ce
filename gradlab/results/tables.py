"""The tables of a run as frames, with the columns of the schema (`gradlab.columns`) in their order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.cell import Cell, cell_id, columns_of_settings, settings_of
from gradlab.columns import Column, columns_of
from gradlab.definitions import measures, reach
from gradlab.record import Floats
from gradlab.results.frames import frame_of
from gradlab.results.summary import summary_table
from gradlab.results.survival import (
    LN10,
    Profiles,
    cell_state_survival,
    largest,
    log_ratio,
    number,
    summarise,
    underflow,
    unmoved_blocks,
    worst_layers,
)
from gradlab.results.theory import Predict, Predicted, ask, deviations
from gradlab.store.records import Failure, Integers, Records

__all__ = ["Tables", "cells_table", "configurations_of", "tables"]


@dataclass(frozen=True)
class Tables:
    """The derived tables. Empty fields are NaN, None or the empty text."""

    cells: pd.DataFrame
    layers: pd.DataFrame
    steps: pd.DataFrame
    summary: pd.DataFrame
    stacked: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Empty unless a cell is a stacked recurrent network."""

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The tables by name, as they are written; without `stacked` where it is empty."""
        frames = {"cells": self.cells, "layers": self.layers, "steps": self.steps, "summary": self.summary}
        return frames | ({"stacked": self.stacked} if len(self.stacked) else {})


def tables(
    records: Records,
    failures: Sequence[Failure] = (),
    *,
    order: Sequence[str] | None = None,
    predict: Predict | None = None,
) -> Tables:
    """Return the tables of what was measured, with the failed cells of this run.

    `order` is the order of the cell ids in ``cells`` (default: measured cells, then failed ones). `predict` fills
    the columns of the theory; without it they are empty. docs/columns.md says what the columns are.

    A number too small or too large for a double is an empty field, its log10 column is right; 0 means exactly zero,
    its log10 is -inf.
    """
    profiles = summarise(records)
    configurations, group = configurations_of(records.cells)
    predicted = ask(predict, records, group, configurations)
    cells = cells_table(records, profiles, predicted, group)
    summary = summary_table(cells, configurations, group, predicted)
    return Tables(
        cells=_with_failures(cells, failures, order),
        layers=_layers(records, predicted, group),
        steps=_steps(records, profiles),
        summary=summary,
        stacked=_stacked(records),
    )


def configurations_of(cells: Sequence[Cell]) -> tuple[tuple[Cell, ...], Integers]:
    """Return the configurations of some cells, and for each cell the index of its own, [C]."""
    index: dict[Cell, int] = {}
    group = np.array([index.setdefault(cell.configuration(), len(index)) for cell in cells], dtype=np.int64)
    return tuple(index), group


def _shown(column: Column, values: NDArray[Any]) -> Any:
    """Return the values of a field in the form and of the kind that a column shows."""
    if column.form == "exp":
        return number(values)
    if column.form == "log10":
        return values / LN10
    floats = column.kind == "int" and values.dtype.kind == "f"  # some of them are missing
    return _integers(values) if floats else values


def _integers(values: Any) -> Any:
    """Return whole numbers of which NaN is missing."""
    return pd.array(values, dtype="Int64")


def cells_table(
    records: Records, profiles: Profiles, predicted: Predicted, group: Integers, names: Collection[str] | None = None
) -> pd.DataFrame:
    """Return the table ``cells`` of `records`, or its columns `names`; `group` [C]: each one's configuration."""
    first, last = records.first_row, records.first_row + records.probes - 1
    log_survival, log_decay = profiles.log_survival[first], profiles.log_decay[first]
    settings = columns_of_settings(records.cells)
    trained = np.array([cell.steps > 0 for cell in records.cells], dtype=bool)
    derived: dict[str, Callable[[], Any]] = {
        "bank": lambda: records.scalars["bank"],
        "error": lambda: _divergences(records.scalars["diverged_at"]),
        "verdict": lambda: profiles.verdict[first],
        "survival": lambda: number(log_survival),
        "log10_survival": lambda: log_survival / LN10,
        "decay": lambda: number(log_decay),
        "decay_se": lambda: number(log_decay) * profiles.log_decay_se[first],
        "reach": lambda: reach(log_decay),
        "survival_final": lambda: number(profiles.log_survival[last]),
        "verdict_final": lambda: profiles.verdict[last],
        "log10_survival_final": lambda: profiles.log_survival[last] / LN10,
        "cell_survival": lambda: number(cell_state_survival(records, first)),
        "log10_cell_survival": lambda: cell_state_survival(records, first) / LN10,
        "displacement": lambda: np.where(trained, largest(records, last, "displacement"), np.nan),
        "unmoved_blocks": lambda: _integers(np.where(trained, unmoved_blocks(records, last), np.nan)),
        "saturated": lambda: largest(records, first, "saturated"),
        "metric_lost_at": lambda: _integers(_metric_lost_at(records)),
        "worst_layer": lambda: _integers(worst_layers(records, first).layer),
        "log10_survival_by_layer": lambda: worst_layers(records, first).log_survival / LN10,
        "log10_survival_by_layer_final": lambda: worst_layers(records, last).log_survival / LN10,
        "underflow": lambda: underflow(records, first).share,
        "underflow_at": lambda: _integers(underflow(records, first).block),
        "theory_survival": lambda: number(predicted.log_survival[group]),
        "theory_log10_survival": lambda: predicted.log_survival[group] / LN10,
        "theory_log10_sd": lambda: predicted.log_survival_sd[group] / LN10,
        "theory_log10_error": lambda: predicted.log_survival_error[group] / LN10,
        "theory_decay": lambda: predicted.decay[group],
        "theory_z": lambda: deviations(
            log_survival,
            predicted.log_survival[group],
            predicted.log_survival_sd[group],
            predicted.log_survival_error[group],
        ),
        "theory_log10_cell_survival": lambda: predicted.log_cell_survival[group] / LN10,
    }

    def kept_values(column: Column) -> Any:
        if column.kept == "setting":
            return settings[column.name]
        source = column.source or column.name
        if source in records.by_step:
            return _shown(column, records.by_step[source][first if column.at == "first" else last])
        return _shown(column, records.scalars[source])

    return frame_of("cells", derived, kept_values, names)


def _metric_lost_at(records: Records) -> Floats:
    """Return the first probed step of each cell that did not diverge whose metric measures nothing; else NaN."""
    ok = (records.scalars["status"] == "ok")[records.cell_of_row]
    lost = ~measures(records.by_step["metric"]) & ok
    at = np.full(len(records.cells), np.nan)
    rows = np.flatnonzero(lost)[::-1]
    at[records.cell_of_row[rows]] = records.probe_steps[rows]
    return at


def _divergences(diverged_at: Floats) -> list[str]:
    return ["" if np.isnan(step) else f"not finite at step {step:.0f}" for step in diverged_at]


def _with_failures(frame: pd.DataFrame, failures: Sequence[Failure], order: Sequence[str] | None) -> pd.DataFrame:
    if failures:
        known = {
            "cell": [cell_id(failure.cell) for failure in failures],
            "status": ["failed"] * len(failures),
            "bank": [failure.bank for failure in failures],
            "error": [failure.error for failure in failures],
        }
        settings = [settings_of(failure.cell) for failure in failures]
        kinds = {"int": "Int64", "bool": "boolean"}  # that can be missing
        missing = {"float": np.nan, "int": pd.NA, "bool": pd.NA, "text": ""}
        lost = frame_of(
            "cells",
            {},
            lambda column: known.get(column.name) or [row.get(column.name, missing[column.kind]) for row in settings],
        )
        kinds = {
            column.name: {"int": "Int64", "bool": "boolean"}.get(column.kind, "") for column in columns_of("cells")
        }
        dtypes = {name: kind for name, kind in kinds.items() if kind}
        joined = [part for part in (frame, lost) if len(part)]
        frame = pd.concat([part.astype(object) for part in joined], ignore_index=True)
        frame = frame.infer_objects().astype(dtypes)
    if order is not None:
        rank = {cell: index for index, cell in enumerate(order)}
        frame = frame.iloc[np.argsort([rank[cell] for cell in frame["cell"]], kind="stable")].reset_index(drop=True)
    return frame


def _cells_of(records: Records, rows: Integers) -> pd.Categorical:
    """Return the ids of the cells of some rows."""
    ids: list[str] = list(records.scalars["cell"])
    return pd.Categorical.from_codes(records.cell_of_row[rows], categories=pd.Index(ids, dtype=object))


def _layers(records: Records, predicted: Predicted, group: Integers) -> pd.DataFrame:
    row = np.repeat(np.arange(len(records.cell_of_row)), records.blocks_of_row)
    derived: dict[str, Callable[[], Any]] = {
        "cell": lambda: _cells_of(records, row),
        "step": lambda: records.probe_steps[row],
        "layer": lambda: np.arange(len(row)) - records.start_of_row[row] + 1,
        "theory_log10_grad_norm": lambda: _theory_profile(records, predicted, group) / LN10,
    }
    return frame_of("layers", derived, lambda column: _shown(column, records.by_layer[column.source or column.name]))


def _theory_profile(records: Records, predicted: Predicted, group: Integers) -> Floats:
    """Return the predicted ln(g_l/g_L) for the blocks of each cell's step 0, NaN for later steps: theory is of the
    network as it was initialised."""
    predictions = np.full(len(records.by_layer["log_grad_norm"]), np.nan)
    for cell, row in enumerate(records.first_row):
        profile = predicted.profiles[group[cell]]
        if profile is not None:
            start = records.start_of_row[row]
            predictions[start : start + len(profile)] = profile
    return predictions


def _steps(records: Records, profiles: Profiles) -> pd.DataFrame:
    derived: dict[str, Callable[[], Any]] = {
        "cell": lambda: _cells_of(records, np.arange(len(records.cell_of_row))),
        "step": lambda: records.probe_steps,
        "survival": lambda: number(profiles.log_survival),
        "log10_survival": lambda: profiles.log_survival / LN10,
        "decay": lambda: number(profiles.log_decay),
    }
    return frame_of("steps", derived, lambda column: _shown(column, records.by_step[column.source or column.name]))


def _stacked(records: Records) -> pd.DataFrame:
    """Return the profile of each stacked layer by itself; empty when no cell has any."""
    layers = records.stacked_layers[records.cell_of_row]
    if not layers.any():
        return pd.DataFrame()
    sizes = layers * records.blocks_of_row
    row = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # [L, D] of its row, end to end
    time_step, stacked_layer = place // layers[row], place % layers[row]
    log_g = records.by_stacked["log_grad_norm_by_layer"]
    log_survival = np.full(len(row), np.nan)
    first = np.flatnonzero(time_step == 0)
    last = first + sizes[row[first]] - layers[row[first]]
    log_survival[first] = log_ratio(log_g[first], log_g[last])
    derived: dict[str, Callable[[], Any]] = {
        "cell": lambda: _cells_of(records, row),
        "step": lambda: records.probe_steps[row],
        "layer": lambda: time_step + 1,
        "stacked_layer": lambda: stacked_layer + 1,
        "log10_survival": lambda: log_survival / LN10,
    }
    return frame_of("stacked", derived, lambda column: _shown(column, records.by_stacked[column.source or column.name]))
