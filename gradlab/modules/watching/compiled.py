"""Measured steps of a compiled model run without the compiler: hooks do not run in code that it has made already."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["is_compiled", "run_uncompiled"]

_ASKED: set[int] = set()
"""Who needs it now, by identity: several watches may."""
_STANCE: list[Any] = []
"""What undoes it."""


def is_compiled(model: nn.Module) -> bool:
    """Return whether a model, a wrapper of it or a part of it runs compiled."""
    return any(
        isinstance(getattr(module, "_orig_mod", None), nn.Module)
        or getattr(module, "_compiled_call_impl", None) is not None
        for module in model.modules()
    )


def run_uncompiled(owner: object, uncompiled: bool) -> None:
    """Let everything that is compiled run as it was written, as long as any owner wants it."""
    if uncompiled:
        _ASKED.add(id(owner))
    else:
        _ASKED.discard(id(owner))
    if _ASKED and not _STANCE:
        _STANCE.append(torch.compiler.set_stance("force_eager"))
    elif _STANCE and not _ASKED:
        _STANCE.pop().__exit__(None, None, None)
