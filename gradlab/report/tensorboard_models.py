"""Models of the user as TensorBoard runs: a watched training by step, a saved probe by block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gradlab.report.events import Events, require
from gradlab.report.model.module_report import ModuleReport
from gradlab.report.model.watched_training import WatchedTraining, evenly_spaced
from gradlab.report.tensorboard import FILE, put

__all__ = ["write_probe", "write_training"]

_MOST = 64
"""Blocks with scalars of their own; of more, some evenly spaced."""
_BY_STEP = {
    "log10_survival": "survival/log10", "decay": "survival/decay", "loss": "training/loss",
    "clip_coef": "clip/coefficient", "loss_scale": "training/loss scale", "overflows": "training/overflows before",
}  # fmt: skip
_NORMS = {"clip_norm_before": "clip/log10 norm before", "clip_norm_after": "clip/log10 norm after"}
_BY_BLOCK = {
    "log10_grad_norm": "log10 gradient", "log10_survival": "log10 survival", "act_rms": "rms of output",
    "update_ratio": "update over weights",
}  # fmt: skip


def write_training(training: WatchedTraining, directory: Path) -> tuple[Path, ...]:
    """Write the event file of a watched training below `directory`; return it.

    Scalars of each step, and of each block at each step; a histogram of log10 of the gradient over all blocks. The same
    tables give the same bytes. Raises UsageError without TensorBoard, StoreError where the file cannot be written.
    """
    require()
    events = Events(training.begun or 0.0)
    events.hyper_parameters(training.name, {"model": training.model, "every": float(training.every or 1)})
    for step in training.steps:
        rows = training.rows_at(step["step"])
        scalars = {tag: float(step[key]) for key, tag in _BY_STEP.items()}
        scalars |= {tag: math.log10(step[key]) for key, tag in _NORMS.items() if step[key] > 0}
        histograms = {"log10 gradient/all blocks": np.array([float(row["log10_grad_norm"]) for row in rows])}
        events.step(step["step"], scalars | _blocks(rows), histograms)
    if training.steps:
        _profile(events, {
            "first step": training.rows_at(training.steps[0]["step"]),
            "last step": training.rows_at(training.steps[-1]["step"]),
        })  # fmt: skip
    return (put(directory / "all" / FILE, events.content()),)


def write_probe(report: ModuleReport, directory: Path) -> tuple[Path, ...]:
    """Write the event file of a saved probe below `directory`; return it. TensorBoard's step is the block.

    Raises UsageError without TensorBoard, StoreError where the file cannot be written.
    """
    require()
    events = Events(0.0)
    events.hyper_parameters(report.name, {"model": report.name, "training": report.training})
    events.step(0, {"survival/log10": report.summary.log_survival / math.log(10)}, {})
    _profile(events, {"probe": report.blocks})
    return (put(directory / "all" / FILE, events.content()),)


def _blocks(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    digits = len(str(len(rows)))
    return {
        f"{tag}/block {rows[place]['block']:0{digits}d} {rows[place]['name']}": float(rows[place][key])
        for key, tag in _BY_BLOCK.items()
        for place in evenly_spaced(len(rows), _MOST)
    }


def _profile(events: Events, profiles: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for place in range(max(map(len, profiles.values()))):
        scalars = {
            f"profile/log10 gradient along the blocks, {name}": float(rows[place]["log10_grad_norm"])
            for name, rows in profiles.items()
            if place < len(rows)
        }
        events.step(place + 1, scalars, {})
