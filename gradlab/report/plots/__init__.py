"""The pictures of a run. Importing this loads neither matplotlib nor pandas; drawing does."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gradlab.components import nearest
from gradlab.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure

    from gradlab.report.plots.data import PlotData
    from gradlab.results.tables import Tables

__all__ = ["FORMATS", "PICTURES", "STYLES", "USUAL_FORMATS", "chosen", "draw", "figure", "load"]

FORMATS, USUAL_FORMATS = ("png", "svg", "pdf"), ("png", "svg")
"""The formats of files that there are, and those that are written where none is named."""
STYLES = ("report", "paper")
"""How pictures look: with title, caption and note, or as wide as a column of a paper and without any of them."""

PICTURES = {
    "profiles": "gradlab.report.plots.profiles:picture",
    "survival": "gradlab.report.plots.survival:picture",
    "heatmap": "gradlab.report.plots.heatmap:picture",
    "learning": "gradlab.report.plots.learning:picture",
    "training": "gradlab.report.plots.training:picture",
    "effects": "gradlab.report.plots.effects:picture",
    "recurrence": "gradlab.report.plots.recurrence:picture",
    "sensitivity": "gradlab.report.plots.sensitivity:picture",
}
"""Every picture by its name, which is its file name: a function from `PlotData` to a figure, or to None where the
tables have nothing for it."""


_OF_ONE_AXIS = {"recurrence"}
"""Pictures that networks along one axis only can have."""


def draw(
    tables: Tables,
    directory: Path,
    *,
    formats: Sequence[str] = USUAL_FORMATS,
    only: Sequence[str] = (),
    style: str = "report",
) -> tuple[Path, ...]:
    """Draw the pictures of `tables` into `directory`, which is made; return the files written, each atomically.

    Where there are networks along different axes, those along the later one have pictures of their own, whose names
    end in ``_recurrent``. `only` names pictures of `PICTURES`; empty: all. A file of a picture that these tables
    do not have is removed, so that what lies there always shows these tables. The same tables give the same bytes.
    Raises UsageError for an unknown picture or format, StoreError when a file cannot be written.
    """
    names, endings = chosen(only, formats)
    load()
    from gradlab.families.axes import known_axes, models_by_axis
    from gradlab.report.model.rows import by_axis
    from gradlab.report.plots.data import plot_data
    from gradlab.report.plots.style import save
    from gradlab.store.atomic import explained

    with explained("create", directory):
        directory.mkdir(parents=True, exist_ok=True)
    suffixes = {axis: f"_{axis.networks.partition(' ')[0]}" for axis in known_axes()[1:]}
    parts = [plot_data(part) for part in by_axis(tables)]
    axes = models_by_axis(tables.cells["model"].unique().tolist())
    data_of_suffix = {
        suffixes[axis] if index else "": data for index, (axis, data) in enumerate(zip(axes, parts, strict=True))
    }
    files: list[Path] = []
    for name in names:
        function = _picture(name)
        for suffix in ("", *suffixes.values()):
            paths = [directory / f"{name}{suffix}.{ending}" for ending in endings]
            sources = [data_of_suffix.get(suffix)] if name not in _OF_ONE_AXIS else [] if suffix else parts
            if any(save(function, data, paths, style) for data in sources if data is not None):
                files += paths
                continue
            for path in paths:
                with explained("remove", path):
                    path.unlink(missing_ok=True)
    return tuple(files)


def figure(tables: Tables, name: str, axes: Axes | None = None, style: str = "report") -> Figure | None:
    """Return a picture of `tables` as a figure of matplotlib, or draw it into `axes` and return their figure.

    None where the tables have nothing for it. Raises UsageError for an unknown picture or style, and for axes where
    the picture has several panels.
    """
    (name,), _ = chosen((name,), ())
    _known(style, STYLES, "style")
    load()
    from gradlab.report.model.rows import by_axis
    from gradlab.report.plots.data import plot_data
    from gradlab.report.plots.style import drawing

    data = next((data for part in by_axis(tables) if (data := plot_data(part)) is not None), None)
    if data is None:
        return None
    with drawing(style):
        if axes is None:
            return _picture(name)(data)
        from gradlab.report.plots import survival

        if name != "survival" or not survival.draw_on(axes, data):
            raise UsageError(f"the picture {name!r} has several panels", "leave ax out, and take the figure")
        return cast("Figure", axes.get_figure())


def chosen(only: Sequence[str], formats: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names of the pictures (all, if none is named) and the formats, each once.

    Raises UsageError for what there is not.
    """
    names = [_known(name, tuple(PICTURES), "picture") for name in only] or list(PICTURES)
    return list(dict.fromkeys(names)), list(dict.fromkeys(_known(name, FORMATS, "format") for name in formats))


def load() -> None:
    """Import what draws, whatever MPLBACKEND says: no picture here needs a window.

    What it logs about its own caches and files is not said. Raises UsageError where it cannot be imported.
    """
    if "gradlab.report.plots.style" in sys.modules:
        return
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib

        importlib.import_module("gradlab.report.plots.style")
    except Exception as error:  # a matplotlibrc that cannot be read, an installation that is damaged
        raise UsageError(
            f"matplotlib cannot be loaded: {type(error).__name__}: {error}",
            "correct MATPLOTLIBRC, or repair the installation",
        ) from error
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with suppress(ValueError):  # as matplotlib does, for whoever shows pictures of their own
            matplotlib.rcParams["backend"] = backend


def _known(name: str, choices: tuple[str, ...], kind: str) -> str:
    if name not in choices:
        close = nearest(name, choices)
        raise UsageError(
            f"there is no {kind} {name!r}" + (f"; did you mean {close}?" if close else ""),
            f"choose from {', '.join(choices)}",
        )
    return name


def _picture(name: str) -> Callable[[PlotData], Figure | None]:
    module, _, attribute = PICTURES[name].partition(":")
    function: Callable[[PlotData], Figure | None] = getattr(importlib.import_module(module), attribute)
    return function
