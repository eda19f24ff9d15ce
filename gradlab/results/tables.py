"""The four tables of a run as frames, with the columns of the CSV files in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gradlab.cell import Cell, cell_id, settings_of
from gradlab.definitions import reach
from gradlab.record import Floats
from gradlab.results.predicted import Predict, Predicted, ask, deviations
from gradlab.results.profile import Profiles, cell_path, number, summarise, underflow
from gradlab.results.summary import summary_frame
from gradlab.store.records import Failure, Integers, Records

__all__ = ["Tables", "tables"]

LN10 = log(10.0)


@dataclass(frozen=True)
class Tables:
    """The derived tables. Empty fields are NaN, None or the empty text."""

    cells: pd.DataFrame
    layers: pd.DataFrame
    steps: pd.DataFrame
    summary: pd.DataFrame


def tables(
    measured: Records,
    failures: Sequence[Failure] = (),
    *,
    order: Sequence[str] | None = None,
    predict: Predict | None = None,
) -> Tables:
    """Return the tables of what was measured, with the failed cells of this run.

    `order` is the order of the cell ids in ``cells`` (default: measured cells, then failed ones). `predict` fills
    the columns of the theory; without it they are empty. Columns beyond the design come last: in ``cells``
    ``log10_survival_final``, ``diverged_at``, ``theory_log10_survival``, of an LSTM's cell state ``cell_survival``,
    ``log10_cell_survival`` and ``theory_log10_cell_survival``, and at step 0 the largest ``underflow`` with the block
    it is ``underflow_at``; in ``layers`` ``log10_grad_norm``, of g_l/g_L at step 0 ``theory_log10_grad_norm``,
    ``underflow``, ``cell_grad_norm`` and ``log10_cell_grad_norm``; in ``steps`` ``log10_survival``,
    ``clip_norm_before``, ``clip_norm_after``, ``spectral_radius``, ``recurrent_norm`` and ``loss_scale``; in
    ``summary`` see `summary_frame`. A ``layer`` of a recurrent network is a time step, the first is 1.

    A number too small or too large for a double is an empty field, its log10 column is right; 0 means exactly zero,
    its log10 is -inf.
    """
    profiles = summarise(measured)
    configurations, group = _configurations(measured.cells)
    predicted = ask(predict, measured, group, configurations)
    frame = _cells(measured, profiles, predicted, group)
    summary = summary_frame(frame, measured, configurations, group, predicted)
    frame = _with_failures(frame, failures, order)
    return Tables(frame, _layers(measured, predicted, group), _steps(measured, profiles), summary)


def _configurations(cells: Sequence[Cell]) -> tuple[tuple[Cell, ...], Integers]:
    index: dict[Cell, int] = {}
    group = np.array([index.setdefault(cell.configuration(), len(index)) for cell in cells], dtype=np.int64)
    return tuple(index), group


def _settings(cells: Sequence[Cell]) -> dict[str, list[Any]]:
    rows = [settings_of(cell) for cell in cells]
    return {key: [row[key] for row in rows] for key in rows[0]} if rows else {key: [] for key in settings_of(Cell())}


def _cells(measured: Records, profiles: Profiles, predicted: Predicted, group: Integers) -> pd.DataFrame:
    first, last = measured.first_row, measured.first_row + measured.probes - 1
    log_survival, log_decay = profiles.log_survival[first], profiles.log_decay[first]
    decay = number(log_decay)
    diverged_at = measured.scalars["diverged_at"]
    path, lost = cell_path(measured, first), underflow(measured, first)
    return pd.DataFrame(
        {
            "cell": measured.scalars["cell"],
            **_settings(measured.cells),
            "status": measured.scalars["status"],
            "verdict": profiles.verdict[first],
            "survival": number(log_survival),
            "log10_survival": log_survival / LN10,
            "decay": decay,
            "decay_se": decay * profiles.log_decay_se[first],
            "reach": reach(log_decay),
            "theory_survival": number(predicted.log_survival[group]),
            "theory_decay": predicted.decay[group],
            "theory_z": deviations(log_survival, predicted.log_survival[group], predicted.log_survival_sd[group]),
            "survival_final": number(profiles.log_survival[last]),
            "verdict_final": profiles.verdict[last],
            "loss_first": measured.by_step["loss"][first],
            "loss": measured.by_step["loss"][last],
            "metric_name": measured.scalars["metric_name"],
            "metric": measured.by_step["metric"][last],
            "learned": measured.scalars["learned"],
            "clip_rate": measured.scalars["clip_rate"],
            "steps": measured.scalars["steps"],
            "bank": measured.scalars["bank"],
            "wall_s": measured.scalars["wall_s"],
            "device": measured.scalars["device"],
            "error": ["" if np.isnan(at) else f"not finite at step {at:.0f}" for at in diverged_at],
            "log10_survival_final": profiles.log_survival[last] / LN10,
            "diverged_at": pd.array(diverged_at, dtype="Int64"),
            "theory_log10_survival": predicted.log_survival[group] / LN10,
            "cell_survival": number(path),
            "log10_cell_survival": path / LN10,
            "theory_log10_cell_survival": predicted.log_cell_survival[group] / LN10,
            "underflow": lost.share,
            "underflow_at": pd.array(np.where(lost.block > 0, lost.block, np.nan), dtype="Int64"),
        }
    )


def _with_failures(frame: pd.DataFrame, failures: Sequence[Failure], order: Sequence[str] | None) -> pd.DataFrame:
    if failures:
        lost = pd.DataFrame(
            {
                "cell": [cell_id(failure.cell) for failure in failures],
                **_settings([failure.cell for failure in failures]),
                "status": "failed",
                "bank": [failure.bank for failure in failures],
                "error": [failure.error for failure in failures],
            }
        )
        texts = dict.fromkeys(("verdict", "verdict_final", "metric_name", "device"), "")
        lost = lost.assign(**texts, learned=pd.array([pd.NA] * len(lost), dtype="boolean"))
        lost["steps"] = pd.array([pd.NA] * len(lost), dtype="Int64")
        whole = {"learned": "boolean", "steps": "Int64"}
        joined = [part for part in (frame.astype(whole), lost.reindex(columns=frame.columns)) if len(part)]
        frame = pd.concat([part.astype(object) for part in joined], ignore_index=True)
        frame = frame.infer_objects().astype({**whole, "diverged_at": "Int64", "underflow_at": "Int64"})
    if order is not None:
        rank = {cell: index for index, cell in enumerate(order)}
        frame = frame.iloc[np.argsort([rank[cell] for cell in frame["cell"]], kind="stable")].reset_index(drop=True)
    return frame


def _names(measured: Records, row: Integers) -> pd.Categorical:
    ids: list[str] = list(measured.scalars["cell"])
    return pd.Categorical.from_codes(measured.cell_of_row[row], categories=pd.Index(ids, dtype=object))


def _layers(measured: Records, predicted: Predicted, group: Integers) -> pd.DataFrame:
    row = np.repeat(np.arange(len(measured.cell_of_row)), measured.blocks_of_row)
    log_g, log_cell = measured.by_layer["log_grad_norm"], measured.by_layer["log_cell_grad_norm"]
    columns: Mapping[str, NDArray[Any]] = {
        "step": measured.probe_steps[row],
        "layer": np.arange(len(row)) - measured.start_of_row[row] + 1,
        "grad_norm": number(log_g),
        "weight_grad_norm": number(measured.by_layer["log_weight_grad_norm"]),
    }
    rest = ("weight_norm", "update_ratio", "act_mean", "act_std", "saturated", "dead", "zero_grad")
    return pd.DataFrame(
        {
            "cell": _names(measured, row),
            **columns,
            **{name: measured.by_layer[name] for name in rest},
            "log10_grad_norm": log_g / LN10,
            "theory_log10_grad_norm": _theory_profile(measured, predicted, group) / LN10,
            "underflow": measured.by_layer["underflow"],
            "cell_grad_norm": number(log_cell),
            "log10_cell_grad_norm": log_cell / LN10,
        }
    )


def _theory_profile(measured: Records, predicted: Predicted, group: Integers) -> Floats:
    """Return the predicted ln(g_l/g_L) for the blocks of each cell's step 0, NaN for later steps: theory is of the
    network as it was initialised."""
    found = np.full(len(measured.by_layer["log_grad_norm"]), np.nan)
    for cell, row in enumerate(measured.first_row):
        profile = predicted.profiles[group[cell]]
        if profile is not None:
            start = measured.start_of_row[row]
            found[start : start + len(profile)] = profile
    return found


def _steps(measured: Records, profiles: Profiles) -> pd.DataFrame:
    def step(name: str) -> Floats:
        return measured.by_step[name]

    return pd.DataFrame(
        {
            "cell": _names(measured, np.arange(len(measured.cell_of_row))),
            "step": measured.probe_steps,
            "loss": step("loss"),
            "metric": step("metric"),
            "survival": number(profiles.log_survival),
            "decay": number(profiles.log_decay),
            "grad_norm_total": step("grad_norm_total"),
            "clip_coef": step("clip_coef"),
            "log10_survival": profiles.log_survival / LN10,
            "clip_norm_before": step("clip_before"),
            "clip_norm_after": step("clip_after"),
            **{name: step(name) for name in ("spectral_radius", "recurrent_norm", "loss_scale")},
        }
    )
