"""The data of a task of sequences or ratings, and which tasks are of sequences."""

from __future__ import annotations

from gradlab.components import TASKS, Named
from gradlab.tasks import Data, load

SEQUENCES = [
    name
    for name, task in TASKS.items()
    if task.of_sequences and not any(param.required for param in task.params.values())
]
"""Those that need no file."""


def drawn(name: str, seq_len: int | None = None, seeds: tuple[int, ...] = (0,), **params: object) -> Data:
    lengths = TASKS[name].lengths
    return load(Named(name, tuple(params.items())), seeds, seq_len or (lengths.default if lengths else None))
