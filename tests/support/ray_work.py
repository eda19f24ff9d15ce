"""Work for the nodes of a Ray cluster: real training that takes its time, or that ends its own process."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from gradlab.cell import cell_id
from gradlab.execution.base import BankResult, Job


def train(job: Job) -> BankResult:
    """Train as `gradlab.execution.worker.train` does, after a line of node and cells in the file ``GRADLAB_BEGUN``.

    On the node that the file ``GRADLAB_BEGUN.doomed`` names it never comes to an end.
    """
    import ray

    from gradlab.execution.worker import train as real

    node, begun = ray.get_runtime_context().get_node_id(), Path(os.environ["GRADLAB_BEGUN"])
    with begun.open("a") as file:
        file.write(" ".join([node, *map(cell_id, job.cells)]) + "\n")
    if begun.with_suffix(".doomed").read_text() == node:
        time.sleep(300)
    return real(job)


def spoil(job: Job) -> BankResult:
    """End in one of several ways, by the depth of the first cell."""
    from fake_work import train as fake

    depth = job.cells[0].depth
    if depth == 2:
        raise ZeroDivisionError("nothing to divide by")
    if depth == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if depth == 4:
        raise MemoryError
    if depth == 6:
        time.sleep(300)
    return fake(job)


def where(job: Job) -> BankResult:
    """Compute nothing, and say what device the task was given."""
    from fake_work import record

    device = f"{job.device} on {os.environ.get('CUDA_VISIBLE_DEVICES')}"
    return BankResult([record(cell) for cell in job.cells], device, "")
