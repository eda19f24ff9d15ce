"""Tasks: where inputs, targets and the loss come from. They know nothing of models or training."""

from gradlab.tasks.base import ACCURACY, R2, Criterion, Data, Scaling, classification, load, regression

__all__ = ["ACCURACY", "R2", "Criterion", "Data", "Scaling", "classification", "load", "regression"]
