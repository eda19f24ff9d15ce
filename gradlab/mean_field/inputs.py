"""What theory needs of a task, known without drawing it: a prediction takes no data and no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradlab.components import TASKS, Named

__all__ = ["Inputs", "inputs_of"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Features, outputs, and the mean square of an input."""

    in_features: int
    out_features: int
    mean_square: float


def inputs_of(task: Named, seq_len: int | None = None) -> Inputs | None:
    """Return what a built-in task feeds a network on average over its seeds, or None for the user's own.

    Of a sequence: at every time step. The mean square of indices is NaN.
    """
    params = task.resolve(TASKS) if task.name in TASKS else {}
    steps = seq_len or 1
    return {
        "digits": Inputs(64, 10, 1.0),
        "teacher": Inputs(int(params.get("inputs", 0)), 1, 1.0),
        "linear_regression": Inputs(1, 1, 1 / 3),  # x is uniform on [-1, 1]
        "spirals": Inputs(2, 2, 1.0),
        "adding": Inputs(2, 1, (1 / 3 + 2 / steps) / 2),  # numbers uniform on [0, 1], and two marks in all
        "copy_memory": Inputs(1, 9, math.nan),
        "temporal_order": Inputs(1, 4, math.nan),
        "sequential_digits": Inputs(max(64 // steps, 1), 10, 1.0),
    }.get(task.name)
