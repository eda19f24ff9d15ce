"""How banks are computed: here, in processes, elsewhere. Knows no tensors, no models and no terminal."""

from gradlab.execution.base import Cause, Executor, Job, Outcome, Worked
from gradlab.execution.inline import InlineExecutor
from gradlab.execution.processes import LocalExecutor

__all__ = ["Cause", "Executor", "InlineExecutor", "Job", "LocalExecutor", "Outcome", "Worked"]
