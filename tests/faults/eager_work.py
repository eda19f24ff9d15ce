"""Real training that writes a checkpoint several times a second."""

import dataclasses

import gradlab.worker
from gradlab.executor import Job, Worked


def train(job: Job) -> Worked:
    """Train as `gradlab.worker.train` does."""
    return gradlab.worker.train(dataclasses.replace(job, every_s=0.05))
