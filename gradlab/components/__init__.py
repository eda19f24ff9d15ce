"""Every name a spec may use: one line each, in plain dictionaries, with nothing imported."""

from __future__ import annotations

from gradlab.components.component import (
    Activation,
    Component,
    InputKind,
    Lengths,
    Named,
    Optimizer,
    Origin,
    Task,
    Value,
    nearest,
)
from gradlab.components.foreign_words import ALIASES
from gradlab.components.networks import ACTIVATIONS, BRANCH_INITS, INITS, NORM_POSITIONS, NORMS, RESIDUALS
from gradlab.components.param import Param
from gradlab.components.tasks import TASKS
from gradlab.components.training import CLIPS, OPTIMIZERS, PRECISIONS, SCHEDULES

__all__ = [
    "ACTIVATIONS",
    "ALIASES",
    "BRANCH_INITS",
    "CLIPS",
    "INITS",
    "NORMS",
    "NORM_POSITIONS",
    "OPTIMIZERS",
    "PRECISIONS",
    "RESIDUALS",
    "SCHEDULES",
    "TASKS",
    "Activation",
    "Component",
    "InputKind",
    "Lengths",
    "Named",
    "Optimizer",
    "Origin",
    "Param",
    "Task",
    "Value",
    "nearest",
]
