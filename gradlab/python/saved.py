"""`gl.load` of the directory of a measured model: a saved probe, or a training loop that was watched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradlab.api.measured import read
from gradlab.python.measured import MeasuredModel
from gradlab.python.watched import WatchedLoop
from gradlab.report.model.module_cures import CureRow
from gradlab.report.model.module_report import ModuleReport
from gradlab.report.model.saved_probe import SavedProbe
from gradlab.report.model.watched_training import WatchedTraining
from gradlab.results.directories import MeasuredDirectory

__all__ = ["LoadedProbe", "read_saved"]


class LoadedProbe(MeasuredModel):
    """A probe that was saved: all that a `Probe` says, without the model itself."""

    def __init__(self, path: Path, saved: SavedProbe) -> None:
        """`saved` is what `gradlab.api.measured.read` returns, to the command line too."""
        self.path = path
        self._saved = saved

    @property
    def name(self) -> str:
        """The name of its directory."""
        return self._saved.name

    @property
    def module_report(self) -> ModuleReport:
        """What reports show of it."""
        return self._saved.report

    @property
    def cures(self) -> tuple[CureRow, ...]:
        """What was tried on the model before it was saved."""
        return self._saved.cures[1:]  # the first is the model as it is

    def document(self) -> dict[str, Any]:
        """Return the measurement as plain values, as it was saved."""
        return dict(self._saved.document)

    def _cure_rows(self) -> Sequence[CureRow] | None:
        return self._saved.cures or None


def read_saved(directory: MeasuredDirectory) -> WatchedLoop | LoadedProbe:
    """Return what a directory holds. Raises StoreError where it is damaged, or of a newer version."""
    measured = read(directory)
    if isinstance(measured, WatchedTraining):
        return WatchedLoop(directory.path, measured)
    return LoadedProbe(directory.path, measured)
