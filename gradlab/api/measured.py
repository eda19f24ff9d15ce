"""Directories of models of the user: watched trainings and saved probes, as reports show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradlab.errors import StoreError
from gradlab.report.model.module_comparison import ComparedModel
from gradlab.report.model.saved_probe import SavedProbe, read_probe
from gradlab.report.model.watched_training import WatchedTraining, shown_steps
from gradlab.results.directories import MeasuredDirectory
from gradlab.store.probes import ProbeDirectory
from gradlab.store.sessions import moment
from gradlab.store.watched import WatchedDirectory

__all__ = ["compared_model", "read", "training_of"]


def read(directory: MeasuredDirectory, *, whole: bool = True) -> WatchedTraining | SavedProbe:
    """Return what a directory holds; of a training without `whole` the blocks of those steps alone that reports show.

    Raises StoreError where it is damaged, or of a newer version.
    """
    if directory.kind == "watched":
        watched = WatchedDirectory(directory.path)
        working, document = watched.working, watched.document()  # in this order: it may end in between
        return training_of(directory.path, document, *watched.tables(None if whole else shown_steps), working=working)
    try:
        return read_probe(directory.name, ProbeDirectory(directory.path).document())
    except (ValueError, OverflowError) as error:
        raise StoreError(f"{directory.path / 'probe.json'} is not as gradlab wrote it: {error}", "") from error


def training_of(
    path: Path, document: Mapping[str, Any], steps: list[dict[str, Any]], blocks: list[dict[str, Any]], *, working: bool
) -> WatchedTraining:  # fmt: skip
    """Return the training of a directory. `document` is its ``run.json``, which somebody may have edited."""
    every, notes, ended = document.get("every"), document.get("notes"), document.get("ended")
    return WatchedTraining(
        str(document.get("name") or path.resolve().name), str(document.get("model") or ""), steps, blocks,
        tuple(str(note) for note in notes) if isinstance(notes, list) else (),
        every if isinstance(every, int) else None, moment(document.get("started")),
        moment(ended) if ended is not None else None, str(document.get("error") or ""), working, stored=True,
        locks=document.get("locks") is not False,
    )  # fmt: skip


def compared_model(directory: MeasuredDirectory, label: str) -> ComparedModel:
    """Return what a directory holds as it stands in a comparison, of a training the last measured step.

    Raises StoreError where it cannot be read, and where no step was measured.
    """
    measured = read(directory, whole=False)
    if isinstance(measured, WatchedTraining) and not (measured.steps and measured.blocks):
        raise StoreError(f"{directory.path} has no measured step yet", "step 0 is there, once its update is made")
    return measured.compared(label) if isinstance(measured, WatchedTraining) else ComparedModel(label, measured.report)
