"""What theory needs of a task, known without drawing it: a prediction takes no data and no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from gradlab.components import TASKS, Named
from gradlab.mean_field.coverage import Components
from gradlab.mean_field.prediction import NoPrediction

__all__ = ["Inputs", "inputs_of", "raw_data"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Features, outputs, and the mean square of an input: of a sequence at every time step, NaN for indices."""

    in_features: int
    out_features: int
    mean_square: float

    def scaled(self, factor: float) -> Inputs:
        """Return the inputs times a factor."""
        return replace(self, mean_square=self.mean_square * factor**2)


# The first argument is the number of time steps; the others are those parameters of a task of which the inputs depend,
# or that are known to leave them as they are.
_TASKS: dict[str, Callable[..., Inputs]] = {
    "digits": lambda steps: Inputs(64, 10, 1.0),
    "teacher": lambda steps, inputs, hidden, samples, noise: Inputs(inputs, 1, 1.0),
    "linear_regression": lambda steps, samples, noise: Inputs(1, 1, 1 / 3),  # x is uniform on [-1, 1]
    "spirals": lambda steps, samples, turns, noise: Inputs(2, 2, 1.0),
    "images": lambda steps, channels, size, smooth, classes, samples: Inputs(channels * size**2, classes, 1.0),
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


def raw_data(task: Named) -> str:
    """Return why there is no prediction for a file whose numbers are left as they are; empty for others."""
    component = TASKS.get(task.name)
    if component is None or "standardize" not in component.params or component.origin is not None:
        return ""
    values = dict(task.params)
    standardize = values.get("standardize", True)
    inputs = standardize in (False, "target") and not component.of_indices
    targets = standardize in (False, "inputs") and values.get("kind") != "classification"
    if not (inputs or targets):
        return ""
    needed = " and ".join(["inputs"] * inputs + ["targets"] * targets)
    return f"mean-field theory takes {needed} of mean 0 and deviation 1: those of {task.name} are left as they are"
