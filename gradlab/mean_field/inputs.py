"""What theory needs of a task, known without drawing it: a prediction takes no data and no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from gradlab.components import TASKS, Named
from gradlab.mean_field.coverage import Components
from gradlab.mean_field.prediction import NoPrediction

__all__ = ["Inputs", "inputs_of"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Features, outputs, and the mean square of an input: of a sequence at every time step, NaN for indices."""

    in_features: int
    out_features: int
    mean_square: float


# The first argument is the number of time steps; the others are those parameters of a task of which the inputs depend,
# or that are known to leave them as they are.
_TASKS: dict[str, Callable[..., Inputs]] = {
    "digits": lambda steps: Inputs(64, 10, 1.0),
    "teacher": lambda steps, inputs, hidden, samples, noise: Inputs(inputs, 1, 1.0),
    "linear_regression": lambda steps, samples, noise: Inputs(1, 1, 1 / 3),  # x is uniform on [-1, 1]
    "spirals": lambda steps, samples, turns, noise: Inputs(2, 2, 1.0),
    # numbers uniform on [0, 1], and two marks in all
    "adding": lambda steps, samples: Inputs(2, 1, (1 / 3 + 2 / steps) / 2),
    "copy_memory": lambda steps, samples: Inputs(1, 9, math.nan),
    "temporal_order": lambda steps, samples: Inputs(1, 4, math.nan),
    "sequential_digits": lambda steps, permuted: Inputs(max(64 // steps, 1), 10, 1.0),
}
_KNOWN = Components(_TASKS)


def inputs_of(task: Named, seq_len: int | None = None) -> Inputs | None:
    """Return what a built-in task feeds a network on average over its seeds.

    None for the user's own, and for tasks and parameters of tasks that theory was not told about.
    """
    try:
        _KNOWN.require("task", task)
    except NoPrediction:
        return None
    return _TASKS[task.name](seq_len or 1, **_KNOWN.values(task, TASKS))
