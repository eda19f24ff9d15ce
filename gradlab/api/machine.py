"""On what a run is computed: its executor, and the devices it may use."""

from __future__ import annotations

import os

from gradlab.api.options import PlanOptions, RunOptions
from gradlab.execution.base import Executor, load_work
from gradlab.execution.devices import uses_gpu
from gradlab.execution.inline import InlineExecutor
from gradlab.execution.processes.pool import LocalExecutor
from gradlab.execution.processes.starting import WORK

__all__ = ["devices", "executor"]


def _work() -> str:
    """Return what a worker does with a bank; ``GRADLAB_WORK`` names another, for tests and a user's own training."""
    return os.environ.get("GRADLAB_WORK", WORK)


def executor(options: RunOptions) -> Executor:
    """Return the executor that `options` name. Raises UsageError where its package or its cluster is missing."""
    work, device = _work(), options.device
    workers = 0 if options.workers == "auto" else options.workers
    if options.executor == "inline":
        return InlineExecutor(work, device)
    if options.executor == "ray":
        from gradlab.execution.ray import RayExecutor

        return RayExecutor(work, device, options.address, workers=workers, timeout_s=options.bank_timeout)
    return LocalExecutor(work, device, workers=workers, timeout_s=options.bank_timeout)


def devices(options: PlanOptions) -> tuple[str, ...]:
    """Return the devices that a run would use, as far as is known without loading torch for it.

    GPUs that are asked for by name are looked for, by torch; those of a Ray cluster are not ours to look for.
    Raises UsageError for a device this machine does not have.
    """
    of_cluster = isinstance(options, RunOptions) and options.executor == "ray"
    if options.device.startswith("cuda") and not of_cluster:
        return load_work(_work(), options.device)[1]
    return (options.device if options.device != "auto" else "GPU" if uses_gpu("auto") else "cpu",)
