"""The tables of a run as TensorBoard runs: one for each configuration, or for each cell.

Everything is taken from the tables after the fact, nothing is written while a network trains. Numbers of a
configuration are means over its seeds: of survival, decay and gradient norms those of the logarithm.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gradlab.analysis.compare.design import setting_text
from gradlab.cell import SETTINGS
from gradlab.families.axes import axis_of
from gradlab.record import Floats
from gradlab.report.events import Events, require
from gradlab.report.model.profiles import ProfileIndex
from gradlab.results.tables import Tables
from gradlab.store.atomic import explained, make_folder, temporary

__all__ = ["FILE", "put", "write"]

FILE = "events.out.tfevents.gradlab"
_LONGEST_NAME = 120
_MOST = 64
"""Blocks or time steps with a histogram of their own; of more, some evenly spaced."""
_BY_STEP = {  # column of `steps`: (tag, whether the mean is that of the logarithm and log10 is shown)
    "log10_survival": ("survival/log10", False),
    "loss": ("training/loss", False),
    "metric": ("training/{metric}", False),
    "grad_norm_total": ("gradient/log10 norm, all parameters", True),
    "clip_coef": ("clip/coefficient", False),
    "clip_norm_before": ("clip/log10 norm before", True),
    "clip_norm_after": ("clip/log10 norm after", True),
}
_ELSEWHERE = {"cell", "step", "survival", "decay", *_BY_STEP}


@dataclass(frozen=True, slots=True)
class _Run:
    """One TensorBoard run: its directory's name, its settings, and the rows of `cells` it is made of."""

    name: str
    settings: dict[str, Any]
    rows: list[int]


def write(tables: Tables, directory: Path, stamp: float, *, per_cell: bool = False) -> tuple[Path, ...]:
    """Write one event file for each configuration, or each cell, below `directory`; return all of them.

    Every event has the time `stamp` (seconds since 1970): the same tables give the same bytes, and a file that has not
    changed is not touched. Runs that these tables do not have are removed.
    Raises UsageError without TensorBoard, StoreError when a file cannot be written.
    """
    require()
    cells = tables.cells[(tables.cells["status"] != "failed").to_numpy()].reset_index(drop=True)
    measured = _Measured(tables)
    files = []
    for run in _runs(cells, per_cell=per_cell):
        run_cells = cells.iloc[run.rows]
        events = Events(stamp)
        events.hyper_parameters(run.name, run.settings)
        steps, by_step, log_g, theory = measured.of([str(cell) for cell in run_cells["cell"]])
        for step, scalars, histograms in _steps(run_cells, steps, by_step, log_g):
            events.step(step, scalars, histograms)
        direction = axis_of([str(run_cells["model"].iloc[0])]).direction
        for layer, scalars in _profile(log_g, theory, direction):
            events.step(layer, scalars, {})
        files.append(put(directory / run.name / FILE, events.content()))
    _remove_others(directory, {path.parent.name for path in files})
    return tuple(files)


class _Measured:
    """The numbers of ``steps`` and ``layers`` by cell."""

    def __init__(self, tables: Tables) -> None:
        steps = tables.steps
        self._profiles = ProfileIndex(tables.layers)
        self._steps = {
            str(key): steps[key].to_numpy(dtype=float)
            for key in steps
            if key != "cell" and pd.api.types.is_numeric_dtype(steps[key])
        }
        self._rows = _ranges(steps["cell"])

    def of(self, cells: Sequence[str]) -> tuple[list[int], dict[str, Floats], Floats, Floats]:
        """Return the probed steps [K] of cells of one setting, the columns of `steps` [S, K], log10 g [S, K, L] and
        theory's [L]; what a cell does not have is NaN."""
        steps = self._profiles.steps(cells)
        length = self._profiles.of(cells, steps[0]).shape[1]
        by_step = {key: np.full((len(cells), len(steps)), np.nan) for key in self._steps}
        log_g = np.full((len(cells), len(steps), length), np.nan)
        for index, cell in enumerate(cells):
            probed = self._profiles.steps([cell])
            at = [steps.index(step) for step in probed]
            for key, values in self._steps.items():
                by_step[key][index, at] = values[slice(*self._rows[cell])]
            log_g[index, at] = np.concatenate([self._profiles.of([cell], step) for step in probed])
        return steps, by_step, log_g, self._profiles.of(cells[-1:], steps[0], "theory_log10_grad_norm")[0]


def _ranges(owner: pd.Series[Any]) -> dict[str, tuple[int, int]]:
    """Return where the rows of each cell begin and end; they lie together."""
    names = owner.astype(str).to_numpy()
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]]) if len(names) else np.empty(0, int)
    ends = [*starts[1:].tolist(), len(names)]
    return {str(names[start]): (start, end) for start, end in zip(starts.tolist(), ends, strict=True)}


def _runs(cells: pd.DataFrame, *, per_cell: bool) -> Iterator[_Run]:
    keys = [key for key in SETTINGS if key in cells and (per_cell or key != "seed")]
    texts = {key: [setting_text(value) for value in cells[key]] for key in keys}
    varying = [key for key in keys if len(set(texts[key])) > 1]
    defaults = {key: setting_text(setting.default) for key, setting in SETTINGS.items()}
    shown_keys = [key for key in keys if key in varying or texts[key][:1] != [defaults[key]]]
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, labels in enumerate(zip(*(texts[key] for key in keys), strict=True)):
        groups.setdefault(labels, []).append(row)
    for rows in groups.values():
        label = ",".join(f"{key.rpartition('.')[2]}={texts[key][rows[0]]}" for key in varying) or "all"
        settings = {key: _plain(cells[key].iloc[rows[0]]) for key in shown_keys}
        yield _Run(_directory_name(label), {key: value for key, value in settings.items() if value is not None}, rows)


def _plain(value: Any) -> float | str | bool | None:
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, bool | str) else None if pd.isna(value) else float(value)


def _directory_name(label: str) -> str:
    """Return a label as a name that every file system takes; a long or changed one gets a digest, to be no other's."""
    safe = "".join(sign if sign.isalnum() or sign in "=,.+-_() " else "_" for sign in label)
    if safe == label and len(safe) <= _LONGEST_NAME:
        return safe
    return f"{safe[: _LONGEST_NAME - 9]}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"


def _mean(values: Any, *, log10: bool = False) -> float:
    numbers = np.asarray(values, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        numbers = np.log10(numbers) if log10 else numbers
    finite = numbers[np.isfinite(numbers)]
    return float(finite.mean()) if len(finite) else float("nan")


def _steps(
    cells: pd.DataFrame, steps: Sequence[int], by_step: Mapping[str, Floats], log_g: Floats
) -> Iterator[tuple[int, dict[str, float], dict[str, Floats]]]:
    """Yield every probed step with its scalars and histograms."""
    metric = next((str(name) for name in cells["metric_name"] if name), "metric")
    axis, digits = axis_of([str(cells["model"].iloc[0])]), len(str(log_g.shape[2]))
    positions = np.unique(np.linspace(0, log_g.shape[2] - 1, min(log_g.shape[2], _MOST)).round().astype(int)).tolist()
    for at, step in enumerate(steps):
        scalars = {
            tag.format(metric=metric): _mean(by_step[key][:, at], log10=log)
            for key, (tag, log) in _BY_STEP.items()
            if key in by_step
        }
        scalars["survival/decay"] = 10 ** _mean(by_step["decay"][:, at], log10=True)
        scalars |= {f"other/{key}": _mean(by_step[key][:, at]) for key in by_step if key not in _ELSEWHERE}
        if step == 0:
            scalars["survival/log10, theory"] = _mean(cells["theory_log10_survival"])
        if at == len(steps) - 1:
            scalars |= _outcome(cells)
        histograms = {f"log10 gradient/all {axis.units}": log_g[:, at].ravel()}
        histograms |= {f"log10 gradient/{axis.unit} {block + 1:0{digits}d}": log_g[:, at, block] for block in positions}
        yield step, scalars, histograms


def _outcome(cells: pd.DataFrame) -> dict[str, float]:
    """Return what became of a run as a whole, for the HParams tab."""
    return {
        "outcome/learned": _mean(cells["learned"].astype(float)),
        "outcome/diverged": float((cells["status"] == "diverged").mean()),
        "outcome/log10 survival before training": _mean(cells["log10_survival"]),
        "outcome/decay before training": 10 ** _mean(cells["decay"], log10=True),
    }


def _profile(log_g: Floats, theory: Floats, direction: str) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the profile before training and after it: TensorBoard's step is the block."""
    top = _mean(log_g[:, 0, -1])  # theory's profile is relative to the last block
    for block in range(log_g.shape[2]):
        yield (
            block + 1,
            {
                f"profile/log10 gradient {direction}, before training": _mean(log_g[:, 0, block]),
                f"profile/log10 gradient {direction}, theory": theory[block] + top,
                f"profile/log10 gradient {direction}, last step": _mean(log_g[:, -1, block]),
            },
        )


def put(path: Path, content: bytes) -> Path:
    """Put `content` into the place of `path`, without waiting for the disk: it can be made again at any time."""
    make_folder(path.parent.parent)
    make_folder(path.parent)
    with explained("write", path):
        if not path.is_file() or path.read_bytes() != content:
            unfinished = temporary(path)
            with unfinished.open("xb") as file:
                file.write(content)
            unfinished.replace(path)
    return path


def _remove_others(directory: Path, names: set[str]) -> None:
    """Remove what an earlier call wrote for runs that are no more; nothing that somebody else put there."""
    if not directory.is_dir():
        return
    with explained("remove", directory):
        for path in directory.iterdir():
            if (
                path.name not in names
                and not path.is_symlink()
                and (path / FILE).is_file()
                and len(list(path.iterdir())) == 1
            ):
                shutil.rmtree(path)
