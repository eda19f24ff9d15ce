"""The pictures of a run. Importing this loads neither matplotlib nor pandas; drawing does."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from gradlab.components import nearest
from gradlab.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gradlab.report.plots.scene import Scene
    from gradlab.results.tables import Tables

__all__ = ["FORMATS", "PICTURES", "draw"]

FORMATS = ("png", "svg")

_SUFFIXES = ("", "_recurrent")
_OF_RECURRENT_ONES = "recurrence"

PICTURES = {
    "profiles": "gradlab.report.plots.profiles:picture",
    "survival": "gradlab.report.plots.survival:picture",
    "heatmap": "gradlab.report.plots.heatmap:picture",
    "training": "gradlab.report.plots.training:picture",
    "effects": "gradlab.report.plots.effects:picture",
    "recurrence": "gradlab.report.plots.recurrence:picture",
}
"""Every picture by its name, which is its file name: a function from a `Scene` to a figure, or to None where the
tables have nothing for it."""


def draw(
    tables: Tables, directory: Path, *, formats: Sequence[str] = FORMATS, only: Sequence[str] = ()
) -> tuple[Path, ...]:
    """Draw the pictures of `tables` into `directory`, which is made; return the files written, each atomically.

    Where feed-forward and recurrent networks are among them, the recurrent ones have pictures of their own, whose
    names end in ``_recurrent``. `only` names pictures of `PICTURES`; empty: all. A file of a picture that these tables
    do not have is removed, so that what lies there always shows these tables. The same tables give the same bytes.
    Raises UsageError for an unknown picture or format, StoreError when a file cannot be written.
    """
    names = [_known(name, tuple(PICTURES), "picture") for name in only] or list(PICTURES)
    endings = [_known(name, FORMATS, "format") for name in formats]
    from gradlab.report.plots.paper import save
    from gradlab.report.plots.scene import scene_of
    from gradlab.report.view import by_kind
    from gradlab.store.atomic import explained

    with explained("create", directory):
        directory.mkdir(parents=True, exist_ok=True)
    kinds = by_kind(tables) if len(tables.cells) else ()
    scenes = [scene_of(kind) for kind in kinds]
    written: list[Path] = []
    for name in dict.fromkeys(names):
        alone = name == _OF_RECURRENT_ONES
        for scene, suffix in zip_longest(scenes[-1:] if alone else scenes, _SUFFIXES[:1] if alone else _SUFFIXES):
            paths = [directory / f"{name}{suffix}.{ending}" for ending in dict.fromkeys(endings)]
            drawn = save(_picture(name), scene, paths) if scene is not None else False
            for path in paths:
                if drawn:
                    written.append(path)
                else:
                    with explained("remove", path):
                        path.unlink(missing_ok=True)
    return tuple(written)


def _known(name: str, choices: tuple[str, ...], what: str) -> str:
    if name not in choices:
        close = nearest(name, choices)
        raise UsageError(
            f"there is no {what} {name!r}" + (f"; did you mean {close}?" if close else ""),
            f"choose from {', '.join(choices)}",
        )
    return name


def _picture(name: str) -> Callable[[Scene], Figure | None]:
    module, _, attribute = PICTURES[name].partition(":")
    found: Callable[[Scene], Figure | None] = getattr(importlib.import_module(module), attribute)
    return found
