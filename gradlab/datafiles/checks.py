"""The check of a task's data file before a run: how it was read, warnings, or the `DataError` that refuses it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from gradlab.components import TASKS, Named

__all__ = ["Checked", "check"]


@dataclass(frozen=True, slots=True)
class Checked:
    """What there is to say of a data file that can be used."""

    read: str
    """One line: what was read, and how."""
    warnings: tuple[str, ...] = ()
    """What may not be meant, each with the name of the file."""


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
    own = {"seq_len": seq_len} if component.of_sequences else {}
    return checked(**own, **task.resolve(TASKS))
