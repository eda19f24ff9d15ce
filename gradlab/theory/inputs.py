"""What theory needs of a task, known without drawing it: a prediction takes no data and no torch."""

from __future__ import annotations

from dataclasses import dataclass

from gradlab.registry import TASKS, Named

__all__ = ["Inputs", "inputs_of"]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Features, outputs, and the mean square of an input."""

    in_features: int
    out_features: int
    mean_square: float


def inputs_of(task: Named) -> Inputs | None:
    """Return what a built-in task feeds a network on average over its seeds, or None for the user's own."""
    params = task.resolve(TASKS) if task.name in TASKS else {}
    return {
        "digits": Inputs(64, 10, 1.0),
        "teacher": Inputs(int(params.get("inputs", 0)), 1, 1.0),
        "linear_regression": Inputs(1, 1, 1 / 3),  # x is uniform on [-1, 1]
        "spirals": Inputs(2, 2, 1.0),
    }.get(task.name)
