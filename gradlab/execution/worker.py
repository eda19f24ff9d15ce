"""The work function of gradlab: train a bank on a device. Only workers import this module, as it loads torch."""

from __future__ import annotations

from pathlib import Path

import torch

from gradlab import plugins
from gradlab.execution.base import BankResult, Job
from gradlab.execution.devices import resolve as devices
from gradlab.training.checkpoint import Checkpoint
from gradlab.training.loop import train_bank

__all__ = ["devices", "train"]


def train(job: Job) -> BankResult:
    """Train a bank on the first of the devices that its job names.

    Raises UsageError for a device this machine does not have, PluginError for components that cannot be made here.
    """
    for origin in job.plugins:
        plugins.load(origin)
    device = devices(job.device)[0]
    checkpoint = Checkpoint(Path(job.checkpoint), job.every_s) if job.checkpoint else None
    records = train_bank(job.cells, device, checkpoint)
    return BankResult(records, device, str(torch.__version__), 0 if checkpoint is None else checkpoint.resumed_at)
