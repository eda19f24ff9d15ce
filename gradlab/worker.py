"""What a worker does with a bank: choose the device and train. Only workers import this module, for it loads torch."""

from __future__ import annotations

import torch

from gradlab.cell import Cell
from gradlab.errors import UsageError
from gradlab.executor.base import Worked
from gradlab.train import train_bank

__all__ = ["train"]


def train(cells: tuple[Cell, ...], device: str) -> Worked:
    """Train a bank on `device`: ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:1``.

    Raises UsageError for a device this machine does not have.
    """
    chosen = _resolve(device)
    return Worked(train_bank(cells, chosen), chosen, torch.__version__)


def _resolve(device: str) -> str:
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == "auto":
        return "cuda" if gpus else "cpu"
    if device.startswith("cuda"):
        number = int(device.partition(":")[2] or 0)
        if number >= gpus:
            found = f"torch finds {gpus} CUDA device{'s' * (gpus != 1)}" if gpus else "torch finds no CUDA device"
            raise UsageError(f"--device {device}: {found} on this machine", "leave --device out, or use --device cpu")
    return device
