"""Which devices ``--device`` stands for, and how large banks may be there.

torch alone knows the GPUs of a machine, and takes a second to load: `resolve` loads it, `uses_gpu` and `limits_of` tell
as much as is known without it.
"""

from __future__ import annotations

import importlib.util
import os
import re
from functools import cache
from pathlib import Path

from gradlab.errors import UsageError
from gradlab.planning.banks import CPU, CUDA, Limits

__all__ = ["limits_of", "resolve", "uses_gpu"]

_DRIVERS = (
    Path("/proc/driver/nvidia"), Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"),
    Path(os.environ.get("SYSTEMROOT", "/"), "System32", "nvcuda.dll"),
)  # fmt: skip
"""Of which one is there where a GPU can be used: of NVIDIA's driver, WSL's, AMD's, and NVIDIA's on Windows."""


def resolve(device: str) -> tuple[str, ...]:
    """Return the devices of this machine that ``--device`` stands for, as torch names them.

    ``auto`` is every GPU or else the CPU, ``cuda`` every GPU, ``cuda:0,1`` the listed ones.
    Raises UsageError for a device that this machine does not have.
    """
    if device == "cpu":
        return ("cpu",)
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    every = tuple(f"cuda:{number}" for number in range(gpus))
    if device == "auto":
        return every or ("cpu",)
    _, _, listed = device.partition(":")
    selected = tuple(f"cuda:{int(number)}" for number in listed.split(",")) if listed else every
    if not selected or not set(selected) <= set(every):
        available = f"torch finds {gpus} CUDA device{'s' * (gpus != 1)}" if gpus else "torch finds no CUDA device"
        raise UsageError(f"--device {device}: {available} on this machine", "leave --device out, or use --device cpu")
    return selected


def uses_gpu(device: str) -> bool:
    """Return whether ``--device`` stands for GPUs: asked for, or to be expected from driver and torch's build."""
    if device != "auto":
        return device.startswith("cuda")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1")
    return (
        not hidden and any(Path(path).is_absolute() and Path(path).exists() for path in _DRIVERS) and _built_for_gpu()
    )


def limits_of(device: str) -> Limits:
    """Return how large banks may become on what ``--device`` stands for."""
    return CUDA if uses_gpu(device) else CPU


@cache
def _built_for_gpu() -> bool:
    """Return whether the installed torch was built with CUDA or ROCm, from its version file."""
    package = importlib.util.find_spec("torch")
    if package is None or package.origin is None:
        return False
    try:
        text = Path(package.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return True  # a build of somebody's own: torch itself must tell
    return re.search(r"^(cuda|hip)\b.*=\s*['\"]", text, re.MULTILINE) is not None
