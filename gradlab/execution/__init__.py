"""How banks are computed: in this process, in worker processes, on a Ray cluster; scheduling, retries and failures."""

from gradlab.execution.base import BankResult, Cause, Executor, Job, Outcome
from gradlab.execution.inline import InlineExecutor
from gradlab.execution.processes import LocalExecutor

__all__ = ["BankResult", "Cause", "Executor", "InlineExecutor", "Job", "LocalExecutor", "Outcome"]
