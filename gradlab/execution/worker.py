"""What a worker does with a bank: choose the device and train. Only workers import this module, for it loads torch."""

from __future__ import annotations

from pathlib import Path

import torch

from gradlab import plugins
from gradlab.errors import UsageError
from gradlab.execution.base import Job, Worked
from gradlab.training.checkpoint import Checkpoint
from gradlab.training.loop import train_bank

__all__ = ["devices", "train"]


def train(job: Job) -> Worked:
    """Train a bank on its device, the first of those that its name stands for.

    Raises UsageError for a device this machine does not have, PluginError for components that cannot be made here.
    """
    for origin in job.plugins:
        plugins.load(origin)
    chosen = devices(job.device)[0]
    checkpoint = Checkpoint(Path(job.checkpoint), job.every_s) if job.checkpoint else None
    records = train_bank(job.cells, chosen, checkpoint)
    return Worked(records, chosen, torch.__version__, 0 if checkpoint is None else checkpoint.resumed_at)


def devices(device: str) -> tuple[str, ...]:
    """Return what ``--device`` stands for: ``auto`` is every GPU or else the CPU, ``cuda`` every GPU; ``cuda:0,1``.

    Raises UsageError for a device this machine does not have.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    every = tuple(f"cuda:{number}" for number in range(gpus))
    if device == "cpu":
        return ("cpu",)
    if device == "auto":
        return every or ("cpu",)
    _, _, listed = device.partition(":")
    chosen = tuple(f"cuda:{int(number)}" for number in listed.split(",")) if listed else every
    if not chosen or not set(chosen) <= set(every):
        found = f"torch finds {gpus} CUDA device{'s' * (gpus != 1)}" if gpus else "torch finds no CUDA device"
        raise UsageError(f"--device {device}: {found} on this machine", "leave --device out, or use --device cpu")
    return chosen
