"""The configurations of all runs of a page, one row each: the overview table and the heat map are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gradlab.analysis.compare.design import setting_text
from gradlab.cell import SETTINGS, Cell, settings_of
from gradlab.families.axes import length_settings
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.marks import FAILED, Mark, mark
from gradlab.report.page.axis import Along, along_of, settings_along
from gradlab.report.page.source import Source

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
    return "" if value is None or value != value else setting_text(value)


def shade(mark: Mark) -> str:
    """Return the shade of a mark: ``v1`` to ``v5`` on the way down, ``e1`` to ``e5`` on the way up, or none."""
    if not mark.shade:
        return "lost" if mark.shade is None and mark.sign in ("dead", "nonfinite", "failed") else ""
    return f"{'v' if mark.shade < 0 else 'e'}{abs(mark.shade)}"


def configurations(sources: Sequence[Source]) -> Configurations:
    """Return one row for each row of each ``summary.csv``, then those of which all cells failed."""
    cells = [source.tables.cells for source in sources]
    texts = [{key: _labels(frame, key) for key in _SETTINGS} for frame in cells]
    identity = [key for key in _SETTINGS if _varies([one[key] for one in texts])]
    along = [settings_along(frame["model"]) for frame in cells]
    fixed = _fixed(texts)
    for columns, lengths in zip(texts, along, strict=True):  # the length of a profile is its place, not its name
        for key in length_settings():
            columns[key] = columns[key].where(lengths != key, "")
    told = [key for key in _SETTINGS if _varies([one[key] for one in texts])]
    frames, groups, runs, settings, start = [], [], [], [], 0
    for run, source in enumerate(sources):
        frame, group, own_settings = _one(source, run, identity, [texts[run][key] for key in told], told)
        own = {key: text for key, text in _fixed(texts[run : run + 1]).items() if key not in fixed}
        keys = tuple(key for key in told if _varies([texts[run][key]]))
        runs.append(Within(keys, own, along_of(source.tables.cells["model"].unique().tolist())))
        frames.append(frame)
        settings.append(own_settings)
        groups.append(group + start)
        start += len(frame)
    everywhere = along_of({model for frame in cells for model in frame["model"].unique()})
    return Configurations(
        pd.concat(frames, ignore_index=True), tuple(told), fixed, everywhere, tuple(runs), tuple(groups),
        pd.concat(settings, ignore_index=True),
    )  # fmt: skip


def _fixed(texts: Sequence[Mapping[str, pd.Series[str]]]) -> dict[str, str]:
    default = settings_of(Cell())
    found = {}
    for key in _SETTINGS:
        levels = {text for one in texts for text in one[key].unique()}
        text = levels.pop() if len(levels) == 1 else ""
        if text and (key in _ALWAYS or text != setting_text(default[key])):
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
    along = settings_along(cells["model"]).to_numpy()[at]
    lengths = np.zeros(len(at), np.int64)
    for key in set(along):
        lengths[along == key] = cells[key].to_numpy()[at][along == key].astype(np.int64)
    frame["along"] = lengths
    limits = cells[["thresholds.vanish", "thresholds.explode"]].to_numpy(np.float64)[at]
    for ending in ("", "_final"):
        survival = frame[f"log10_survival{ending}"].astype(float)
        seen = zip(frame[f"verdict{ending}"], survival, *limits.T, strict=True)
        marks = [FAILED if values[0] == "failed" else mark(*values) for values in seen]
        frame[f"mark{ending}"] = [UNICODE.sign(each.sign).strip() for each in marks]
        frame[f"shade{ending}"] = [shade(each) for each in marks]
    return frame, group, cells[list(_SETTINGS)].astype(object).iloc[at if len(cells) else []]


def _identity(frame: pd.DataFrame, keys: Sequence[str]) -> list[tuple[str, ...]]:
    columns = [_labels(frame, key) for key in keys]
    return list(zip(*columns, strict=True)) if columns else [()] * len(frame)
