"""The pictures of a model of the user that was read from its directory."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.figure import Figure

from gradlab.report.model.saved_probe import SavedProbe
from gradlab.report.model.watched_training import WatchedTraining
from gradlab.report.plots import module, watched

__all__ = ["pictures"]


def pictures(measurement: WatchedTraining | SavedProbe) -> dict[str, Callable[[], Figure | None]]:
    """Return the pictures by their names, which are those of pictures of a run that show the same."""
    if isinstance(measurement, SavedProbe):
        return {"profiles": lambda: module.picture(measurement.report)}
    return {"training": lambda: watched.training(measurement), "survival": lambda: watched.survival(measurement)}
