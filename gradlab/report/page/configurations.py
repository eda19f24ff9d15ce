"""The configurations of all runs of a page, one row each: overview, heat map, profiles and filter are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gradlab.analysis.compare.design import setting_text
from gradlab.cell import SETTINGS, Cell, settings_of
from gradlab.columns import columns_of
from gradlab.families import Axis
from gradlab.families.axes import length_settings, models_by_axis
from gradlab.report.glyphs import UNICODE
from gradlab.report.model.evidence import UNTROUBLED, short_outcome
from gradlab.report.model.marks import FAILED, VERDICT_NAMES, Mark, judged_verdict, mark_of, reach_text
from gradlab.report.model.outcomes import outcomes_by
from gradlab.report.model.rows import points_of
from gradlab.report.page.source import Source

__all__ = ["NUMBERS", "Configurations", "RunSettings", "configurations", "shade"]

NUMBERS = tuple(
    column.name
    for column in columns_of("summary")
    if column.over_seeds == "count" or (column.kept != "setting" and column.kind in ("float", "bool"))
)
"""Columns of ``summary.csv`` that the page has of every configuration."""

_ID = 10
"""Characters of a cell's id that tell the configurations of one page apart."""
_TEXTS = ("verdict", "verdict_final", "theory_note")
_SETTINGS = tuple(key for key in SETTINGS if key != "seed")
_ALWAYS_NAMED = ("model", "task", "width", "optimizer", "lr", "train.steps")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of one run: those that vary in it, and those that are fixed in it and not everywhere."""

    keys: tuple[str, ...]
    fixed: dict[str, str]
    axes: tuple[int, ...]
    """Its axes, as indices of `Configurations.axes`."""


@dataclass(frozen=True)
class Configurations:
    """`frame` has `id` (that of its first cell, shortened), `run` and `axis` (indices), `length` (of a profile),
    `failed`, the settings that vary as texts, the `NUMBERS`, `verdict`, `verdict_final`, `theory_note`,
    `reach_text`, and of the survival before and after training (``_final``) `text`, `mark` and `shade`; `judged` is the
    verdict, of a stacked network by layer, `verdict_name` that in words, `training` what became of it.
    `group` says for each cell of each run to which row it belongs."""

    frame: pd.DataFrame
    keys: tuple[str, ...]
    """Settings that tell the configurations of one length apart."""
    fixed: dict[str, str]
    """Settings that are the same everywhere: those not at their default, and a few always."""
    axes: tuple[Axis, ...]
    runs: tuple[RunSettings, ...]
    group: tuple[pd.Series[int], ...]
    settings: pd.DataFrame
    """The value of every setting but the seed, as a table has it; the rows are those of `frame`."""


def shade(mark: Mark) -> str:
    """Return the shade of a mark: ``v1`` to ``v5`` the further it vanishes, ``e1`` to ``e5`` the further it explodes,
    ``lost`` without a number, empty near 1."""
    if not mark.shade:
        return "lost" if mark.shade is None and mark.sign in ("dead", "nonfinite", "failed") else ""
    return f"{'v' if mark.shade < 0 else 'e'}{abs(mark.shade)}"


def configurations(sources: Sequence[Source]) -> Configurations:
    """Return one row for each row of each ``summary.csv``, then those of which all cells failed."""
    labels = [{key: _labels(source.tables.cells, key) for key in _SETTINGS} for source in sources]
    identity = [key for key in _SETTINGS if _varies([values[key] for values in labels])]
    fixed = _fixed(labels)
    every = [model for source in sources for model in source.tables.cells["model"].unique()]
    axis_of_model = {model: axis for axis, values in models_by_axis(every or ["mlp"]).items() for model in values}
    axes = tuple(dict.fromkeys(axis_of_model.values()))
    for source, values in zip(sources, labels, strict=True):  # the length of a profile is its column, not its name
        lengths = source.tables.cells["model"].map(lambda model: axis_of_model[model].along)
        for key in length_settings():
            values[key] = values[key].where(lengths != key, "")
    keys = tuple(key for key in _SETTINGS if _varies([values[key] for values in labels]))
    frames, groups, runs, settings, start = [], [], [], [], 0
    for run, (source, values) in enumerate(zip(sources, labels, strict=True)):
        row_of_cell, example = _rows(source, identity)
        cells = source.tables.cells.iloc[example].reset_index(drop=True)
        frame = _measured(source, len(cells)).assign(run=run)
        for key in keys:
            frame[key] = values[key].to_numpy()[example]
        failed = (source.tables.cells["status"] == "failed").to_numpy()
        frame["failed"] = np.bincount(row_of_cell[failed], minlength=len(frame)).astype(np.int64)
        frame["id"] = cells["cell"].str[:_ID]
        own_axes = [axis_of_model[model] for model in cells["model"]]
        frame["axis"] = [axes.index(axis) for axis in own_axes]
        frame["length"] = [int(cells[axis.along].iloc[row]) for row, axis in enumerate(own_axes)]
        frames.append(_with_training(_marked(frame, cells), source.tables.cells, row_of_cell.tolist()))
        groups.append(row_of_cell + start)
        settings.append(cells[list(_SETTINGS)].astype(object))
        own_keys = tuple(key for key in keys if _varies([values[key]]))
        own_fixed = {key: text for key, text in _fixed([values]).items() if key not in fixed}
        runs.append(RunSettings(own_keys, own_fixed, tuple(sorted(set(frame["axis"]))) or (0,)))
        start += len(frame)
    return Configurations(
        _apart(pd.concat(frames, ignore_index=True)), keys, fixed, axes, tuple(runs), tuple(groups),
        pd.concat(settings, ignore_index=True),
    )  # fmt: skip


def _apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with unlike ids: one that occurs again, mostly in another run, gets a number."""
    again = frame.groupby("id", sort=False).cumcount()
    return frame.assign(id=frame["id"].where(again == 0, frame["id"] + "." + (again + 1).astype(str)))


def _fixed(labels: Sequence[Mapping[str, pd.Series[str]]]) -> dict[str, str]:
    default = settings_of(Cell())
    fixed = {}
    for key in _SETTINGS:
        levels = {text for values in labels for text in values[key].unique()}
        text = levels.pop() if len(levels) == 1 else ""
        if text and (key in _ALWAYS_NAMED or text != setting_text(default[key])):
            fixed[key] = text
    return fixed


def _labels(frame: pd.DataFrame, key: str) -> pd.Series[str]:
    """Return a setting as a table prints it; an empty field is the empty text."""
    known = {value: setting_text(value) for value in frame[key].unique() if value == value and value is not None}
    return pd.Series([known.get(value, "") for value in frame[key]], index=frame.index, dtype=object)


def _varies(columns: Sequence[pd.Series[str]]) -> bool:
    return len({text for column in columns for text in column.unique()}) > 1


def _rows(source: Source, keys: Sequence[str]) -> tuple[pd.Series[int], list[int]]:
    """Return the row that each cell belongs to, and a cell of each row: first those of the summary, in its order."""
    rows = {identity: row for row, identity in enumerate(_identities(source.tables.summary, keys))}
    identities = _identities(source.tables.cells, keys)
    examples: dict[int, int] = {}
    for cell, identity in enumerate(identities):
        examples.setdefault(rows.setdefault(identity, len(rows)), cell)
    group = pd.Series([rows[identity] for identity in identities], index=source.tables.cells.index, dtype=np.int64)
    return group, [examples.get(row, 0) for row in range(len(rows))]  # each has a cell, unless someone cut the file


def _identities(frame: pd.DataFrame, keys: Sequence[str]) -> list[tuple[str, ...]]:
    columns = [_labels(frame, key) for key in keys]
    return list(zip(*columns, strict=True)) if columns else [()] * len(frame)


def _measured(source: Source, rows: int) -> pd.DataFrame:
    """Return the columns of the summary in so many rows, those that it does not have being of failed cells."""
    summary = source.tables.summary.reindex(columns=[*NUMBERS, *_TEXTS]).reset_index(drop=True)
    frame = summary.reindex(range(rows))
    frame["n"] = frame["n"].fillna(0).astype(np.int64)
    for name, otherwise in zip(_TEXTS, ("failed", "", ""), strict=True):
        frame[name] = frame[name].astype(object).where(frame[name].notna(), otherwise)
    return frame


def _with_training(frame: pd.DataFrame, cells: pd.DataFrame, rows: Sequence[int]) -> pd.DataFrame:
    """Return the rows with what became of them in training in words; healthy is only what has no mark after it too."""
    outcomes = outcomes_by(cells, rows)
    texts = [short_outcome(outcomes[row]) if row in outcomes else "" for row in range(len(frame))]
    flawed = [
        bool(text and text not in UNTROUBLED) or bool(mark.strip())
        for text, mark in zip(texts, frame["mark_final"], strict=True)
    ]
    healthy = (frame["verdict_name"] == "healthy") & pd.Series(flawed, index=frame.index)
    return frame.assign(training=texts, verdict_name=frame["verdict_name"].mask(healthy, "healthy before training"))


def _name(mark: Mark, verdict: str) -> str:
    """Return the name of a verdict; what is fading or growing is not called healthy."""
    return mark.sign if mark.sign in ("fading", "growing") else VERDICT_NAMES.get(verdict, verdict)


def _marked(frame: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    limits = cells[["thresholds.vanish", "thresholds.explode"]].astype(float)
    numbers = [name for name in frame if str(name).startswith("log10_survival")]
    survivals = pd.concat([frame[["verdict", "verdict_final"]], frame[numbers].astype(float), limits], axis=1)
    points_of_rows = points_of(survivals)
    columns: dict[str, list[str]] = {}
    for ending in ("", "_final"):
        marks = [
            FAILED if point[f"verdict{ending}"] == "failed" else mark_of(point, final=bool(ending))
            for point in points_of_rows
        ]
        columns[f"text{ending}"] = [mark.text for mark in marks]
        columns[f"mark{ending}"] = [UNICODE.sign(mark.sign).strip() for mark in marks]
        columns[f"shade{ending}"] = [shade(mark) for mark in marks]
        if not ending:
            columns["judged"] = [
                "failed" if mark == FAILED else judged_verdict(point)
                for mark, point in zip(marks, points_of_rows, strict=True)
            ]
            columns["verdict_name"] = [_name(*pair) for pair in zip(marks, columns["judged"], strict=True)]
    points = frame[["reach", "reach_lo", "reach_hi"]].astype(float).to_dict("records")
    columns["reach_text"] = [reach_text({str(key): value for key, value in point.items()}, UNICODE.infinite)
                             for point in points]  # fmt: skip
    return frame.assign(**columns)
