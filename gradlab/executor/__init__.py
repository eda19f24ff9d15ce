"""How banks are computed: here, in processes, elsewhere. Knows no tensors, no models and no terminal."""

from gradlab.executor.base import Cause, Executor, Job, Outcome, Worked
from gradlab.executor.inline import InlineExecutor
from gradlab.executor.local import LocalExecutor

__all__ = ["Cause", "Executor", "InlineExecutor", "Job", "LocalExecutor", "Outcome", "Worked"]
