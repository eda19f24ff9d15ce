"""Tasks: where inputs, targets and the loss come from. They know nothing of models or training."""

from gradlab.tasks.base import Criterion, Data, load

__all__ = ["Criterion", "Data", "load"]
