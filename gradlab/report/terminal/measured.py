"""The report of a model of the user that was read from its directory."""

from __future__ import annotations

from rich.text import Text

from gradlab.report.glyphs import Glyphs
from gradlab.report.model.saved_probe import SavedProbe
from gradlab.report.model.watched_training import WatchedTraining
from gradlab.report.terminal.module import cure_lines, module_report
from gradlab.report.terminal.watched import watched_report

__all__ = ["measured_report"]


def measured_report(measurement: WatchedTraining | SavedProbe, glyphs: Glyphs, width: int | None) -> list[Text]:
    """Return the lines of a watched training, or of a saved probe with what was tried on it."""
    if isinstance(measurement, WatchedTraining):
        return watched_report(measurement, glyphs, width)
    lines = module_report(measurement.report, glyphs, width)
    return [*lines, Text(), *cure_lines(measurement.cures, glyphs, width)] if measurement.cures else lines
