"""What is made of the directories of models of the user: pictures, pages, event files of TensorBoard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradlab.api.measured import read
from gradlab.api.options import PlotOptions
from gradlab.errors import StoreError
from gradlab.report import plots
from gradlab.report.model.saved_probe import SavedProbe
from gradlab.report.model.watched_training import WatchedTraining
from gradlab.results.directories import MeasuredDirectory
from gradlab.store.atomic import explained, make_folder, write_bytes

__all__ = ["MeasuredPage", "draw_measured", "write_measured_events", "write_page"]


@dataclass(frozen=True, slots=True)
class MeasuredPage:
    """The page of a model of the user, and what it shows."""

    path: Path
    size: int
    """Bytes."""
    measurement: WatchedTraining | SavedProbe


def draw_measured(directory: MeasuredDirectory, folder: Path, options: PlotOptions) -> tuple[Path, ...]:
    """Draw the pictures of a directory into a folder; return the files.

    Of a training they are ``training`` (the gradient along the blocks, a line for each step) and ``survival``; of a
    probe ``profiles``. The file of another picture is removed, as `plots.draw` does.
    """
    names, formats = plots.chosen(options.only, options.format)
    measurement = read(directory, whole=False)
    plots.load()
    from gradlab.report.plots.measured import pictures
    from gradlab.report.plots.style import save

    of_directory = pictures(measurement)

    if folder.name == "plots" and folder.parent == directory.path:
        make_folder(folder)
    with explained("create", folder):
        folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for name in names:
        paths = [folder / f"{name}.{ending}" for ending in formats]
        if name in of_directory and save(lambda draw: draw(), of_directory[name], paths, options.style):
            files += paths
            continue
        for path in paths:
            with explained("remove", path):
                path.unlink(missing_ok=True)
    return tuple(files)


def write_measured_events(directory: MeasuredDirectory) -> tuple[Path, ...]:
    """Write the event file of a directory into its ``tensorboard/``; return it."""
    from gradlab.report.tensorboard_models import write_probe, write_training

    measurement, folder = read(directory), directory.path / "tensorboard"
    return (
        write_training(measurement, folder)
        if isinstance(measurement, WatchedTraining)
        else write_probe(measurement.report, folder)
    )


def write_page(directory: MeasuredDirectory, target: Path) -> MeasuredPage:
    """Write the page of a directory; return it. Raises StoreError where it cannot be read or written."""
    measurement = read(directory, whole=False)
    plots.load()
    from gradlab.report.page.module import module_page
    from gradlab.report.page.watched import watched_page
    from gradlab.report.plots.measured import pictures
    from gradlab.report.plots.module import svg

    of_directory = pictures(measurement)
    if isinstance(measurement, SavedProbe):
        text = module_page(measurement.report, measurement.cures, _svg(of_directory["profiles"], svg))
    else:
        words = {"training": "Norm of the gradient at each block, a line for each step",
                 "survival": "Survival, loss and gradient against the step"}  # fmt: skip
        drawn = [(words[name], _svg(draw, svg)) for name, draw in of_directory.items()] if measurement.blocks else []
        text = watched_page(measurement, drawn)
    content = text.encode()
    write_bytes(target, content)
    return MeasuredPage(target, len(content), measurement)


def _svg(draw: Callable[[], Any], svg: Callable[[Any], bytes]) -> bytes:
    figure = draw()
    if figure is None:
        raise StoreError("there is nothing to draw", "")
    return svg(figure)
