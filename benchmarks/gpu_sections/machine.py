"""The card, its driver and the versions."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

import torch

from gpu_sections import Context, Results

__all__ = ["measure"]


def measure(context: Context, results: Results) -> None:
    """Record what the other sections run on."""
    results["torch"], results["python"] = str(torch.__version__), platform.python_version()
    results["processors"] = os.cpu_count()
    results["cuda"] = torch.version.cuda
    if not context.on_gpu:
        results["card"] = "none"
        return
    properties = torch.cuda.get_device_properties(context.device)
    results["card"], results["memory_mib"] = properties.name, properties.total_memory / 2**20
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.max.sm,power.limit", "--format=csv,noheader"]
        results["driver"] = subprocess.run(query, capture_output=True, text=True, timeout=10).stdout.strip()
