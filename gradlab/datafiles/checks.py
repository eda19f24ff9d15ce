"""The check of a task's data file before a run: how it was read, warnings, or the `DataError` that refuses it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gradlab.components import TASKS, Named
from gradlab.datafiles.files import shown_name
from gradlab.errors import DataError

__all__ = ["Checked", "check", "require_image"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What there is to say of a data file that can be used."""

    read: str
    """One line: what was read, and how."""
    warnings: tuple[str, ...] = ()
    """What may not be meant, each with the name of the file."""
    sample: tuple[int, ...] | None = None
    """Of a file whose samples may be images their shape, channels first; empty where they have one axis."""


def require_image(task: Named, checked: Checked, model: str) -> None:
    """Raise DataError where a model that takes images alone cannot take the samples of a file."""
    if checked.sample is None or len(checked.sample) in (2, 3):
        return
    file = shown_name(Path(str(dict(task.params)["path"])))
    if checked.sample:
        shape = " x ".join(map(str, checked.sample))
        message = f"{file}: samples of {shape} are no images: model {model} takes channels, height and width"
        raise DataError(message, "join axes before they are saved, or use a model that takes samples of one axis: mlp")
    raise DataError(
        f"{file}: samples of one axis are no images, and model {model} takes no others",
        "save them as [samples, height, width] or [samples, channels, height, width]",
    )


def check(task: Named, seq_len: int | None = None) -> Checked | None:
    """Read the data file of a task as training will; None for a task without one.

    Raises:
        DataError: it cannot be used; the message names the file and, where there is one, the row and the column.
    """
    component = TASKS[task.name]
    if component.check is None:
        return None
    module, _, attribute = component.check.partition(":")
    checked: Callable[..., Checked | None] = getattr(importlib.import_module(module), attribute)
    length = {"seq_len": seq_len} if component.of_sequences else {}
    return checked(**length, **task.resolve(TASKS))
