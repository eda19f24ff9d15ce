"""The configurations of all runs of a page, one row each: the overview table and the heat map are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, log10
from typing import Any

import numpy as np
import pandas as pd

from gradlab.cell import SETTINGS, Cell, settings_of
from gradlab.report.glyphs import UNICODE, mark
from gradlab.report.page.axis import Along, along_of, is_recurrent
from gradlab.report.page.source import Source
from gradlab.report.view import text_of

__all__ = ["NUMBERS", "Configurations", "Within", "configurations", "label", "shade"]

NUMBERS = (
    "n", "survival", "survival_lo", "survival_hi", "log10_survival", "log10_survival_lo", "log10_survival_hi", "decay",
    "decay_lo", "decay_hi", "reach", "theory_survival", "theory_decay", "theory_log10_survival", "theory_log10_sd",
    "theory_z", "metric", "learned", "healthy", "loss", "log10_survival_final", "diverged", "dead", "nonfinite",
    "log10_cell_survival", "theory_log10_cell_survival", "underflow",
)  # fmt: skip
"""Columns of ``summary.csv`` that the page has of every configuration."""

_SETTINGS = tuple(key for key in SETTINGS if key != "seed")
_ALWAYS = ("model", "task", "width", "optimizer", "lr", "train.steps")
_STEPS = (1 / 9, 1 / 3, 1.0, 3.0, 9.0)


@dataclass(frozen=True, slots=True)
class Within:
    """The same for one run by itself: what varies in it, what is fixed in it and not everywhere, its words."""

    keys: tuple[str, ...]
    fixed: dict[str, str]
    along: Along


@dataclass(frozen=True)
class Configurations:
    """`frame` has `run` (an index), `along` (the length of a profile), `failed`, the settings that vary as texts, the
    `NUMBERS`, `verdict`, `verdict_final`, `theory_note`, and for survival before and after training a `mark` and a
    `shade`. `group` says for each cell of each run to which row it belongs."""

    frame: pd.DataFrame
    keys: tuple[str, ...]
    """Settings that tell the configurations of one length apart."""
    fixed: dict[str, str]
    """Settings that are the same everywhere and worth saying: those not at their default, and a few always."""
    along: Along
    runs: tuple[Within, ...]
    group: tuple[pd.Series[int], ...]
    settings: pd.DataFrame
    """The value of every setting but the seed, as a table has it; the rows are those of `frame`."""


def label(value: Any) -> str:
    """Return a setting as a table prints it; an empty field is the empty text."""
    return "" if value is None or value != value else text_of(value)


def shade(verdict: str, log10_survival: float, vanish: float, explode: float) -> str:
    """Return how far a survival is from 1: ``v1`` to ``v5`` on the way down, ``e1`` to ``e5`` on the way up, or none.

    Thresholds as in the spec; the steps are those of the colours in a terminal.
    """
    if isnan(log10_survival):
        return "lost" if verdict in ("dead", "nonfinite", "failed") else ""
    threshold, side = (vanish, "v") if log10_survival < 0 else (explode, "e")
    distance = log10_survival / log10(threshold) if threshold != 1 else 0.0
    level = sum(distance >= step for step in _STEPS)
    return f"{side}{level}" if level else ""


def configurations(sources: Sequence[Source]) -> Configurations:
    """Return one row for each row of each ``summary.csv``, then those of which all cells failed."""
    cells = [source.tables.cells for source in sources]
    texts = [{key: _labels(frame, key) for key in _SETTINGS} for frame in cells]
    identity = [key for key in _SETTINGS if _varies([one[key] for one in texts])]
    recurrent = [is_recurrent(frame["model"]) for frame in cells]
    fixed = _fixed(texts)
    for one, flags in zip(texts, recurrent, strict=True):  # the length of a profile is its place, not its name
        one["depth"] = one["depth"].where(flags, "")
        one["seq_len"] = one["seq_len"].where(~flags, "")
    told = [key for key in _SETTINGS if _varies([one[key] for one in texts])]
    frames, groups, runs, settings, start = [], [], [], [], 0
    for run, source in enumerate(sources):
        frame, group, own_settings = _one(source, run, identity, [texts[run][key] for key in told], told)
        own = {key: text for key, text in _fixed(texts[run : run + 1]).items() if key not in fixed}
        keys = tuple(key for key in told if _varies([texts[run][key]]))
        runs.append(Within(keys, own, along_of(recurrent[run])))
        frames.append(frame)
        settings.append(own_settings)
        groups.append(group + start)
        start += len(frame)
    along = along_of(pd.concat(recurrent))
    return Configurations(
        pd.concat(frames, ignore_index=True), tuple(told), fixed, along, tuple(runs), tuple(groups),
        pd.concat(settings, ignore_index=True),
    )  # fmt: skip


def _fixed(texts: Sequence[Mapping[str, pd.Series[str]]]) -> dict[str, str]:
    default = settings_of(Cell())
    found = {}
    for key in _SETTINGS:
        levels = {text for one in texts for text in one[key].unique()}
        text = levels.pop() if len(levels) == 1 else ""
        if text and (key in _ALWAYS or text != text_of(default[key])):
            found[key] = text
    return found


def _labels(frame: pd.DataFrame, key: str) -> pd.Series[str]:
    known = {value: label(value) for value in frame[key].unique() if value == value and value is not None}
    found = [known.get(value, "") for value in frame[key]]
    return pd.Series(found, index=frame.index, dtype=object)


def _varies(columns: Sequence[pd.Series[str]]) -> bool:
    return len({text for column in columns for text in column.unique()}) > 1


def _one(
    source: Source, run: int, keys: Sequence[str], texts: Sequence[pd.Series[str]], told: Sequence[str]
) -> tuple[pd.DataFrame, pd.Series[int], pd.DataFrame]:
    cells, summary = source.tables.cells, source.tables.summary
    rows = _identity(summary, keys)
    first = {identity: row for row, identity in enumerate(rows)}
    mine = _identity(cells, keys)
    for identity in mine:
        first.setdefault(identity, len(first))
    group = pd.Series([first[identity] for identity in mine], index=cells.index, dtype=np.int64)
    measured = summary.reindex(columns=[*NUMBERS, "verdict", "verdict_final", "theory_note"]).reset_index(drop=True)
    frame = measured.reindex(range(len(first)))
    example = pd.Series(np.arange(len(cells))).groupby(group.to_numpy()).first().reindex(range(len(first)))
    at = example.fillna(0).astype(np.int64).to_numpy()  # every row of a summary has a cell, unless someone cut the file
    for key, column in zip(told, texts, strict=True):
        frame[key] = column.to_numpy()[at] if len(column) else ""
    lost = (cells["status"] == "failed").to_numpy()
    frame["run"] = run
    frame["failed"] = np.bincount(group[lost], minlength=len(first)).astype(np.int64)
    frame["n"] = frame["n"].fillna(0).astype(np.int64)
    frame["verdict"] = frame["verdict"].astype(object).where(frame["verdict"].notna(), "failed")
    frame["verdict_final"] = frame["verdict_final"].astype(object).where(frame["verdict_final"].notna(), "")
    frame["theory_note"] = frame["theory_note"].astype(object).where(frame["theory_note"].notna(), "")
    recurrent = is_recurrent(cells["model"]).to_numpy()[at] if len(cells) else np.zeros(0, bool)
    depth = cells["depth"].to_numpy()[at]
    frame["along"] = np.where(recurrent, cells["seq_len"].to_numpy()[at], depth) if recurrent.any() else depth
    limits = cells[["thresholds.vanish", "thresholds.explode"]].to_numpy(np.float64)[at]
    for ending in ("", "_final"):
        survival = frame[f"log10_survival{ending}"].astype(float)
        seen = list(zip(frame[f"verdict{ending}"], survival, *limits.T, strict=True))
        frame[f"mark{ending}"] = ["×" if one[0] == "failed" else mark(UNICODE, *one).strip() for one in seen]
        frame[f"shade{ending}"] = [shade(*one) for one in seen]
    return frame, group, cells[list(_SETTINGS)].astype(object).iloc[at if len(cells) else []]


def _identity(frame: pd.DataFrame, keys: Sequence[str]) -> list[tuple[str, ...]]:
    columns = [_labels(frame, key) for key in keys]
    return list(zip(*columns, strict=True)) if columns else [()] * len(frame)
