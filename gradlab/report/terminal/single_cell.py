"""One cell for a terminal: its setting, its profile beside theory, its history."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, isnan
from typing import Any

import numpy as np
import pandas as pd
from rich.text import Text

from gradlab.analysis.compare.design import setting_text
from gradlab.cell import SETTINGS, Cell, settings_of
from gradlab.columns import Table, column
from gradlab.families import Axis
from gradlab.families.axes import axis_of, idle_attributes
from gradlab.report.formatting import capital, count, decade, duration, fixed_text, log_text, number_text, power
from gradlab.report.glyphs import Glyphs
from gradlab.report.model.caveats import UNRECORDED
from gradlab.report.model.profiles import ProfileIndex
from gradlab.report.terminal.entries import wrapped
from gradlab.report.terminal.sparkline import spark
from gradlab.report.terminal.table import Column, Entry, fold, varying
from gradlab.results.tables import Tables

__all__ = ["cell_report"]

_ROWS = 33
"""Blocks of a profile that a terminal shows; the others are in the CSV and the JSON."""

_LAYERS = (
    "log10_grad_norm", "theory_log10_grad_norm", "weight_grad_norm", "weight_norm", "update_ratio", "act_mean",
    "act_std", "saturated", "dead", "zero_grad",
)  # fmt: skip
_STEPS = ("loss", "metric", "log10_survival", "decay", "grad_norm_total", "spectral_radius", "loss_scale")
_CLIPS = ("clip_norm_before", "clip_norm_after", "clip_coef")


def cell_report(
    tables: Tables, cell: Cell, run: str, glyphs: Glyphs, width: int | None, *, verbose: bool = False
) -> list[Text]:
    """Return the lines about the one cell of `tables`, which `run` has, folded to `width` columns.

    Settings at their defaults, and columns that are alike in all rows, are for `verbose`.
    """
    row = tables.cells.iloc[0]
    axis = axis_of([str(row["model"])])
    lines = [
        Text(f"{row['cell']} {glyphs.dot} {run} {glyphs.dot} seed {row['seed']} {glyphs.dot} {row['status']}", "bold")
    ]
    lines += _setting(cell, width, whole=verbose)
    if row["status"] == "failed":
        return [*lines, Text(), *wrapped(f"failed: {row['error']}", width)]
    lines += [Text(), *_measures(row, axis, glyphs, width), Text()]
    lines += _profile(tables, axis, glyphs, width, whole=verbose)
    lines += wrapped(capital(UNRECORDED), width) if cell.probe_record == "profile" else []
    lines += [Text(), Text(f"Step by step (the metric is {row['metric_name']})", "bold")]
    columns = _headings("steps", _STEPS if cell.clip.name == "none" else (*_STEPS, *_CLIPS))
    lines += _table(
        tables.steps, "step", {"step": "step", **columns}, glyphs, width, lost_at=_lost_at(row), whole=verbose
    )
    provenance = [f"bank {row['bank']}", str(row["device"]), f"{duration(float(row['wall_s']))} of its bank's time"]
    return [*lines, Text(), *wrapped(f" {glyphs.dot} ".join(provenance), width)]


def _setting(cell: Cell, width: int | None, *, whole: bool) -> list[Text]:
    settings = settings_of(cell).items()
    idle = {"seed", *idle_attributes([cell.model.name])}
    texts = {key: setting_text(value) for key, value in settings if value is not None and key not in idle}
    plain = {key: setting_text(setting.default) for key, setting in SETTINGS.items()}
    always = ("model", "task", "depth", "width", "activation", "init", "optimizer", "lr", "train.steps")
    shown_keys = [key for key in texts if key in always or texts[key] != plain[key]]
    default_keys = [key for key in texts if key not in shown_keys] if whole else []
    return [
        *wrapped("  " + ", ".join(f"{key}={texts[key]}" for key in shown_keys), width),
        *(
            wrapped("  " + ", ".join(f"{key}={texts[key]}" for key in default_keys), width, "dim")
            if default_keys
            else []
        ),
    ]


def _measures(row: pd.Series[Any], axis: Axis, glyphs: Glyphs, width: int | None) -> list[Text]:
    survival = f"survival {_power(row['log10_survival'])}, {row['verdict']}"
    if not isnan(row["theory_log10_survival"]):
        z = "" if isnan(row["theory_z"]) else f", z {row['theory_z']:+.1f}"
        survival += f" (theory {power(row['theory_log10_survival'])}{z})"
    texts = [capital(survival)]
    if not isnan(row["decay"]):
        error = "" if isnan(row["decay_se"]) else f" {glyphs.plus_minus}{row['decay_se']:.2g}"
        theory = "" if isnan(row["theory_decay"]) else f" (theory {fixed_text(row['theory_decay'], 4)})"
        reach = glyphs.infinite if not isfinite(row["reach"]) else decade(row["reach"])
        texts.append(f"{capital(axis.decay)} {fixed_text(row['decay'], 4)}{error}{theory}, reach {reach}")
    texts.append(_after(row))
    if row["error"] and row["status"] != "diverged":
        texts.append(str(row["error"]))
    return [line for text in texts for line in wrapped(text, width)]


def _after(row: pd.Series[Any]) -> str:
    """Return what training made of it."""
    text = f"After {count(int(row['steps']), 'step')}: "
    before = f"loss {number_text(row['loss_first'], 4)}"
    if row["status"] == "diverged":
        last = row["loss_last_finite"]
        last_finite = f", last finite loss {number_text(last, 4)}" if isfinite(last) else ""
        return f"{text}diverged at step {row['diverged_at']}{last_finite}; {before} before training"
    learned = "learned" if row["learned"] else "not learned"
    metric = f"{row['metric_name']} {number_text(row['metric'], 4)}"
    text += f"{metric}, {learned}; {before} to {number_text(row['loss'], 4)}"
    text += f"; survival {_power(row['log10_survival_final'])}, {row['verdict_final']}"
    return text + ("; the weights never moved" if row["displacement"] == 0 else "")


def _power(logarithm: float) -> str:
    return "exactly zero" if logarithm == float("-inf") else "not known" if isnan(logarithm) else power(logarithm)


def _lost_at(row: pd.Series[Any]) -> float:
    """Return the step from which nothing is finite; infinite where training did not diverge."""
    return float("inf") if pd.isna(row["diverged_at"]) else float(row["diverged_at"])


def _headings(table: Table, names: Sequence[str]) -> dict[str, str]:
    return {name: column(name, table).title for name in names}


def _profile(tables: Tables, axis: Axis, glyphs: Glyphs, width: int | None, *, whole: bool) -> list[Text]:
    profile = tables.layers[(tables.layers["step"] == 0).to_numpy()]
    measured = profile["log10_grad_norm"].to_numpy(dtype=float)
    profile = profile.assign(theory_log10_grad_norm=profile["theory_log10_grad_norm"] + measured[-1])
    columns = {"layer": axis.unit, **_headings("layers", _LAYERS)}
    if len(tables.stacked):
        (by_layer,) = ProfileIndex(tables.layers, tables.stacked).stacked(tables.cells["cell"].tolist())
        for number, log_g in enumerate(by_layer, 1):
            name = f"log10_grad_norm_{number}"
            profile = profile.assign(**{name: log_g})
            columns[name] = f"{columns['log10_grad_norm']}, layer {number}"
    curve = f"{spark(glyphs, measured.tolist())} {log_text(measured[0])}{glyphs.to}{log_text(measured[-1])}"
    title = [Text(f"{capital(axis.direction)}, before training  ", "bold") + Text(curve)]
    note: list[Text] = []
    if width is not None and len(profile) > _ROWS:
        rows = np.unique(np.linspace(0, len(profile) - 1, _ROWS).round().astype(int))
        note = wrapped(f"{len(rows)} of {axis.count(len(profile))} are shown; all are with --json", width)
        profile = profile.iloc[rows]
    return [*title, *_table(profile, "layer", columns, glyphs, width, whole=whole), *note]


def _table(
    frame: pd.DataFrame, label: str, columns: dict[str, str], glyphs: Glyphs, width: int | None,
    lost_at: float = float("inf"), *, whole: bool,
) -> list[Text]:  # fmt: skip
    """Return a table of the columns with a value; what is missing from the step `lost_at` on is not finite."""
    first = Column(columns.get(label, label), tuple(Entry(str(value)) for value in frame[label]))
    filled = [
        Column(
            heading,
            tuple(
                Entry(_number(key, float(value), glyphs, lost=float(place) >= lost_at))
                for value, place in zip(frame[key], frame[label], strict=True)
            ),
        )
        for key, heading in columns.items()
        if key != label and key in frame and frame[key].notna().any()
    ]
    differing, constant = varying(filled, whole=whole)
    return [*fold([first], differing, width, glyphs), *wrapped(constant, width, "dim")]


def _number(key: str, value: float, glyphs: Glyphs, *, lost: bool) -> str:
    if isnan(value):
        return "not finite" if lost and not key.startswith("clip") else "none"
    if not isfinite(value):
        return ("" if value > 0 else "-") + glyphs.infinite
    return f"{value:.2f}" if "log10" in key else f"{value:.4g}"
