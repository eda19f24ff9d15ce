"""Real training that writes a checkpoint several times a second."""

import dataclasses

import gradlab.execution.worker
from gradlab.execution.base import BankResult, Job


def train(job: Job) -> BankResult:
    """Train as `gradlab.execution.worker.train` does."""
    return gradlab.execution.worker.train(dataclasses.replace(job, every_s=0.05))
