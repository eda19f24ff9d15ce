"""How banks are computed: here, in processes, elsewhere. Knows no tensors, no models and no terminal."""

from gradlab.executor.base import Executor, Outcome, Worked
from gradlab.executor.inline import InlineExecutor

__all__ = ["Executor", "InlineExecutor", "Outcome", "Worked"]
